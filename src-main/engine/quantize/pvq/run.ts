import { inverseFactor } from '../../kernels/linear/factor.ts'
import { feedback } from '../../kernels/linear/feedback.ts'
import { refine } from '../../kernels/linear/refine.ts'
import type { Hessian } from '../../kernels/linear/types.ts'
import { groupsOf, padMetrics, type Pyramid, type PyramidPoints, searchPoints } from '../../kernels/vectors/pvq.ts'
import type { QuantizeContext } from '../define.ts'
import { dampedInverse, gramOfRows, invertUpper } from './metric.ts'
import { timesBlock } from './times-block.ts'

/** Weights of a layer, or of one group of a convolution. */
export interface Rows {
  weights: Float32Array // [rows, cols]
  rows: number
  cols: number
  scales: Float32Array // [rows]
}

export type Solution = Pick<PyramidPoints, 'points' | 'codes' | 'values'>

/** Least weighted distance, each group by itself. importance: [cols] or null. */
export function nearestPoints(
  { weights, ...shape }: Rows,
  pyramid: Pyramid,
  importance: Float32Array | null,
  threads?: number,
): Solution {
  const { dims } = pyramid
  const metrics = importance ? importanceMetrics(importance, dims) : null
  return searchPoints(weights, shape, pyramid, metrics, { threads })
}

function importanceMetrics(importance: Float32Array, dims: number): Float32Array {
  const least = importance.reduce((sum, h) => sum + h, 0) / Math.max(1, importance.length) / 1e4 || 1
  const metrics = Array.from({ length: groupsOf(importance.length, dims) }, (_, g) => {
    const own = importance.subarray(g * dims, (g + 1) * dims)
    const data = new Float32Array(own.length * own.length)
    own.forEach((h, i) => (data[i * (own.length + 1)] = Math.max(h, least)))
    return { data, size: own.length }
  })
  return padMetrics(metrics, dims)
}

/** Least output error: groups of `dims` columns are rounded one after the other, each in the metric that is left once the
 *  columns behind it make up for its error, (U_bb^T U_bb)^-1 with U the factor of the inverse Hessian; then every group
 *  again, all others fixed, `sweeps` times. Groups with the largest inputs come first, a shorter last one last. */
export async function calibratedPoints(
  rows: Rows,
  pyramid: Pyramid,
  hessian: Hessian,
  p: { damping: number; sweeps: number },
  context: QuantizeContext,
): Promise<Solution> {
  const { threads, device, notify, layer } = context
  const order = groupOrder(hessian, pyramid.dims)
  const groups = groupsOf(rows.cols, pyramid.dims)
  const solution = {
    points: new Uint8Array(rows.rows * groups * pyramid.dims),
    codes: new Uint8Array(rows.rows * groups),
    values: new Float32Array(rows.rows * rows.cols),
  }
  const factor = await inverseFactor(hessian, {
    damping: p.damping,
    order: columnsOf(order, rows.cols, pyramid.dims),
    layer,
    threads,
    device,
    ...(notify && { notify }),
  })
  const weights = inGroupOrder(rows, order, pyramid.dims)
  await feedback({
    ...{ weights, rows: rows.rows, cols: rows.cols, factor, blockSize: pyramid.dims, threads, device },
    progress: (share) => context.progress?.(share / (1 + p.sweeps)),
    async inner(block, _begin, w, u) {
      const size = w.length / rows.rows
      const inverse = invertUpper(u, size)
      const metrics = padMetrics([{ data: gramOfRows(inverse, size), size }], pyramid.dims)
      const made = searchPoints(w, { rows: rows.rows, cols: size, scales: rows.scales }, pyramid, metrics, { threads })
      putGroup(solution, made, { ...rows, group: order[block] ?? block, groups, dims: pyramid.dims })
      const c = await timesBlock(w, inverse, size, context)
      return timesBlock(made.values, inverse, size, context, { c, alpha: -1 })
    },
  })
  await refinePoints(rows, pyramid, hessian, { ...p, solution }, context)
  return solution
}

/** Coordinate descent over groups: never raises the output error. Changes `solution`. */
async function refinePoints(
  rows: Rows,
  pyramid: Pyramid,
  hessian: Hessian,
  { solution, sweeps, damping }: { solution: Solution; sweeps: number; damping: number },
  context: QuantizeContext,
): Promise<void> {
  const { threads, device, progress } = context
  const { dims } = pyramid
  const groups = groupsOf(rows.cols, dims)
  await refine({
    ...{ weights: rows.weights, values: solution.values, hessian, rows: rows.rows, cols: rows.cols },
    ...{ blockSize: dims, sweeps, threads, device },
    progress: (share) => progress?.((1 + share * sweeps) / (1 + sweeps)),
    async inner(block, _begin, g, h, _w, q) {
      const size = q.length / rows.rows
      const { metric, inverse } = dampedInverse(h, size, damping)
      const wanted = await timesBlock(g, inverse, size, context, { c: q })
      const from = takeGroup(solution, { ...rows, group: block, groups, dims })
      const metrics = padMetrics([{ data: metric, size }], dims)
      const more = { from, threads }
      const made = searchPoints(wanted, { ...rows, cols: size }, pyramid, metrics, more)
      q.set(made.values)
      putGroup(solution, made, { ...rows, group: block, groups, dims })
    },
  })
}

interface Place {
  rows: number
  cols: number
  group: number
  groups: number
  dims: number
}

function putGroup(solution: Solution, made: PyramidPoints, { rows, cols, group, groups, dims }: Place): void {
  const size = made.values.length / rows
  for (let r = 0; r < rows; r++) {
    const at = r * groups + group
    solution.points.set(made.points.subarray(r * dims, (r + 1) * dims), at * dims)
    solution.codes[at] = made.codes[r] ?? 0
    solution.values.set(made.values.subarray(r * size, (r + 1) * size), r * cols + group * dims)
  }
}

function takeGroup({ points, codes }: Solution, { rows, group, groups, dims }: Place) {
  const from = { points: new Uint8Array(rows * dims), codes: new Uint8Array(rows) }
  for (let r = 0; r < rows; r++) {
    const at = r * groups + group
    from.points.set(points.subarray(at * dims, (at + 1) * dims), r * dims)
    from.codes[r] = codes[at] ?? 0
  }
  return from
}

/** Whole groups by the mean of their diagonal, largest first; a shorter last one stays last. */
function groupOrder({ data, size }: Hessian, dims: number): number[] {
  const whole = Math.floor(size / dims)
  const means = Array.from({ length: whole }, (_, g) => {
    let sum = 0
    for (let i = g * dims; i < (g + 1) * dims; i++) sum += data[i * (size + 1)] ?? 0
    return sum
  })
  const order = means.map((_, g) => g).sort((a, b) => (means[b] ?? 0) - (means[a] ?? 0) || a - b)
  return whole * dims < size ? [...order, whole] : order
}

function columnsOf(order: number[], cols: number, dims: number): Uint32Array {
  return Uint32Array.from(
    order.flatMap((g) => Array.from({ length: Math.min(dims, cols - g * dims) }, (_, i) => g * dims + i)),
  )
}

function inGroupOrder({ weights, rows, cols }: Rows, order: number[], dims: number): Float32Array {
  const out = new Float32Array(weights.length)
  for (let r = 0; r < rows; r++) {
    let at = r * cols
    for (const g of order) {
      const part = weights.subarray(r * cols + g * dims, r * cols + Math.min(cols, (g + 1) * dims))
      out.set(part, at)
      at += part.length
    }
  }
  return out
}
