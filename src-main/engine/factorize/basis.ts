// Directions of the outputs in which a layer does most: the first left singular vectors of W C, where C C^T = H, the mean of
// x x^T over its inputs. The best X of rank r in E ||(W - X) x||^2 = ||(W - X) C||^2 is the projection of W onto r of them
// (Eckart and Young 1936); which C it is makes no difference.
//   rows <= cols:  eigenvectors of W H W^T [rows, rows]
//   else:          C = Q sqrt(lambda) of H's eigenvectors;  W C v over the eigenvectors v of (W C)^T (W C) [cols, cols]
import { createHash } from 'node:crypto'
import { symmetricEigen } from '../kernels/linear/eigen.ts'
import { multiply } from '../kernels/linear/multiply.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import { scaledColumns } from '../kernels/sparse/sparse.ts'
import { topEigenvectors } from '../kernels/vectors/subspace.ts'
import type { QuantizeContext } from '../quantize/define.ts'

/** What enters the layer: nothing known (null), the mean square of each input, or all of H. */
export type Metric = Hessian | Float32Array | null

type Place = Pick<QuantizeContext, 'threads' | 'device' | 'seed'>

const LARGE = 1024 // from here on, few directions of many are found one subspace at a time
const FEW = 6

/** [rows, rank], directions in columns, the strongest first. */
export async function strongestOutputs(
  weights: Float32Array,
  { rows, cols, rank }: { rows: number; cols: number; rank: number },
  metric: Metric,
  place: Place,
): Promise<Float32Array> {
  const n = Math.min(rows, cols)
  if (n > LARGE && rank * FEW <= n) return bySubspace(weights, { rows, cols, rank }, metric, place)
  return firstColumns(await allOutputs(weights, { rows, cols }, metric, place), rows, n, rank)
}

// Options of one layer differ in their rank only, and are tried one after the other: the last layer's directions are kept.
let last: { key: string; directions: Promise<Float32Array> } | null = null

function allOutputs(
  weights: Float32Array,
  shape: { rows: number; cols: number },
  metric: Metric,
  place: Place,
): Promise<Float32Array> {
  const hash = createHash('sha1').update(`${shape.rows} ${shape.cols}`)
  for (const part of [weights, metric === null ? new Float32Array() : 'size' in metric ? metric.data : metric])
    hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength)).update('|')
  const key = hash.digest('hex')
  if (last?.key !== key) {
    const directions = decompose(weights, shape, metric, place)
    last = { key, directions }
    directions.catch(() => (last = null))
  }
  return last.directions
}

/** All min(rows, cols) directions, [rows, min(rows, cols)]. */
async function decompose(
  weights: Float32Array,
  { rows, cols }: { rows: number; cols: number },
  metric: Metric,
  place: Place,
): Promise<Float32Array> {
  const own = { threads: place.threads, device: place.device }
  if (rows <= cols) {
    const met = await timesMetric(weights, { rows, cols }, metric, place)
    const gram = await multiply({ a: met, b: weights, m: rows, n: rows, k: cols, transB: true }, own)
    return turned(symmetricEigen(gram, rows).vectors, rows)
  }
  const seen = await timesRoot(weights, { rows, cols }, metric, place)
  const gram = await multiply({ a: seen, b: seen, m: cols, n: cols, k: rows, transA: true }, own)
  const { vectors } = symmetricEigen(gram, cols)
  return multiply({ a: seen, b: vectors, m: rows, n: cols, k: cols, transB: true }, own)
}

/** W H. */
function timesMetric(
  weights: Float32Array,
  { rows, cols }: { rows: number; cols: number },
  metric: Metric,
  { threads, device }: Place,
): Float32Array | Promise<Float32Array> {
  if (metric === null) return weights
  if (!('size' in metric)) return scaledColumns(weights, metric)
  return multiply({ a: weights, b: metric.data, m: rows, n: cols, k: cols }, { threads, device })
}

/** W C. */
function timesRoot(
  weights: Float32Array,
  { rows, cols }: { rows: number; cols: number },
  metric: Metric,
  { threads, device }: Place,
): Float32Array | Promise<Float32Array> {
  if (metric === null) return weights
  if (!('size' in metric)) return scaledColumns(weights, metric.map(Math.sqrt))
  const { values, vectors } = symmetricEigen(metric.data, cols)
  const along = multiply({ a: weights, b: vectors, m: rows, n: cols, k: cols, transB: true }, { threads, device })
  return along.then((x) =>
    scaledColumns(
      x,
      Float32Array.from(values, (value) => Math.sqrt(Math.max(0, value))),
    ),
  )
}

async function bySubspace(
  weights: Float32Array,
  { rows, cols, rank }: { rows: number; cols: number; rank: number },
  metric: Metric,
  place: Place,
): Promise<Float32Array> {
  const own = { threads: place.threads, device: place.device }
  const met = await timesMetric(weights, { rows, cols }, metric, place)
  const apply = async (x: Float32Array, n: number) => {
    const back = await multiply({ a: met, b: x, m: cols, n, k: rows, transA: true }, own)
    return multiply({ a: weights, b: back, m: rows, n, k: cols }, own)
  }
  return (await topEigenvectors(rows, rank, apply, place.seed)).vectors
}

/** vectors [n, n], one a row, as columns. */
function turned(vectors: Float32Array, n: number): Float32Array {
  const out = new Float32Array(n * n)
  for (let k = 0; k < n; k++) for (let i = 0; i < n; i++) out[i * n + k] = vectors[k * n + i] ?? 0
  return out
}

function firstColumns(x: Float32Array, rows: number, cols: number, count: number): Float32Array {
  const out = new Float32Array(rows * count)
  for (let r = 0; r < rows; r++) out.set(x.subarray(r * cols, r * cols + count), r * count)
  return out
}
