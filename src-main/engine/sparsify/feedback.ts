// SparseGPT over a layer: which weights stay, and what they become. Maths of the columns in kernels/linear/sparse-columns.ts.
import { inverseFactor } from '../kernels/linear/factor.ts'
import { createSparse, feedSparse, refineSparse, type SparseColumns } from '../kernels/linear/sparse-columns.ts'
import { transposeInto } from '../kernels/linear/transpose.ts'
import type { Hessian, InverseFactor } from '../kernels/linear/types.ts'
import { topOfRows } from '../kernels/select/select.ts'
import { columnEnergies, scaledColumns } from '../kernels/sparse/sparse.ts'
import type { QuantizeContext } from '../quantize/define.ts'
import { quantizeToGrid } from '../quantize/grid.ts'
import { rowsOf } from '../quantize/rows.ts'
import { neighboursOf, type Pattern, type ValueWidth } from '../quantize/sparse/forms.ts'

export interface FeedbackParameters {
  pattern: Pattern
  sparsity: number
  width: ValueWidth
  groupSize: number
  unit: number
  damping: number
  sweeps: number
}

/** Rows of the layer that share a Hessian. */
export interface Part {
  weights: Float32Array // [rows, cols]
  rows: number
  cols: number
  hessian: Hessian
  /** How many of all entries up to a share of this part's are kept, of all parts together. */
  keptUpTo: (share: number) => number
}

export interface Pruned {
  mask: Uint8Array // [rows, cols]
  values: Float32Array // [rows, cols]; empty on a grid
  codes: Uint8Array // [rows, cols] on a grid
  scales: Float32Array // [rows, groups] on a grid
}

/** Prunes one part: error feedback with masks chosen on the way, then, for a grid, once more with that mask and the grid of
 *  what came out; sweeps of coordinate descent behind each. */
export async function pruneWithFeedback(part: Part, p: FeedbackParameters, context: QuantizeContext): Promise<Pruned> {
  const { rows, cols, hessian } = part
  const { layer, device, threads, notify } = context
  const place = { layer, device, threads, notify, damping: p.damping }
  const plain = await inverseFactor(hessian, place)
  const order = p.pattern === 'columns' ? columnsInOrder(part, p, plain, threads) : undefined
  const factor = order ? await inverseFactor(hessian, { ...place, order: order.columns }) : plain
  const weights = alive(part, plain.dead)
  const sparse = createSparse(rows, cols)
  const step = (from: number, to: number) => ({
    ...{ device, threads, notify },
    progress: (fraction: number) => context.progress?.(from + (to - from) * fraction),
  })
  const coded = p.width <= 8
  const input = { weights, factor, order: order?.columns }
  if (order) markColumns(sparse, order)
  await feedSparse(sparse, { ...input, ...chooser(part, p, threads) }, step(0, coded ? 0.25 : 0.5))
  await refineSparse(sparse, { weights, hessian, sweeps: p.sweeps }, step(coded ? 0.25 : 0.5, coded ? 0.5 : 1))
  if (!coded) return unturned(sparse, new Float32Array())
  const scales = gridOf(sparse, p, hessian, context)
  const groupSize = p.groupSize === 0 ? cols : Math.min(p.groupSize, cols)
  const groups = Math.ceil(cols / groupSize)
  const byGroup = new Float32Array(scales.length)
  transposeInto(scales, { rows, cols: groups, stride: groups }, byGroup, { outStride: rows })
  const grid = {
    width: p.width,
    groupSize,
    scales: byGroup,
    codes: new Uint8Array(rows * cols).fill(2 ** (p.width - 1)),
  }
  const rounded: SparseColumns = { ...sparse, values: new Float32Array(), grid }
  await feedSparse(rounded, input, step(0.5, 0.75))
  await refineSparse(rounded, { weights, hessian, sweeps: p.sweeps }, step(0.75, 1))
  return unturned(rounded, scales)
}

/** How the mask of a block is chosen: the entries with the largest w^2 / U_jj^2 of all rows (algorithm 1), or groups of
 *  neighbours. Of whole columns it is known before. */
