import { candidates, type Candidate, plainGrid, shrunk, storedScale } from './candidates.ts'
import { lanesReference } from './group.ref.ts'
import { FEW, type GridSettings, WIDEST_SHORT } from './search.ts'
import { chooseShortReference } from './short-search.ref.ts'

/** Plain twin of choose() in assembly/quantize.ts: the grid of one group. Scale 0 where there are only zeros. */
export function chooseReference(
  x: Float32Array,
  h: Float32Array,
  settings: GridSettings,
): { scale: number; zero: number } {
  const { steps, rounds } = settings.effort
  if (steps === 0 || (settings.bits <= WIDEST_SHORT && h.every((importance) => importance === 1)))
    return chooseShortReference(x, settings)
  const top = 2 ** settings.bits - 1
  let chosen = plainGrid(Math.min(0, ...x), Math.max(0, ...x), settings)
  if (chosen.scale === 0) return chosen
  const best = { xu: 0, uu: 1, of: { inverse: 1, zero: 0, tight: 1, step: 0 } }
  const offer = (of: Candidate | null): void => {
    if (of === null) return
    const { xu, uu } = lanesReference(x, h, of.inverse, { zero: of.zero, top })
    const [own, known] = [of.inverse * of.inverse * uu, best.of.inverse * best.of.inverse * best.uu]
    if (xu * xu * known > best.xu * best.xu * own) Object.assign(best, { xu, uu, of })
  }
  const stride = steps > FEW ? 2 : 1
  for (const candidate of candidates(Math.min(0, ...x), Math.max(0, ...x), chosen.zero, settings, stride))
    offer(candidate)
  if (best.xu === 0) return chosen
  const { tight, step, zero } = best.of
  if (stride === 2)
    for (const near of [Math.max(step - 1, 0), Math.min(step + 1, steps - 1)])
      offer(shrunk(tight, near, zero, settings))

  const plain = lanesReference(x, h, Math.fround(1 / chosen.scale), { zero: chosen.zero, top })
  let error = chosen.scale * chosen.scale * plain.dd
  let ratio = Math.fround(best.xu / best.uu / best.of.inverse)
  for (let round = 0; round < rounds; round++) {
    const scale = storedScale(ratio, settings.scaleType)
    const { xu, uu, dd } = lanesReference(x, h, Math.fround(1 / scale), { zero, top })
    const found = scale * scale * dd
    if (found < error) [error, chosen] = [found, { scale, zero }]
    else if (round > 0) break
    if (uu === 0) break
    ratio = Math.fround((xu / uu) * scale)
  }
  return chosen
}
