import { plainGrid, storedScale, tightScale } from './candidates.ts'
import { roundEven } from './float16.ts'
import { type Effort, FEW, type GridSettings } from './search.ts'

const f = Math.fround
const MOST = (2 - 2 ** -23) * 2 ** 127

/** Plain twin of assembly/shared/short-search.ts for one group: sums of 16-bit integers, and the true error at the end. */
export function chooseShortReference(x: Float32Array, settings: GridSettings): { scale: number; zero: number } {
  const top = 2 ** settings.bits - 1
  const { steps, rounds } = settings.effort
  const [lo, hi] = [Math.min(0, ...x), Math.max(0, ...x)]
  const plain = plainGrid(lo, hi, settings)
  if (plain.scale === 0 || steps === 0) return plain
  const k = Math.min(MOST, f(2 ** (8 + (settings.bits >> 1)) / Math.max(-lo, hi)))
  const short = Int32Array.from(x, (value) => roundEven(f(value * k)))
  const per = f(32768 / k)
  const sums = (factor: number, zero: number) => {
    const b = roundEven(Math.min(32767, Math.max(-32767, factor)))
    const u = short.map((a) => Math.min(top - zero, Math.max(-zero, (a * b + 16384) >> 15)))
    return { xu: runs(short, u), uu: runs(u, u) }
  }
  const best = { explained: 0, ratio: 0, factor: 0, zero: 0 }
  const offer = (factor: number, zero: number) => {
    const { xu, uu } = sums(factor, zero)
    const explained = f(f(xu * xu) / uu)
    if (explained > best.explained) Object.assign(best, { explained, ratio: f(xu / uu), factor, zero })
  }
  for (const { factor, zero } of shortCandidates(lo, hi, plain.zero, settings, per)) offer(factor, zero)
  if (best.explained === 0) return plain
  const { factor, zero } = best
  const wider = neighbour(settings.effort)
  offer(f(factor * f(1 / wider)), zero)
  offer(f(factor * wider), zero)

  let [found, gain] = [plain, 0]
  for (let round = 0; round < rounds; round++) {
    const scale = storedScale(f(best.ratio / k), settings.scaleType)
    const { xu, uu } = sums(f(per / scale), zero)
    const size = f(scale * k)
    const own = f(size * f(f(2 * xu) - f(size * uu)))
    if (!(own > gain)) break
    ;[gain, found, best.ratio] = [own, { scale, zero }, f(xu / uu)]
  }
  const error = (grid: typeof plain) => {
    const size = f(grid.scale * k)
    return f(f(size * size) * distance(x, grid, top))
  }
  return error(found) < error(plain) ? found : plain
}

/** sum (x / scale - u)^2, in 4 float32 lanes over runs of 1024 elements. */
function distance(x: Float32Array, { scale, zero }: { scale: number; zero: number }, top: number): number {
  const total = new Float32Array(4)
  for (let begin = 0; begin < x.length; begin += 1024) {
    const run = new Float32Array(4)
    x.subarray(begin, begin + 1024).forEach((value, i) => {
      const v = f(value * f(1 / scale))
      const d = f(v - roundEven(Math.min(top - zero, Math.max(-zero, v))))
      run[i % 4] = (run[i % 4] ?? 0) + f(d * d)
    })
    run.forEach((sum, lane) => (total[lane] = (total[lane] ?? 0) + sum))
  }
  const [a = 0, b = 0, c = 0, d = 0] = total
  return f(f(a + c) + f(b + d))
}

/** As `candidates`, in order, with factors b of the integers. */
function shortCandidates(lo: number, hi: number, plainZero: number, settings: GridSettings, per: number) {
  const { effort, symmetric, bits } = settings
  const [c, top] = [f(1 - f(effort.smallest)), 2 ** bits - 1]
  const steps = Array.from({ length: effort.steps }, (_, k) => k).filter((k) => effort.steps <= FEW || k % 2 === 0)
  const reach = symmetric ? 0 : effort.reach
  const zeros = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.min(top, Math.max(0, plainZero - reach + i)))
  return zeros.flatMap((zero) =>
    steps.flatMap((k) =>
      (symmetric ? [1, -1] : [1]).map((sign) => ({
        zero,
        factor: f(
          sign *
            Math.min(8192, f(per / tightScale(lo, hi, zero, top, sign))) *
            f(1 / f(1 - f(f(c * k) / effort.steps))),
        ),
      })),
    ),
  )
}

/** Factor from a candidate to the next one that was not tried. */
function neighbour({ steps, smallest }: Effort): number {
  const shrink = f(f(1 - f(smallest)) / steps)
  return f(1 + f(f((steps > FEW ? 1 : 0.5) * shrink) / f(1 - f(f(shrink * (steps - 1)) / 2))))
}

/** sum a b, exact over 1024 elements, float32 beyond. */
function runs(a: Int32Array, b: Int32Array): number {
  let total = 0
  for (let begin = 0; begin < a.length; begin += 1024)
    total = f(total + f(a.subarray(begin, begin + 1024).reduce((sum, v, i) => sum + v * (b[begin + i] ?? 0), 0)))
  return total
}
