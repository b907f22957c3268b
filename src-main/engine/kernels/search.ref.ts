import { errorReference, sumsReference } from './group.ref.ts'
import { candidates, plainGrid, storedScale } from './candidates.ts'
import type { GridSettings } from './search.ts'

/** Plain twin of choose() in assembly/quantize.ts: the grid of one group. Scale 0 where there are only zeros. */
export function chooseReference(
  x: Float32Array,
  h: Float32Array,
  settings: GridSettings,
): { scale: number; zero: number } {
  const top = 2 ** settings.bits - 1
  const lo = x.reduce((low, value) => Math.min(low, value), 0)
  const hi = x.reduce((high, value) => Math.max(high, value), 0)
  let chosen = plainGrid(lo, hi, settings)
  if (chosen.scale === 0 || settings.effort.steps === 0) return chosen
  let error = errorReference(x, h, chosen.scale, { zero: chosen.zero, top })

  let [best, ratio, zero] = [0, 0, 0]
  for (const candidate of candidates(lo, hi, chosen.zero, settings)) {
    const { xu, uu } = sumsReference(x, h, candidate.inverse, { zero: candidate.zero, top })
    const explained = ((xu / candidate.inverse) * (xu / candidate.inverse)) / uu
    if (!(explained > best)) continue
    best = explained
    ratio = Math.fround(xu / uu / candidate.inverse)
    zero = candidate.zero
  }
  if (best === 0) return chosen
  for (let round = 0; round < settings.effort.rounds; round++) {
    const scale = storedScale(ratio, settings.scaleType)
    const found = errorReference(x, h, scale, { zero, top })
    if (found < error) [error, chosen] = [found, { scale, zero }]
    const inverse = Math.fround(1 / scale)
    const { xu, uu } = sumsReference(x, h, inverse, { zero, top })
    if (uu === 0) break
    ratio = Math.fround(xu / uu / inverse)
  }
  return chosen
}
