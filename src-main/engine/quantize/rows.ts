import { Fault } from '../../../src-preload/contract/fault.ts'
import type { WeightMatrix } from './types.ts'

/** A matrix that is read by row blocks: rows = output channels. `read` gives rows [begin, end), row-major. */
export interface WeightRows {
  rows: number
  cols: number
  read(begin: number, end: number): Float32Array
}

const BLOCK_WEIGHTS = 1 << 22 // 16 MiB of float32

export const rowsOf = ({ data, rows, cols }: WeightMatrix): WeightRows => ({
  rows,
  cols,
  read: (begin, end) => data.subarray(begin * cols, end * cols),
})

/** Rows per block. Depends on the shape alone, so that sums over blocks do not depend on the machine. */
export const rowsPerBlock = (cols: number): number => Math.max(1, Math.floor(BLOCK_WEIGHTS / Math.max(1, cols)))

/** Walks the matrix block by block. */
export function eachBlock(
  source: WeightRows,
  visit: (weights: Float32Array, begin: number, end: number) => void,
): void {
  const step = rowsPerBlock(source.cols)
  for (let begin = 0; begin < source.rows; begin += step) {
    const end = Math.min(begin + step, source.rows)
    visit(source.read(begin, end), begin, end)
  }
}

/** The fault for a weight that is NaN or infinite at a flat index. */
export function notFinite(layer: string, source: WeightRows, index: number): Fault {
  const row = Math.floor(index / source.cols)
  const found = String(source.read(row, row + 1)[index % source.cols])
  return new Fault('bad-input', `Layer ${layer}: weight [${row}, ${index % source.cols}] is ${found}.`, {
    hint: 'The checkpoint is damaged, or its training diverged. Keep this layer as it is, or get the checkpoint again.',
    data: { tensor: layer, expected: 'finite weights', found, offset: index },
  })
}
