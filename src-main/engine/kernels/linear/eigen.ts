// Eigenvalues and eigenvectors of symmetric matrices, and singular values through them.
//   Householder reduction to tridiagonal form and implicit QL with Wilkinson's shift (Golub and Van Loan, "Matrix
//   Computations", sections 8.3.1 and 8.3.3; after Bowdler, Martin, Reinsch and Wilkinson 1968), in float64 WebAssembly.
//   4/3 n^3 operations for the values; with vectors 4/3 n^3 to build Q and about 5 n^3 for QL's rotations, applied many at a
//   time to panels that stay in the cache. One thread; n^2 float64 of memory. For a few leading vectors of a large matrix
//   vectors/subspace.ts is quicker.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Arena } from '../arena.ts'
import { openKernel } from '../load.ts'
import { multiply, type ProductPlace } from './multiply.ts'

interface EigenExports {
  reduce(a: number, d: number, e: number, h: number, p: number, n: number): void
  accumulate(a: number, h: number, u: number, n: number): void
  iterate(d: number, e: number, state: number, rotations: number, from: number, most: number, n: number): void
  rotate(q: number, rotations: number, panel: number, count: number, n: number): void
}

export interface Eigen {
  values: Float64Array // [n], falling
  vectors: Float32Array // [n, n], row k = k-th vector, orthonormal; the entry of largest size is positive. [0] when not asked
}

const ROTATION_BYTES = 24
const PANEL_BYTES = 32 * 8
const MOST_SIZE = 16384 // 2 GiB of float64: half of what WebAssembly can hold

let kernel: Arena<EigenExports> | null = null

/** Eigenvalues and, unless told otherwise, eigenvectors of a symmetric matrix [n, n], of which the lower half is read. Values
 *  are right to about n x 1e-16 of the largest. Faults 'bad-arguments' on a length that does not fit, 'bad-input' on numbers
 *  that are not finite. */
export function symmetricEigen(
  matrix: Float32Array | Float64Array,
  n: number,
  { vectors = true }: { vectors?: boolean } = {},
): Eigen {
  if (matrix.length !== n * n || n > MOST_SIZE)
    throw new Fault('bad-arguments', `Eigenvalues: ${matrix.length} numbers for a matrix ${n} x ${n}.`, {
      hint: `At most ${MOST_SIZE} x ${MOST_SIZE}.`,
      data: { expected: `${n * n}`, found: `${matrix.length}` },
    })
  if (n === 0) return { values: new Float64Array(), vectors: new Float32Array() }
  checkFinite(matrix, n)
  // Its own memory, let go afterwards: an instance that stays never gives memory back.
  const arena = n > 512 ? openKernel<EigenExports>('eigen') : (kernel ??= openKernel<EigenExports>('eigen'))
  const most = Math.max(1 << 14, 2 * n)
  const bytes = [n * n * 8, n * 8, n * 8, n * 8, n * 8, 16, most * ROTATION_BYTES, vectors ? n * PANEL_BYTES : 0]
  const [a = 0, d = 0, e = 0, h = 0, room = 0, state = 0, rotations = 0, panel = 0] = arena.lay(...bytes)
  arena.doubles(a, n * n).set(matrix)
  arena.exports.reduce(a, d, e, h, room, n)
  if (vectors) arena.exports.accumulate(a, h, room, n)
  const [diagonal, beside] = [arena.doubles(d, n), arena.doubles(e, n)]
  const scale = diagonal.reduce((large, x, i) => Math.max(large, Math.abs(x) + Math.abs(beside[i] ?? 0)), 0)
  const told = arena.doubles(state, 2)
  for (let from = 0; from < n; from = told[0] ?? n) {
    told[0] = scale
    arena.exports.iterate(d, e, state, rotations, from, most, n)
    if ((told[0] ?? -1) < 0)
      throw new Fault('internal', `Eigenvalues of a matrix ${n} x ${n}: no convergence after 60 steps.`)
    if (vectors) arena.exports.rotate(a, rotations, panel, told[1] ?? 0, n)
  }
  const order = Array.from(diagonal.keys()).sort((i, j) => (diagonal[j] ?? 0) - (diagonal[i] ?? 0) || i - j)
  const out = new Float32Array(vectors ? n * n : 0)
  if (vectors) order.forEach((from, to) => out.set(signed(arena.doubles(a + from * n * 8, n)), to * n))
  return { values: Float64Array.from(order, (i) => diagonal[i] ?? 0), vectors: out }
}

/** Singular values, falling, [min(rows, cols)], of a matrix [rows, cols] through its smaller Gram matrix. The Gram matrix is
 *  a float32 product, so values below about 3e-4 of the largest are rounding; those that would be negative are 0. */
export async function singularValues(
  matrix: Float32Array,
  rows: number,
  cols: number,
  place: ProductPlace = {},
): Promise<Float64Array> {
  const n = Math.min(rows, cols)
  const { gram, scale } = await gramOf(matrix, rows, cols, place)
  return symmetricEigen(gram, n, { vectors: false }).values.map((value) => scale * Math.sqrt(Math.max(0, value)))
}

/** The smaller of W W^T and W^T W, over scale^2. `scale` is 1 but where squares would overflow or vanish. */
export async function gramOf(
  matrix: Float32Array,
  rows: number,
  cols: number,
  place: ProductPlace = {},
): Promise<{ gram: Float32Array; scale: number }> {
  if (matrix.length !== rows * cols)
    throw new Fault('bad-arguments', `Gram matrix: ${matrix.length} numbers for a matrix ${rows} x ${cols}.`)
  let [scale, finite] = [0, 0]
  for (let i = 0; i < matrix.length; i++) {
    const size = Math.abs(matrix[i] as number)
    if (size > scale) scale = size
    finite += size * 0
  }
  if (finite !== 0) checkFinite(matrix, cols)
  const plain = scale === 0 || (scale > 2 ** -40 && scale < 2 ** 40)
  if (!plain) matrix = matrix.map((x) => x / scale)
  const [n, k] = rows <= cols ? [rows, cols] : [cols, rows]
  const turned = rows <= cols ? { transB: true } : { transA: true }
  return { gram: await multiply({ a: matrix, b: matrix, m: n, n, k, ...turned }, place), scale: plain ? 1 : scale }
}

function signed(vector: Float64Array): Float64Array {
  let largest = 0
  for (const x of vector) if (Math.abs(x) > Math.abs(largest) * (1 + 1e-9)) largest = x
  return largest < 0 ? vector.map((x) => -x) : vector
}

function checkFinite(matrix: Float32Array | Float64Array, cols: number): void {
  const faulty = matrix.findIndex((x) => !Number.isFinite(x))
  if (faulty < 0) return
  const [row, column] = [Math.floor(faulty / cols), faulty % cols]
  throw new Fault('bad-input', `A matrix has ${matrix[faulty]} at row ${row}, column ${column}.`, {
    hint: 'Weights and activations must be finite: look at the checkpoint and the calibration data.',
    data: { expected: 'finite numbers', found: String(matrix[faulty]) },
  })
}
