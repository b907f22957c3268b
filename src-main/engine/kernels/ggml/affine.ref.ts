// Plain twin of assembly/shared/ggml/affine.ts: one group, the same float32 operations in the same order.
import { roundEven } from '../float16.ts'
import { inverseOf } from './symmetric.ref.ts'

const f = Math.fround
const TINY = 2 ** -26

export interface Line {
  s: number
  b: number
  sumH: number
  sumHX: number
  sumQ: number // of the codes that gave s and b
}

export const codeAt = (x: number, inverse: number, shift: number, top: number): number =>
  roundEven(Math.min(top, Math.max(0, f(f(x * inverse) + shift))))

export function lineSums(x: Float32Array, h: Float32Array, inverse: number, shift: number, top: number) {
  let [q1, q2, xq] = [0, 0, 0]
  x.forEach((value, i) => {
    const q = codeAt(value, inverse, shift, top)
    const w = f((h[i] ?? 0) * q)
    q1 = f(q1 + w)
    q2 = f(q2 + f(w * q))
    xq = f(xq + f(w * value))
  })
  return { q1, q2, xq }
}

/** s and b for given codes by least squares; b <= 0 when capped. */
function solve({ q1, q2, xq }: ReturnType<typeof lineSums>, sumH: number, sumHX: number, capped: boolean) {
  const det = f(f(sumH * q2) - f(q1 * q1))
  let s = f(f(f(sumH * xq) - f(sumHX * q1)) / det)
  let b = f(f(f(q2 * sumHX) - f(q1 * xq)) / det)
  if (capped && b > 0) [s, b] = [f(xq / q2), 0]
  return { s, b, explained: f(f(s * xq) + f(b * sumHX)) }
}

/** `trials`: pairs of k and shift. */
export function bestLine(
  x: Float32Array,
  h: Float32Array,
  top: number,
  capped: boolean,
  trials: readonly number[],
  rounds: number,
): Line {
  let [lo, hi] = [Math.min(...x), Math.max(...x)]
  if (capped) [lo, hi] = [Math.min(lo, 0), Math.max(hi, 0)]
  const sumH = h.reduce((sum, value) => f(sum + value), 0)
  const sumHX = x.reduce((sum, value, i) => f(sum + f((h[i] ?? 0) * value)), 0)
  const mean = f(sumHX / sumH)
  const line: Line = { s: 0, b: capped && mean > 0 ? 0 : mean, sumH, sumHX, sumQ: 0 }
  let best = f(line.b * sumHX)
  const width = f(hi - lo)
  const unit = width > TINY ? f(1 / width) : 0
  const consider = (inverse: number, shift: number) => {
    const found = lineSums(x, h, inverse, shift, top)
    const { s, b, explained } = solve(found, sumH, sumHX, capped)
    if (!(explained > best && s > 0)) return
    best = explained
    Object.assign(line, { s, b, sumQ: found.q1 })
  }
  for (let t = 0; t < trials.length; t += 2) {
    const inverse = f(unit * f(trials[t] ?? 0))
    consider(inverse, f(f(trials[t + 1] ?? 0) - f(lo * inverse)))
  }
  for (let round = 0; round < rounds; round++) {
    const inverse = inverseOf(line.s)
    consider(inverse, -f(line.b * inverse))
  }
  return line
}

export function lineError(x: Float32Array, h: Float32Array, s: number, b: number, top: number): number {
  const inverse = inverseOf(s)
  const shift = -f(b * inverse)
  let error = 0
  x.forEach((value, i) => {
    const e = f(value - f(f(s * codeAt(value, inverse, shift, top)) + b))
    error = f(error + f(f((h[i] ?? 0) * e) * e))
  })
  return error
}
