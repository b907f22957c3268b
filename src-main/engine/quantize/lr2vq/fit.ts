import { inverseFactor } from '../../kernels/linear/factor.ts'
import { feedback } from '../../kernels/linear/feedback.ts'
import { multiply } from '../../kernels/linear/multiply.ts'
import { refine } from '../../kernels/linear/refine.ts'
import type { Hessian } from '../../kernels/linear/types.ts'
import { symmetricEigen } from '../../kernels/vectors/eigen.ts'
import { gatherPoints, kmeans, nearestWords, placeWords } from '../../kernels/vectors/kmeans.ts'
import type { QuantizeContext } from '../define.ts'
import { dampedInverse, invertUpper } from '../pvq/metric.ts'
import { timesBlock } from '../pvq/times-block.ts'

// All in normalised rows: W / s, [rows, width], width = whole sub-vectors; row r counts s_r^2 times.

export interface Task {
  weights: Float32Array // [rows, width], each row divided by its scale
  rows: number
  width: number
  rowWeights: Float32Array // [rows], s^2
  parts: Part[] // rows that share inputs; none: nothing is known of the inputs
  k: number
  m: number
  d: number
}

export interface Part {
  begin: number
  end: number // of the rows
  hessian: Hessian // of size `width`
}

export interface Book {
  words: Float32Array // C [k, d]
  lift: Float32Array // L [d, m]
}

/** Codewords as sub-vectors: C L [k, m]. */
export function lifted({ words, lift }: Book, d: number, m: number): Float32Array {
  return smallProduct(words, lift, words.length / d, d, m)
}

function smallProduct(a: ArrayLike<number>, b: ArrayLike<number>, rows: number, inner: number, cols: number) {
  const out = new Float32Array(rows * cols)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) {
      let sum = 0
      for (let t = 0; t < inner; t++) sum += (a[i * inner + t] ?? 0) * (b[t * cols + j] ?? 0)
      out[i * cols + j] = sum
    }
  return out
}

/** L: the d directions in which sub-vectors differ most (their weighted second moment's eigenvectors); C: k-means there. */
export function firstBook({ weights, m, d, k, width, rowWeights, rows }: Task, seed: number, threads?: number): Book {
  const blocks = width / m
  const codes = new Uint32Array(rows * blocks)
  const each = Float32Array.from(codes, (_, i) => rowWeights[Math.floor(i / blocks)] ?? 0)
  const moment = new Float64Array(m * m)
  for (let i = 0; i < m; i++) {
    // moment[i, :] = sum of weight x_i x: the sums of the points, weighed once more by their coordinate i
    const own = each.map((weight, v) => weight * (weights[v * m + i] ?? 0))
    moment.set(gatherPoints({ data: weights, dims: m }, own, codes, 1).sums, i * m)
  }
  const lift = Float32Array.from(symmetricEigen(moment, m).vectors.subarray(0, d * m))
  const turned = new Float32Array(m * d)
  for (let i = 0; i < d; i++) for (let j = 0; j < m; j++) turned[j * d + i] = lift[i * m + j] ?? 0
  const low = smallProduct(weights, turned, rows * blocks, m, d)
  return { words: kmeans({ data: low, dims: d }, { k, seed, weights: each, threads }), lift }
}

export interface Chosen {
  codes: Uint32Array // [rows, width / m]
  values: Float32Array // [rows, width], their codewords
}

/** The nearest codeword of each sub-vector by itself. */
export function nearestCodes({ weights, m, d }: Task, book: Book, threads?: number): Chosen {
  const words = lifted(book, d, m)
  const { codes } = nearestWords({ data: weights, dims: m }, words, threads)
  return { codes, values: placeWords(words, m, codes) }
}

/** Codes with errors fed back, sub-vector by sub-vector, each in the metric of what is left (see pvq/run.ts). */
export async function fedBackCodes(task: Task, book: Book, damping: number, context: QuantizeContext): Promise<Chosen> {
  const { rows, width, m, d } = task
  const { threads, device, layer, notify } = context
  const words = lifted(book, d, m)
  const chosen = { codes: new Uint32Array((rows * width) / m), values: new Float32Array(rows * width) }
  for (const { begin: first, end, hessian } of task.parts) {
    const factor = await inverseFactor(hessian, { damping, layer, threads, device, ...(notify && { notify }) })
    const weights = task.weights.subarray(first * width, end * width)
    await feedback({
      ...{ weights, rows: end - first, cols: width, factor, blockSize: m, threads, device },
      async inner(block, begin, w, u) {
        const v = invertUpper(u, m)
        const points = await timesBlock(w, v, m, context)
        const { codes } = nearestWords(
          { data: points, dims: m },
          smallProduct(words, v, words.length / m, m, m),
          threads,
        )
        const own = placeWords(words, m, codes)
        put(chosen, { codes, own }, { first, width, m, block, begin })
        return timesBlock(own, v, m, context, { c: points, alpha: -1 })
      },
    })
  }
  return chosen
}

function put(
  chosen: Chosen,
  { codes, own }: { codes: Uint32Array; own: Float32Array },
  { first, width, m, block, begin }: { first: number; width: number; m: number; block: number; begin: number },
): void {
  codes.forEach((code, r) => {
    chosen.codes[((first + r) * width) / m + block] = code
    chosen.values.set(own.subarray(r * m, (r + 1) * m), (first + r) * width + begin)
  })
}

