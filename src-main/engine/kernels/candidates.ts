import { roundEven, roundToHalf } from './float16.ts'
import type { GridSettings } from './search.ts'

const f = Math.fround

/** The scale as it will be stored: see assembly/shared/scale.ts, whose limits these are. */
export function storedScale(scale: number, type: 'float16' | 'float32'): number {
  const [least, most] = type === 'float16' ? [2 ** -24, 65504] : [2 ** -126, (2 - 2 ** -23) * 2 ** 127]
  const rounded = type === 'float16' ? roundToHalf(Math.abs(scale)) : Math.abs(scale)
  const size = Math.min(Math.max(rounded, least), most)
  return scale < 0 || Object.is(scale, -0) ? -size : size
}

/** Smallest scale with which zero point z clips nothing on the side it serves; sign -1 mirrors the grid. */
export function tightScale(lo: number, hi: number, z: number, top: number, sign: number): number {
  const [low, high] = sign < 0 ? [hi, -lo] : [-lo, hi]
  if (z === 0) return f(high / top)
  if (z === top) return f(low / top)
  return Math.max(f(low / z), f(high / (top - z)))
}

/** The grid without a search: lo = min(x, 0), hi = max(x, 0) just fit. Scale 0 for a group of zeros. */
export function plainGrid(lo: number, hi: number, settings: GridSettings): { scale: number; zero: number } {
  const [top, middle] = [2 ** settings.bits - 1, 2 ** (settings.bits - 1)]
  if (lo === hi) return { scale: 0, zero: settings.symmetric ? middle : 0 }
  const fitting = settings.symmetric ? tightScale(lo, hi, middle, top, 1) : f(f(hi / top) - f(lo / top))
  const scale = storedScale(fitting, settings.scaleType)
  return { scale, zero: settings.symmetric ? middle : Math.min(top, roundEven(f(-lo / scale))) + 0 }
}

/** A scale and zero point that the search tries. `tight`: 1 / the scale that just fits, of its sign. */
export interface Candidate {
  inverse: number
  zero: number
  tight: number
  step: number
}

/** The scale shrunk by some steps; null where it is not finite. */
export function shrunk(tight: number, step: number, zero: number, { effort }: GridSettings): Candidate | null {
  const widened = f(1 / f(1 - f(f(f(1 - f(effort.smallest)) * step) / effort.steps)))
  const inverse = f(tight * widened)
  return Number.isFinite(inverse) ? { inverse, zero, tight, step } : null
}

/** What the search tries, in order: every zero point within reach, scales shrunk in steps (`stride` apart), both signs when
 *  symmetric. */
export function* candidates(
  lo: number,
  hi: number,
  plainZero: number,
  settings: GridSettings,
  stride = 1,
): Generator<Candidate> {
  const { bits, symmetric, effort } = settings
  const top = 2 ** bits - 1
  const from = symmetric ? plainZero : Math.max(0, plainZero - effort.reach)
  const to = symmetric ? plainZero : Math.min(top, plainZero + effort.reach)
  for (let zero = from; zero <= to; zero++) {
    const signs = symmetric ? [1, -1] : [1]
    const tights = signs.map((sign) => f(sign / tightScale(lo, hi, zero, top, sign)))
    for (let step = 0; step < effort.steps; step += stride)
      for (const tight of tights) {
        const candidate = shrunk(tight, step, zero, settings)
        if (candidate) yield candidate
      }
  }
}
