// Singular values of a layer's weights. Small matrices: all of them, exactly. Large ones: the leading ones, from a seeded
// random projection with one step of subspace iteration (Halko, Martinsson and Tropp 2011, "Finding structure with
// randomness", algorithm 4.4 with q = 1). Each is at most the true one: of a 4096 x 4096 matrix with a slow decay the 10th was
// 0.1 % too small, the 50th 0.4 %, the 256th 9 %.
import type { Xray } from '../../../src-preload/contract/scores.ts'
import { random } from '../data/random.ts'
import { singularValues, symmetricEigen } from '../kernels/linear/eigen.ts'
import { multiply } from '../kernels/linear/multiply.ts'
import { rowsPerBlock, type WeightRows } from '../quantize/rows.ts'
import { shapeOf } from '../score/spectrum/shape.ts'

/** Shorter side up to which all values are computed: about a second. */
export const MOST_EXACT = 1024
const KEPT = 256
const OVERSAMPLED = 128 // directions beyond those, for the last ones to be right

const readAll = (source: WeightRows): Float32Array => source.read(0, source.rows)

/** Walks the matrix block by block, one product at a time. */
async function byBlock(
  source: WeightRows,
  visit: (weights: Float32Array, begin: number, end: number) => Promise<void>,
): Promise<void> {
  const step = rowsPerBlock(source.cols)
  for (let begin = 0; begin < source.rows; begin += step) {
    const end = Math.min(source.rows, begin + step)
    await visit(source.read(begin, end), begin, end)
  }
}

/** W x [rows, k] for x [cols, k]. */
async function forward(source: WeightRows, x: Float32Array, k: number): Promise<Float32Array> {
  const out = new Float32Array(source.rows * k)
  await byBlock(source, async (a, begin, end) => {
    const { cols } = source
    await multiply({ a, b: x, m: end - begin, n: k, k: cols, out: out.subarray(begin * k, end * k) })
  })
  return out
}

/** W^T y [cols, k] for y [rows, k]. */
async function backward(source: WeightRows, y: Float32Array, k: number): Promise<Float32Array> {
  const { cols } = source
  const out = new Float32Array(cols * k)
  await byBlock(source, async (a, begin, end) => {
    const b = y.subarray(begin * k, end * k)
    await multiply({ a, b, m: cols, n: k, k: end - begin, transA: true, c: out, out })
  })
  return out
}

/** Orthonormal columns [n, r] that span those of y [n, k], through the eigenvectors of y^T y; directions that are rounding
 *  are left out. */
async function orthonormal(y: Float32Array, n: number, k: number): Promise<{ q: Float32Array; r: number }> {
  const { values, vectors } = symmetricEigen(await multiply({ a: y, b: y, m: k, n: k, k: n, transA: true }), k)
  const floor = 1e-7 * (values[0] ?? 0)
  const r = values.findIndex((value) => !(value > floor))
  const kept = r < 0 ? k : r
  const turn = new Float32Array(k * kept) // V diag(1 / sqrt(values)), [k, kept]
  for (let at = 0; at < kept; at++) {
    const size = Math.sqrt(values[at] ?? 1)
    for (let i = 0; i < k; i++) turn[i * kept + at] = (vectors[at * k + i] ?? 0) / size
  }
  return { q: await multiply({ a: y, b: turn, m: n, n: kept, k }), r: kept }
}

/** Leading singular values of a matrix, falling; `width` directions are tried. */
export async function leadingValues(source: WeightRows, width: number, seed: number): Promise<Float64Array> {
  const { rows, cols } = source
  const draw = random(seed)
  const omega = Float32Array.from({ length: cols * width }, () => draw.normal())
  const first = await orthonormal(await forward(source, omega, width), rows, width)
  if (first.r === 0) return new Float64Array()
  const again = await forward(source, await backward(source, first.q, first.r), first.r)
  const { q, r } = await orthonormal(again, rows, first.r)
  return r === 0 ? new Float64Array() : singularValues(await backward(source, q, r), cols, r)
}

/** The spectrum of a layer; `squares` is its squared Frobenius norm. null where all weights are zero. */
export async function spectrumOf(source: WeightRows, squares: number, seed = 0): Promise<Xray['spectrum']> {
  const full = Math.min(source.rows, source.cols)
  if (!(squares > 0)) return null
  const isExact = full <= MOST_EXACT
  const values = isExact
    ? await singularValues(readAll(source), source.rows, source.cols)
    : (await leadingValues(source, KEPT + OVERSAMPLED, seed)).subarray(0, KEPT)
  const total = isExact ? values.reduce((sum, value) => sum + value * value, 0) : squares
  let running = 0
  const energy = Array.from(values, (value) => Math.min(1, (running += (value * value) / total)))
  return {
    values: [...values],
    energy,
    full,
    effectiveRank: isExact ? shapeOf(values).effectiveRank : null,
    method: isExact
      ? `all ${full} singular values`
      : `the leading ${values.length} of ${full} singular values, from a random projection (seed ${seed}): each is at most the true one`,
  }
}
