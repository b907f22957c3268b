// Codes on uniform grids, chosen column by column with error feedback, and refined: the compiled column loops on the pool.
// Everything lies column by column ([cols, rows]); rows are independent, so any number of threads gives the same bytes.
import type { DeviceId } from '../../../../src-preload/contract/project.ts'
import type { ColumnRows } from '../columns-job.ts'
import { finish, sharedBytes, sharedFloats, start } from '../pool.ts'
import type { GridSettings } from '../search.ts'
import { feedbackColumns } from './feedback.ts'
import { refineColumns } from './refine.ts'
import type { Hessian, InverseFactor } from './types.ts'

export interface GridColumns {
  rows: number
  cols: number
  groupSize: number
  settings: GridSettings
  codes: Uint8Array // [cols, rows]
  scales: Float32Array // [groups, rows]; 1 where a group holds nothing but zeros
  zeros: Float32Array // [groups, rows]
}

export interface ColumnPlace {
  device?: DeviceId
  threads?: number
  notify?: (notice: string) => void // hears when the device gives way to the CPU
  progress?: (fraction: number) => void
}

const BLOCK = 128
const LARGEST_BLOCK = 256
const CHUNK_ROWS = 64 // a tile of 128 columns fits the first cache
const CHUNK_WEIGHTS = 1 << 16

export function createGrid(shape: {
  rows: number
  cols: number
  groupSize: number
  settings: GridSettings
}): GridColumns {
  const { rows, cols, groupSize } = shape
  const groups = Math.ceil(cols / groupSize)
  return {
    ...shape,
    codes: sharedBytes(cols * rows),
    scales: sharedFloats(groups * rows),
    zeros: sharedFloats(groups * rows),
  }
}

/** Columns of a block: whole groups where they are small enough to be searched as the loop reaches them. */
export const blockOf = (groupSize: number): number =>
  groupSize > LARGEST_BLOCK ? BLOCK : groupSize > BLOCK ? groupSize : Math.floor(BLOCK / groupSize) * groupSize

/** Whether a group's grid can be searched on weights as fed back. */
export const searchable = (groupSize: number): boolean => groupSize <= LARGEST_BLOCK

function run(
  grid: GridColumns,
  block: { work: ColumnRows['work']; columns: Uint32Array; first: Float32Array; second: Float32Array; starts: boolean },
  { matrix = new Float32Array(0), importance }: { matrix?: Float32Array; importance?: Float32Array },
  threads: number | undefined,
): void {
  const { rows, cols, groupSize, settings, codes, scales, zeros } = grid
  const size = block.columns.length
  const groups = [...new Set(Array.from(block.columns, (column) => Math.floor(column / groupSize)))]
  const slotOf = new Map(groups.map((group, slot) => [group, slot]))
  const slots = Int32Array.from(block.columns, (column) => slotOf.get(Math.floor(column / groupSize)) ?? 0)
  const starts = Int32Array.from(block.columns, (column, c) => {
    const length = Math.min(groupSize, cols - column)
    return block.starts && column % groupSize === 0 && c + length <= size ? length : 0
  })
  const rowsPerChunk = Math.min(CHUNK_ROWS, Math.max(4, Math.floor(CHUNK_WEIGHTS / size / 4) * 4))
  const shared = { rows, rowsPerChunk, size, settings, codes, scales, zeros }
  const { work, columns, first, second } = block
  const task = { ...shared, work, columns, first, second, matrix, slots, starts }
  const weights = importance ?? new Float32Array(size).fill(1)
  finish(start({ job: 'columns', rows: { ...task, importance: weights, groups: Uint32Array.from(groups) } }, threads))
}

const range = (begin: number, size: number) => Uint32Array.from({ length: size }, (_, i) => begin + i)

/** Chooses all grids on the weights as they are: [cols, rows], shared memory; importance [cols]. */
export function searchGrids(
  grid: GridColumns,
  weights: Float32Array,
  importance: Float32Array,
  threads?: number,
): void {
  const { rows, cols, groupSize } = grid
  const step = groupSize > BLOCK ? groupSize : blockOf(groupSize)
  for (let begin = 0; begin < cols; begin += step) {
    const size = Math.min(step, cols - begin)
    const first = weights.subarray(begin * rows, (begin + size) * rows)
    const block = { work: 'search' as const, columns: range(begin, size), first, second: first, starts: true }
    run(grid, block, { importance: levelled(importance.subarray(begin, begin + size)) }, threads)
  }
}

/** Chooses codes with error feedback, in the order of the factor. `search`: grids too, on the weights as fed back, each
 *  when the loop reaches it; only in the order of columns and for groups that are `searchable`. */
export async function feedGrid(
  grid: GridColumns,
  input: {
    weights: Float32Array // [cols, rows]
    factor: InverseFactor
    order?: Uint32Array
    importance: Float32Array // [cols]
    search: boolean
  },
  { device, threads, notify, progress }: ColumnPlace,
): Promise<void> {
  const { rows, cols, groupSize } = grid
  const { weights, factor, order, importance, search } = input
  const column = (place: number) => order?.[place] ?? place
  await feedbackColumns({
    rows,
    cols,
    factor,
    blockSize: blockOf(groupSize),
    device,
    threads,
    notify,
    progress,
    take(begin, size, w) {
      for (let c = 0; c < size; c++) {
        const at = column(begin + c) * rows
        w.set(weights.subarray(at, at + rows), c * rows)
      }
    },
    inner({ begin, size, w, u, e }) {
      const columns = range(begin, size).map(column)
      const weighing = levelled(Float32Array.from(columns, (c) => importance[c] ?? 0))
      const block = { work: 'feed' as const, columns, first: w, second: e, starts: search }
      run(grid, block, { matrix: u, importance: weighing }, threads)
    },
  })
}

/** Coordinate descent over codes, and with `refit` over the scales of groups that lie within a block. */
export async function refineGrid(
  grid: GridColumns,
  input: { weights: Float32Array; hessian: Hessian; sweeps: number; refit: boolean }, // weights as in feedGrid
  { device, threads, notify, progress }: ColumnPlace,
): Promise<void> {
  const { rows, cols, groupSize } = grid
  const { weights, hessian, sweeps, refit } = input
  if (sweeps === 0) return
  const blockSize = blockOf(groupSize)
  const difference = sharedFloats(cols * rows)
  for (let begin = 0; begin < cols; begin += blockSize) {
    const size = Math.min(blockSize, cols - begin)
    const [first, second] = [weights, difference].map((all) => all.subarray(begin * rows, (begin + size) * rows))
    if (first && second)
      run(grid, { work: 'difference', columns: range(begin, size), first, second, starts: false }, {}, threads)
  }
  await refineColumns({
    difference,
    hessian,
    rows,
    cols,
    blockSize,
    sweeps,
    device,
    threads,
    notify,
    progress,
    inner({ begin, size, g, h, d }) {
      const block = { work: 'refine' as const, columns: range(begin, size), first: g, second: d, starts: refit }
      run(grid, block, { matrix: h }, threads)
    },
  })
}

/** Importance with mean 1, so that sums stay in float32's range; all 1 where it is all 0. */
function levelled(importance: Float32Array): Float32Array {
  const mean = importance.reduce((sum, value) => sum + value, 0) / importance.length
  return mean > 0 && mean < Infinity ? importance.map((value) => value / mean) : importance.map(() => 1)
}
