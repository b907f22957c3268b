// Plain twin of assembly/shared/ggml/symmetric.ts and table.ts: one group, the same float32 operations in the same order.
import { roundEven, roundToHalf } from '../float16.ts'
import { nonlinearValues } from './layout.ts'

const f = Math.fround
const TINY = 2 ** -26

/** Values a weight may take in units of the scale, and their codes. */
export interface Grid {
  value(v: number): number
  code(v: number): number
}

const clamp = (v: number, low: number, high: number) => Math.min(high, Math.max(low, v))

export const wholeGrid = (low: number, high: number, zero: number): Grid => {
  const value = (v: number) => roundEven(clamp(v, low, high))
  return { value, code: (v) => (value(v) + zero) & 0xff }
}

const borders = Array.from(nonlinearValues.subarray(1), (value, i) =>
  Math.ceil((value + (nonlinearValues[i] ?? 0)) / 2),
)
const nonlinearCode = (v: number) => {
  const rounded = roundEven(clamp(v, -127, 113))
  return borders.filter((border) => rounded >= border).length
}
export const nonlinearGrid: Grid = { value: (v) => nonlinearValues[nonlinearCode(v)] ?? 0, code: nonlinearCode }

export const inverseOf = (scale: number) => (scale === 0 ? 0 : f(1 / scale))

/** A scale as stored: float16, at most 65504, not 0 unless it is. */
export function storedScale(scale: number): number {
  const size = Math.min(65504, roundToHalf(Math.abs(scale)))
  return Math.sign(scale) * (size === 0 && scale !== 0 ? 2 ** -24 : size)
}

export function fitSums(x: Float32Array, h: Float32Array, inverse: number, grid: Grid): { xu: number; uu: number } {
  let [xu, uu] = [0, 0]
  x.forEach((value, i) => {
    const u = grid.value(f(value * inverse))
    const w = f((h[i] ?? 0) * u)
    xu = f(xu + f(w * value))
    uu = f(uu + f(w * u))
  })
  return { xu, uu }
}

export function bestScale(
  x: Float32Array,
  h: Float32Array,
  grid: Grid,
  trials: Iterable<number>,
  rounds: number,
): number {
  const [lo, hi] = [Math.min(...x), Math.max(...x)]
  const extreme = hi >= -lo ? hi : lo
  const unit = Math.abs(extreme) > TINY ? f(1 / extreme) : 0
  let [best, scale] = [0, 0]
  for (const trial of trials) {
    const { xu, uu } = fitSums(x, h, f(unit * trial), grid)
    const ratio = f(xu / uu)
    const explained = f(xu * ratio)
    if (explained > best) [best, scale] = [explained, ratio]
  }
  for (let round = 0; round < rounds && scale !== 0; round++) {
    const { xu, uu } = fitSums(x, h, inverseOf(scale), grid)
    if (uu > 0) scale = f(xu / uu)
  }
  return scale
}

export function errorOf(x: Float32Array, h: Float32Array, scale: number, grid: Grid): number {
  const inverse = inverseOf(scale)
  let error = 0
  x.forEach((value, i) => {
    const e = f(value - f(scale * grid.value(f(value * inverse))))
    error = f(error + f(f((h[i] ?? 0) * e) * e))
  })
  return error
}
