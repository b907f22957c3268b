import { candidates, plainGrid, storedScale } from '../candidates.ts'
import { roundEven } from '../float16.ts'
import type { GridSettings } from '../search.ts'

const f = Math.fround

/** Plain twin of assembly/shared/lane-search.ts for one group: float32 sums in the order of the columns. */
export function chooseLaneReference(x: Float32Array, h: Float32Array, settings: GridSettings) {
  const top = 2 ** settings.bits - 1
  const [lo, hi] = [Math.min(0, ...x), Math.max(0, ...x)]
  const code = (v: number, z: number) => roundEven(Math.min(top - z, Math.max(-z, v)))
  const sums = (inverse: number, z: number) =>
    x.reduce(
      ({ xu, uu }, value, c) => {
        const [v, u] = [f(value * inverse), code(f(value * inverse), z)]
        const w = f((h[c] ?? 0) * u)
        return { xu: f(xu + f(w * v)), uu: f(uu + f(w * u)) }
      },
      { xu: 0, uu: 0 },
    )
  const base = Math.max(-lo, hi)
  const errorAt = (s: number, z: number) =>
    x.reduce((sum, value, c) => {
      const d = f(f(value - f(s * code(f(value / s), z))) / base)
      return f(sum + f((h[c] ?? 0) * f(d * d)))
    }, 0)
  let chosen = plainGrid(lo, hi, settings)
  if (chosen.scale === 0 || settings.effort.steps === 0) return chosen
  let [error, best, ratio, zero] = [errorAt(chosen.scale, chosen.zero), 0, chosen.scale, chosen.zero]
  for (const { inverse, zero: z } of laneOrder(lo, hi, chosen.zero, settings)) {
    const { xu, uu } = sums(inverse, z)
    const along = f(xu / f(inverse * base))
    const explained = f(f(along * along) / uu)
    if (explained > best) [best, ratio, zero] = [explained, f(f(xu / uu) / inverse), z]
  }
  for (let round = 0; round < settings.effort.rounds; round++) {
    const scale = storedScale(ratio, settings.scaleType)
    const found = errorAt(scale, zero)
    if (found < error) [error, chosen] = [found, { scale, zero }]
    const { xu, uu } = sums(f(1 / scale), zero)
    if (uu > 0) ratio = f(f(xu / uu) / f(1 / scale))
  }
  return chosen
}

/** Candidates of a symmetric grid, each mirror right after its own. */
function laneOrder(lo: number, hi: number, zero: number, settings: GridSettings) {
  const all = [...candidates(lo, hi, zero, settings)]
  const half = all.length / 2
  return settings.symmetric ? all.map((_, i) => all[(i >> 1) + (i % 2) * half] ?? { inverse: 0, zero: 0 }) : all
}
