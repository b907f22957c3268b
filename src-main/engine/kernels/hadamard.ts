// Products with Hadamard matrices along an axis. H of order n = m 2^k is B kron S: S Sylvester's (k rounds of sums and
// differences, n k additions), B the smallest of Paley's that leaves a power of two (hadamard-orders.ts).
//   H H^T = n I;   the first row of H is all ones
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Arena } from './arena.ts'
import { paley } from './hadamard-orders.ts'
import { openKernel } from './load.ts'

interface HadamardExports {
  transform(
    x: number,
    spare: number,
    base: number,
    count: number,
    m: number,
    p: number,
    inner: number,
    turned: number,
    scale: number,
  ): void
  scale(x: number, factors: number, count: number, size: number, inner: number): void
  contract(x: number, factors: number, out: number, count: number, size: number, inner: number): void
}

export interface Hadamard {
  size: number
  order: number // of `base`, 1 where the size is a power of two
  rest: number // power of two: size = order * rest
  base: Int8Array // [order, order]
}

const known = new Map<number, Hadamard | null>()

/** The matrix of a size, or null where none is constructed here. */
export function hadamardOf(size: number): Hadamard | null {
  const found = known.get(size)
  if (found !== undefined) return found
  const made = make(size)
  known.set(size, made)
  return made
}

function make(size: number): Hadamard | null {
  if (!Number.isInteger(size) || size < 1) return null
  let rest = 1
  while (size % (2 * rest) === 0) rest *= 2
  for (let order = size / rest; rest >= 1; order *= 2, rest /= 2) {
    const base = paley(order)
    if (base) return { size, order, rest, base }
  }
  return null
}

/** The largest divisor of a size, at most `limit`, that has a matrix: blocks of it along the axis stand in where the size
 *  itself has none. */
export function hadamardBlock(size: number, limit = size): number {
  for (let count = 1; count < size; count++)
    if (size % count === 0 && size / count <= limit && hadamardOf(size / count)) return size / count
  return 1
}

const TILE_FLOATS = 1 << 18 // a megabyte: stays in the second-level cache
let kernel: Arena<HadamardExports> | null = null
const open = (): Arena<HadamardExports> => (kernel ??= openKernel('hadamard'))

/** x [count, size, inner] <- scale * H x along the middle, in place; `turned`: H^T x. */
export function transform(x: Float32Array, h: Hadamard, inner: number, turned: boolean, scale: number): void {
  const { size, order, rest, base } = h
  check(x, size, inner)
  const { exports, lay, floats, bytes } = bound(open())
  const run = (
    count: number,
    columns: number,
    fill: (to: Float32Array) => void,
    take: (from: Float32Array) => void,
  ) => {
    const length = count * size * columns
    const [at = 0, spare = 0, signs = 0] = lay(length * 4, size * columns * 4, base.length)
    fill(floats(at, length))
    bytes(signs, base.length).set(new Uint8Array(base.buffer, base.byteOffset, base.length))
    exports.transform(at, spare, signs, count, order, rest, columns, turned ? 1 : 0, scale)
    take(floats(at, length))
  }
  if (size * inner <= TILE_FLOATS) {
    const step = Math.max(1, Math.floor(TILE_FLOATS / (size * inner))) * size * inner
    for (let begin = 0; begin < x.length; begin += step) {
      const part = x.subarray(begin, begin + step)
      run(
        part.length / (size * inner),
        inner,
        (to) => to.set(part),
        (from) => part.set(from),
      )
    }
    return
  }
  // Some columns of all rows at a time.
  const width = Math.max(4, Math.floor(TILE_FLOATS / size) & ~3)
  for (let at = 0; at < x.length; at += size * inner) {
    for (let begin = 0; begin < inner; begin += width) {
      const columns = Math.min(width, inner - begin)
      const row = (i: number) => at + i * inner + begin
      run(
        1,
        columns,
        (to) => {
          for (let i = 0; i < size; i++) to.set(x.subarray(row(i), row(i) + columns), i * columns)
        },
        (from) => {
          for (let i = 0; i < size; i++) x.set(from.subarray(i * columns, (i + 1) * columns), row(i))
        },
      )
    }
  }
}

/** x [count, size, inner] <- x * factors [size], in place. */
export function scaleAxis(x: Float32Array, factors: Float32Array, inner: number): void {
  const size = factors.length
  check(x, size, inner)
  const { exports, lay, floats } = bound(open())
  const step = Math.max(1, Math.floor(TILE_FLOATS / (size * inner))) * size * inner
  for (let begin = 0; begin < x.length; begin += step) {
    const part = x.subarray(begin, begin + step)
    const [at = 0, by = 0] = lay(part.length * 4, size * 4)
    floats(at, part.length).set(part)
    floats(by, size).set(factors)
    exports.scale(at, by, part.length / (size * inner), size, inner)
    part.set(floats(at, part.length))
  }
}

/** Sums over the middle of x [count, size, inner] * factors [size]: [count, inner], added in float64. */
export function contractAxis(x: Float32Array, factors: Float32Array, inner: number): Float32Array {
  const size = factors.length
  check(x, size, inner)
  const { exports, lay, floats, doubles } = bound(open())
  const out = new Float32Array(x.length / size)
  const count = Math.max(1, Math.floor(TILE_FLOATS / (size * inner)))
  const step = count * size * inner
  for (let begin = 0, to = 0; begin < x.length; begin += step, to += count * inner) {
    const part = x.subarray(begin, begin + step)
    const made = part.length / size
    const [at = 0, by = 0, sums = 0] = lay(part.length * 4, size * 4, made * 8)
    floats(at, part.length).set(part)
    floats(by, size).set(factors)
    doubles(sums, made).fill(0)
    exports.contract(at, by, sums, made / inner, size, inner)
    out.set(doubles(sums, made), to)
  }
  return out
}

const bound = (arena: Arena<HadamardExports>) => ({
  exports: arena.exports,
  lay: (...lengths: number[]) => arena.lay(...lengths),
  floats: (at: number, length: number) => arena.floats(at, length),
  doubles: (at: number, length: number) => arena.doubles(at, length),
  bytes: (at: number, length: number) => arena.bytes(at, length),
})

function check(x: Float32Array, size: number, inner: number): void {
  if (size > 0 && inner > 0 && x.length % (size * inner) === 0) return
  throw new Fault('internal', `${x.length} numbers are no vectors of ${size} with ${inner} columns`)
}
