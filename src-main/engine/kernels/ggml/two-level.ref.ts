// Plain twin of assembly/shared/ggml/two-level.ts: the same float32 operations in the same order. Sums over groups run in
// fours, as the kernel's lanes do.
import { roundEven } from '../float16.ts'
import { bestLine, lineError, lineSums } from './affine.ref.ts'
import type { Effort } from './effort.ts'
import { bestScale, errorOf, fitSums, type Grid, inverseOf, storedScale } from './symmetric.ref.ts'

const f = Math.fround

/** Sum over groups: four lanes at a time, (0 + 1) + (2 + 3). */
const total = (values: readonly number[]): number => {
  let sum = 0
  for (let i = 0; i < values.length; i += 4) {
    const [a = 0, b = 0, c = 0, d = 0] = values.slice(i, i + 4)
    sum = f(sum + f(f(a + b) + f(c + d)))
  }
  return sum
}

export interface Group {
  x: Float32Array
  h: Float32Array
}

export function chooseSymmetric(groups: Group[], grid: Grid, limit: number, { trials, rounds, outer }: Effort) {
  const wanted = groups.map(({ x, h }) => bestScale(x, h, grid, trials.map(f), rounds))
  const extreme = wanted.reduce((most, s) => (Math.abs(s) > Math.abs(most) ? s : most), 0)
  let [d, kept] = [storedScale(f(-extreme / limit)), groups.map(() => 0)]
  if (d === 0) return { d: 0, ints: kept }
  let [factor, least] = [d, Infinity]
  for (let round = 0; ; round++) {
    const chosen = groups.map(({ x, h }, g) => {
      const center = roundEven(f((wanted[g] ?? 0) * inverseOf(factor)))
      let best = { int: 0, error: Infinity }
      for (const step of [-1, 0, 1]) {
        const int = Math.min(limit - 1, Math.max(-limit, center + step))
        const error = errorOf(x, h, f(factor * int), grid)
        if (error < best.error) best = { int, error }
      }
      return best
    })
    const ints = chosen.map(({ int }) => int)
    const sum = total(chosen.map(({ error }) => error))
    if (sum < least) [least, d, kept] = [sum, factor, ints]
    if (round === outer) break
    const fits = groups.map(({ x, h }, g) => fitSums(x, h, inverseOf(f(factor * (ints[g] ?? 0))), grid))
    const num = total(fits.map(({ xu }, g) => f((ints[g] ?? 0) * xu)))
    const den = total(fits.map(({ uu }, g) => f(f((ints[g] ?? 0) ** 2) * uu)))
    if (!(den > 0)) break
    factor = storedScale(f(num / den))
    if (factor === 0) break
  }
  return { d, ints: kept }
}

export function chooseAffine(groups: Group[], top: number, limit: number, effort: Effort) {
  const { trials, rounds, outer, reach } = effort
  const lines = groups.map(({ x, h }) => bestLine(x, h, top, true, trials, rounds))
  const most = (values: number[]) => Math.max(0, ...values)
  let factor = storedScale(f(most(lines.map(({ s }) => s)) / limit))
  let minFactor = storedScale(f(most(lines.map(({ b }) => -b)) / limit))
  let kept = { d: factor, dmin: minFactor, ints: groups.map(() => 0), mins: groups.map(() => 0) }
  let least = Infinity
  for (let round = 0; ; round++) {
    const around = round === outer ? reach : 0
    const chosen = groups.map(({ x, h }, g) => {
      const { s: wanted, sumH, sumHX, sumQ } = lines[g] as (typeof lines)[number]
      const center = roundEven(f(wanted * inverseOf(factor)))
      let best = { int: 0, min: 0, error: Infinity }
      for (const step of [-1, 0, 1]) {
        const int = Math.min(limit, Math.max(0, center + step))
        const s = f(factor * int)
        const offset = f(f(f(s * sumQ) - sumHX) / sumH)
        const nearest = roundEven(f(offset * inverseOf(minFactor)))
        for (let away = -around; away <= around; away++) {
          const min = Math.min(limit, Math.max(0, nearest + away))
          const error = lineError(x, h, s, -f(minFactor * min), top)
          if (error < best.error) best = { int, min, error }
        }
      }
      return best
    })
    const sum = total(chosen.map(({ error }) => error))
    const [ints, mins] = [chosen.map(({ int }) => int), chosen.map(({ min }) => min)]
    if (sum < least) {
      least = sum
      kept = { d: factor, dmin: minFactor, ints, mins }
    }
    if (round === outer) break
    const next = refit(groups, lines, ints, mins, factor, minFactor, top)
    if (next === null) break
    ;[factor, minFactor] = next
  }
  return kept
}

/** d and dmin by least squares for the codes at hand: x ~ d A - dmin N. Null where there is nothing to fit. */
function refit(
  groups: Group[],
  lines: { sumH: number; sumHX: number; sumQ: number }[],
  ints: number[],
  mins: number[],
  factor: number,
  minFactor: number,
  top: number,
): [number, number] | null {
  const sums = groups.map(({ x, h }, g) => {
    const inverse = inverseOf(f(factor * (ints[g] ?? 0)))
    const found = lineSums(x, h, inverse, -f(-f(minFactor * (mins[g] ?? 0)) * inverse), top)
    const line = lines[g]
    if (line) line.sumQ = found.q1
    return { ...found, a: ints[g] ?? 0, n: mins[g] ?? 0, h: line?.sumH ?? 0, hx: line?.sumHX ?? 0 }
  })
  const aa = total(sums.map(({ a, q2 }) => f(f(a * a) * q2)))
  const an = total(sums.map(({ a, n, q1 }) => f(f(a * n) * q1)))
  const nn = total(sums.map(({ n, h }) => f(f(n * n) * h)))
  const xa = total(sums.map(({ a, xq }) => f(a * xq)))
  const xn = total(sums.map(({ n, hx }) => f(n * hx)))
  const det = f(f(aa * nn) - f(an * an))
  const next = nn === 0 ? f(xa / aa) : f(f(f(xa * nn) - f(xn * an)) / det)
  const nextMin = nn === 0 ? 0 : f(f(f(xa * an) - f(xn * aa)) / det)
  if (!(next > 0) || !(nextMin >= 0)) return null
  const stored = storedScale(next)
  return stored === 0 ? null : [stored, storedScale(nextMin)]
}
