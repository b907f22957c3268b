import { type Candidate, candidates, plainGrid, shrunk, storedScale } from './candidates.ts'
import { roundEven } from './float16.ts'
import { lanesReference } from './group.ref.ts'
import { FEW, type GridSettings } from './search.ts'

const f = Math.fround
const MOST = (2 - 2 ** -23) * 2 ** 127

/** Plain twin of assembly/shared/short-search.ts for one group: sums of 16-bit integers, and the true error at the end. */
export function chooseShortReference(x: Float32Array, settings: GridSettings): { scale: number; zero: number } {
  const top = 2 ** settings.bits - 1
  const { steps, rounds } = settings.effort
  const [lo, hi] = [Math.min(0, ...x), Math.max(0, ...x)]
  const plain = plainGrid(lo, hi, settings)
  if (plain.scale === 0 || steps === 0) return plain
  const k = Math.min(MOST, f(2 ** Math.min(11, 8 + (settings.bits >> 1)) / Math.max(-lo, hi)))
  const short = Int32Array.from(x, (value) => roundEven(f(value * k)))
  const sums = (inverse: number, zero: number) => {
    const b = roundEven(Math.min(32767, Math.max(-32767, f(inverse * f(32768 / k)))))
    const u = short.map((a) => Math.min(top - zero, Math.max(-zero, (a * b + 16384) >> 15)))
    return { xu: runs(short, u), uu: runs(u, u) }
  }
  const best = { explained: 0, ratio: 0, of: { inverse: 1, zero: 0, tight: 1, step: 0 } }
  const offer = (of: Candidate | null) => {
    if (of === null) return
    const { xu, uu } = sums(of.inverse, of.zero)
    const explained = f(f(xu * xu) / uu)
    if (explained > best.explained) Object.assign(best, { explained, ratio: f(xu / uu), of })
  }
  const stride = steps > FEW ? 2 : 1
  for (const candidate of candidates(lo, hi, plain.zero, settings, stride)) offer(candidate)
  if (best.explained === 0) return plain
  const { tight, step, zero } = best.of
  for (const near of [Math.max(step - stride / 2, 0), Math.min(step + stride / 2, steps - stride / 2)])
    offer(shrunk(tight, near, zero, settings))

  let [found, gain] = [plain, 0]
  for (let round = 0; round < rounds; round++) {
    const scale = storedScale(f(best.ratio / k), settings.scaleType)
    const { xu, uu } = sums(f(1 / scale), zero)
    const size = f(scale * k)
    const own = f(size * f(f(2 * xu) - f(size * uu)))
    if (!(own > gain)) break
    ;[gain, found, best.ratio] = [own, { scale, zero }, f(xu / uu)]
  }
  const ones = new Float32Array(x.length).fill(1)
  const error = ({ scale, zero }: typeof plain) =>
    scale * scale * lanesReference(x, ones, f(1 / scale), { zero, top }).dd
  return error(found) < error(plain) ? found : plain
}

/** sum a b, exact over 1024 elements, float32 beyond. */
function runs(a: Int32Array, b: Int32Array): number {
  let total = 0
  for (let begin = 0; begin < a.length; begin += 1024)
    total = f(total + f(a.subarray(begin, begin + 1024).reduce((sum, v, i) => sum + v * (b[begin + i] ?? 0), 0)))
  return total
}