function chooser({ rows, cols, keptUpTo }: Part, { pattern }: FeedbackParameters, threads?: number) {
  const neighbours = neighboursOf(pattern)
  if (neighbours || pattern === 'columns') return { neighbours }
  return {
    choose(w: Float32Array, u: Float32Array, begin: number, size: number): Uint8Array {
      const scores = new Float32Array(size * rows)
      for (let c = 0; c < size; c++) {
        const pivot = 1 / (u[c * (size + 1)] ?? 1)
        const column = w.subarray(c * rows, (c + 1) * rows)
        scores.set(scaledColumns(column, Float32Array.of(pivot)), c * rows)
      }
      const keep = keptUpTo((begin + size) / cols) - keptUpTo(begin / cols)
      return topOfRows(scores, 1, size * rows, keep, threads)
    },
  }
}

interface ColumnOrder {
  columns: Uint32Array // those that go first, then those that stay, so that these make up for all of those
  gone: number
}

/** Columns (or channels) by what removing them costs: sum of w^2 / [H^-1]_jj over rows, [H^-1]_jj = sum of U_ij^2. */
function columnsInOrder(
  part: Part,
  { unit }: FeedbackParameters,
  { data }: InverseFactor,
  threads?: number,
): ColumnOrder {
  const { rows, cols, keptUpTo } = part
  const energies = columnEnergies(part.weights, cols)
  const inverse = columnEnergies(data, cols)
  const costs = new Float32Array(cols / unit)
  energies.forEach((energy, c) => {
    const u = Math.floor(c / unit)
    costs[u] = (costs[u] ?? 0) + energy / (inverse[c] ?? 1)
  })
  const keep = (keptUpTo(1) - keptUpTo(0)) / rows / unit
  const stays = topOfRows(costs, 1, costs.length, keep, threads)
  const all = Array.from({ length: cols }, (_, c) => c)
  const goes = all.filter((c) => stays[Math.floor(c / unit)] === 0)
  return {
    columns: Uint32Array.from([...goes, ...all.filter((c) => stays[Math.floor(c / unit)] === 1)]),
    gone: goes.length,
  }
}

function markColumns({ mask, rows }: SparseColumns, { columns, gone }: ColumnOrder): void {
  for (const column of columns.subarray(gone)) mask.fill(1, column * rows, (column + 1) * rows)
}

/** Weights column by column; those of inputs that are always 0 are 0. */
function alive({ weights, rows, cols }: Part, dead: Uint32Array): Float32Array {
  const columns = new Float32Array(cols * rows)
  transposeInto(weights, { rows, cols, stride: cols }, columns, { outStride: rows })
  for (const column of dead) columns.fill(0, column * rows, (column + 1) * rows)
  return columns
}

/** Scales of the grid that is nearest to what the mask keeps, weighted by the energy of each input. */
function gridOf(
  { values, rows, cols }: SparseColumns,
  { width, groupSize }: FeedbackParameters,
  { data: h }: Hessian,
  { layer, threads }: QuantizeContext,
): Float32Array {
  const data = new Float32Array(rows * cols)
  transposeInto(values, { rows: cols, cols: rows, stride: rows }, data, { outStride: cols })
  const importance = Float32Array.from({ length: cols }, (_, i) => h[i * (cols + 1)] ?? 0)
  const mean = importance.reduce((sum, x) => sum + x, 0) / cols
  const granularity = groupSize === 0 || groupSize >= cols ? ('channel' as const) : ('group' as const)
  const grid = { bits: width, symmetric: true, granularity, groupSize: groupSize || cols, search: 'mse' as const }
  const weighing = mean > 0 && mean < Infinity ? { importance: importance.map((x) => x / mean) } : {}
  return quantizeToGrid(rowsOf({ data, rows, cols }), grid, { layer, threads, ...weighing }).scales
}

/** [cols, rows] to [rows, cols]. */
function unturned({ mask, values, grid, rows, cols }: SparseColumns, scales: Float32Array): Pruned {
  const turn = <A extends Float32Array | Uint8Array>(from: A, to: A): A => {
    const tile = 64
    for (let c0 = 0; c0 < cols; c0 += tile)
      for (let r0 = 0; r0 < rows; r0 += tile)
        for (let r = r0; r < Math.min(r0 + tile, rows); r++)
          for (let c = c0; c < Math.min(c0 + tile, cols); c++) to[r * cols + c] = from[c * rows + r] ?? 0
    return to
  }
  const count = rows * cols
  return {
    mask: turn(mask, new Uint8Array(count)),
    values: grid ? new Float32Array() : turn(values, new Float32Array(count)),
    codes: grid ? turn(grid.codes, new Uint8Array(count)) : new Uint8Array(),
    scales,
  }
}
