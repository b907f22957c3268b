// Pruning with error feedback, column by column, and refinement of what is kept: the compiled column loops on the pool.
// Everything lies column by column ([cols, rows]); rows are independent once the mask is chosen, so any number of threads gives
// the same bytes.
import { finish, sharedBytes, sharedFloats, start } from '../pool.ts'
import type { SparseColumnRows } from '../sparse-columns-job.ts'
import type { ColumnPlace } from './columns.ts'
import { feedbackColumns } from './feedback.ts'
import { refineColumns } from './refine.ts'
import type { Hessian, InverseFactor } from './types.ts'

export interface SparseColumns {
  rows: number
  cols: number
  mask: Uint8Array // [cols, rows]
  values: Float32Array // [cols, rows], what is kept as floats; empty on a grid
  grid: SparseGrid | null
}

/** A symmetric grid with its scales, and the codes on it. */
export interface SparseGrid {
  width: number // bits
  groupSize: number // columns
  scales: Float32Array // [groups, rows], not 0
  codes: Uint8Array // [cols, rows]
}

export const createSparse = (rows: number, cols: number): SparseColumns => ({
  ...{ rows, cols, grid: null },
  mask: new Uint8Array(cols * rows),
  values: new Float32Array(cols * rows),
})

const BLOCK = 128
const CHUNK_ROWS = 64 // a tile of 128 columns fits the first cache

type Work = Pick<SparseColumnRows, 'work' | 'first' | 'second' | 'matrix' | 'n' | 'm'>

/** One block: gathers what belongs to its columns, works, and puts back what was written. */
function run(sparse: SparseColumns, columns: Uint32Array, work: Work, threads: number | undefined): void {
  const { rows, grid, mask, values } = sparse
  const size = columns.length
  const [codes, scales, floats] = grid
    ? [sharedBytes(size * rows), sharedFloats(size * rows), sharedFloats(0)]
    : [sharedBytes(0), sharedFloats(0), sharedFloats(size * rows)]
  const flags = sharedBytes(size * rows)
  const each = (visit: (from: number, to: number, column: number) => void) =>
    columns.forEach((column, c) => visit(column * rows, c * rows, column))
  each((from, to, column) => {
    flags.set(mask.subarray(from, from + rows), to)
    if (!grid) return floats.set(values.subarray(from, from + rows), to)
    const group = Math.floor(column / grid.groupSize) * rows
    codes.set(grid.codes.subarray(from, from + rows), to)
    scales.set(grid.scales.subarray(group, group + rows), to)
  })
  const task = { ...work, rows, rowsPerChunk: CHUNK_ROWS, size, width: grid?.width ?? 0, mask: flags, codes, scales }
  finish(start({ job: 'sparse-columns', rows: { ...task, values: floats } }, threads))
  if (work.work === 'difference') return
  each((to, from) => {
    if (work.m > 0) mask.set(flags.subarray(from, from + rows), to)
    if (grid) grid.codes.set(codes.subarray(from, from + rows), to)
    else values.set(floats.subarray(from, from + rows), to)
  })
}

const range = (begin: number, size: number) => Uint32Array.from({ length: size }, (_, i) => begin + i)

/** Error feedback over all columns in the factor's order. `choose` tells the mask of a block, [size, rows], from its weights as
 *  fed back and the factor's diagonal block; `neighbours` n of m, groups from left to right; neither: the mask as it is. */
export async function feedSparse(
  sparse: SparseColumns,
  input: {
    weights: Float32Array // [cols, rows]
    factor: InverseFactor
    order?: Uint32Array
    choose?: (w: Float32Array, u: Float32Array, begin: number, size: number) => Uint8Array
    neighbours?: { n: number; m: number } | null
  },
  { device, threads, notify, progress }: ColumnPlace,
): Promise<void> {
  const { rows, cols, mask } = sparse
  const { weights, factor, order, choose } = input
  const { n, m } = input.neighbours ?? { n: 0, m: 0 }
  const column = (place: number) => order?.[place] ?? place
  await feedbackColumns({
    ...{ rows, cols, factor, blockSize: BLOCK, device, threads, notify, progress },
    take(begin, size, w) {
      for (let c = 0; c < size; c++) {
        const at = column(begin + c) * rows
        w.set(weights.subarray(at, at + rows), c * rows)
      }
    },
    inner({ begin, size, w, u, e }) {
      const columns = range(begin, size).map(column)
      const chosen = choose?.(w, u, begin, size)
      if (chosen) columns.forEach((to, c) => mask.set(chosen.subarray(c * rows, (c + 1) * rows), to * rows))
      run(sparse, columns, { work: 'feed', first: w, second: e, matrix: u, n, m }, threads)
    },
  })
}

/** Coordinate descent over what the mask keeps. Never raises the output error. */
export async function refineSparse(
  sparse: SparseColumns,
  input: { weights: Float32Array; hessian: Hessian; sweeps: number }, // weights as in feedSparse
  { device, threads, notify, progress }: ColumnPlace,
): Promise<void> {
  const { rows, cols } = sparse
  const { weights, hessian, sweeps } = input
  if (sweeps === 0) return
  const difference = sharedFloats(cols * rows)
  const given = { n: 0, m: 0 }
  for (let begin = 0; begin < cols; begin += BLOCK) {
    const size = Math.min(BLOCK, cols - begin)
    const first = sharedFloats(size * rows)
    first.set(weights.subarray(begin * rows, (begin + size) * rows))
    const second = difference.subarray(begin * rows, (begin + size) * rows)
    run(
      sparse,
      range(begin, size),
      { work: 'difference', first, second, matrix: new Float32Array(), ...given },
      threads,
    )
  }
  await refineColumns({
    ...{ difference, hessian, rows, cols, blockSize: BLOCK, sweeps, device, threads, notify, progress },
    inner({ begin, size, g, h, d }) {
      run(sparse, range(begin, size), { work: 'refine', first: g, second: d, matrix: h, ...given }, threads)
    },
  })
}