const PROXIMAL = 1e-4 // share of the diagonal added to a block: keeps its inverse tame, never lets the error rise

/** Coordinate descent over sub-vectors, `sweeps` times. Changes `chosen`; its values must be those of `book`. */
export async function refineCodes(
  task: Task,
  book: Book,
  chosen: Chosen,
  sweeps: number,
  context: QuantizeContext,
): Promise<void> {
  const { threads, device } = context
  const { width, m, d } = task
  const words = lifted(book, d, m)
  for (const { begin: first, end, hessian } of task.parts) {
    const [weights, values] = [task.weights, chosen.values].map((all) => all.subarray(first * width, end * width))
    if (!weights || !values) continue
    const rows = end - first
    await refine({
      ...{ weights, values, hessian, rows, cols: width, blockSize: m, sweeps, threads, device },
      async inner(block, begin, g, h, _w, q) {
        const { inverse, factor } = dampedInverse(h, m, PROXIMAL)
        const wanted = await timesBlock(g, inverse, m, context, { c: q })
        const points = await timesBlock(wanted, factor, m, context)
        const turned = smallProduct(words, factor, words.length / m, m, m)
        const { codes } = nearestWords({ data: points, dims: m }, turned, threads)
        const own = placeWords(words, m, codes)
        q.set(own)
        put(chosen, { codes, own }, { first, width, m, block, begin })
      },
    })
  }
}

/** C and L that lower the output error for given codes: conjugate gradients on its normal equations, first over C with L
 *  fixed, then over L. Never raises the error but by rounding. */
export async function fitBook(task: Task, book: Book, codes: Uint32Array, rounds: number, context: QuantizeContext) {
  const { m, d, k } = task
  const words = await solve(task, codes, book, rounds, context, {
    start: book.words,
    apply: (x) => smallProduct(x, book.lift, k, d, m),
    adjoint: (sums) => timesTransposed(sums, book.lift, k, m, d),
  })
  const lift = await solve(task, codes, { ...book, words }, Math.min(rounds, d * m), context, {
    start: book.lift,
    apply: (x) => smallProduct(words, x, k, d, m),
    adjoint: (sums) => transposedTimes(words, sums, k, d, m),
  })
  return { words, lift }
}

interface Linear {
  start: Float32Array
  apply: (x: Float32Array) => Float32Array // to sub-vectors [k, m]
  adjoint: (sums: Float64Array) => Float32Array
}

async function solve(
  task: Task,
  codes: Uint32Array,
  book: Book,
  rounds: number,
  { threads, device }: QuantizeContext,
  { start, apply, adjoint }: Linear,
): Promise<Float32Array> {
  const { weights, rows, width, rowWeights, k, m, d } = task
  const each = Float32Array.from(codes, (_, i) => rowWeights[Math.floor((i * m) / width)] ?? 0)
  const product = new Float32Array(rows * width)
  const back = async (matrix: Float32Array) => {
    for (const { begin, end, hessian } of task.parts) {
      const [a, out] = [matrix, product].map((all) => all.subarray(begin * width, end * width))
      if (a)
        await multiply(
          { a, b: hessian.data, m: end - begin, n: width, k: width, ...(out && { out }) },
          { threads, device },
        )
    }
    return adjoint(gatherPoints({ data: product, dims: m }, each, codes, k).sums)
  }
  const now = placeWords(lifted(book, d, m), m, codes)
  let residual = await back(weights.map((w, i) => w - (now[i] ?? 0)))
  const x = start.slice()
  let direction = residual.slice()
  let size = dot(residual, residual)
  const first = size
  for (let round = 0; round < rounds && size > 1e-10 * first; round++) {
    const image = await back(placeWords(apply(direction), m, codes))
    const curve = dot(direction, image)
    if (!(curve > 0)) break
    const step = size / curve
    for (let i = 0; i < x.length; i++) x[i] = (x[i] ?? 0) + step * (direction[i] ?? 0)
    residual = residual.map((value, i) => value - step * (image[i] ?? 0))
    const next = dot(residual, residual)
    const carried = next / size
    direction = direction.map((value, i) => (residual[i] ?? 0) + carried * value)
    size = next
  }
  return x
}

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0)

/** sums [k, m] L^T [m, d] */
function timesTransposed(sums: Float64Array, lift: Float32Array, k: number, m: number, d: number): Float32Array {
  const out = new Float32Array(k * d)
  for (let i = 0; i < k; i++)
    for (let t = 0; t < d; t++) {
      let sum = 0
      for (let j = 0; j < m; j++) sum += (sums[i * m + j] ?? 0) * (lift[t * m + j] ?? 0)
      out[i * d + t] = sum
    }
  return out
}

/** C^T [d, k] sums [k, m] */
function transposedTimes(words: Float32Array, sums: Float64Array, k: number, d: number, m: number): Float32Array {
  const out = new Float32Array(d * m)
  for (let t = 0; t < d; t++)
    for (let j = 0; j < m; j++) {
      let sum = 0
      for (let i = 0; i < k; i++) sum += (words[i * d + t] ?? 0) * (sums[i * m + j] ?? 0)
      out[t * m + j] = sum
    }
  return out
}
