// One block of columns at a time, threads sharing the rows: the door of assembly/ggml-feedback.ts and ggml-feedback-book.ts.
import { finish, sharedBytes, sharedFloats, start } from '../../pool.ts'
import { bookWords, type FeedbackType, fieldSettings } from './fields.ts'

/** The blocks of one block of columns, in shared memory: [rows, blockBytes]. */
export interface ColumnWork {
  type: FeedbackType
  rows: number
  blocks: Uint8Array
  moves: number // scales tried around each group's own, this one counted
  threads?: number | undefined // the result is the same for any number
}

// Some milliseconds of work: code-book types search far longer.
const GRID_ROWS = 64
const BOOK_ROWS = 16

function run(
  work: 'feedback' | 'refine',
  { type, rows, blocks, moves, threads }: ColumnWork,
  arrays: { target: Float32Array; metric: Float32Array; out: Float32Array },
): void {
  const { kernel, blockSize, blockBytes, bytes } = fieldSettings(type)
  const isBook = kernel === 'ggml-feedback-book'
  const shape = { rows, rowsPerChunk: isBook ? BOOK_ROWS : GRID_ROWS, size: blockSize, blockBytes }
  const scratchFor = isBook ? bookWords(type) : blockSize
  finish(start({ job: 'feedback', rows: { kernel, work, settings: bytes, scratchFor, moves, ...shape, ...arrays, blocks } }, threads)) // prettier-ignore
}

/** Chooses the codes of a block of columns with error feedback inside it, beginning with the scales that stand in `blocks`.
 *  w [size, rows] are the weights with earlier blocks' errors fed back, u [size, size] the factor's diagonal block; e takes
 *  (w - q) / U_ii. w, e and blocks are shared memory. */
export function feedbackBlock(work: ColumnWork, w: Float32Array, u: Float32Array, e: Float32Array): void {
  run('feedback', work, { target: w, metric: shared(u), out: e })
}

/** Improves the codes and scales of a block of columns: g [size, rows] = (W - Q) H, h [size, size] = H of these columns,
 *  d [size, rows] = W - Q, which follows. g, d and blocks are shared memory. */
export function refineBlock(work: ColumnWork, g: Float32Array, h: Float32Array, d: Float32Array): void {
  run('refine', work, { target: g, metric: shared(h), out: d })
}

function shared(values: Float32Array): Float32Array {
  if (values.buffer instanceof SharedArrayBuffer) return values
  const copy = sharedFloats(values.length)
  copy.set(values)
  return copy
}

/** Block `at` of every row, out of and back into whole rows of blocks. */
export function takeColumn(blocks: Uint8Array, rows: number, blockBytes: number, at: number): Uint8Array {
  const rowBytes = blocks.length / rows
  const column = sharedBytes(rows * blockBytes)
  for (let r = 0; r < rows; r++) {
    const from = r * rowBytes + at * blockBytes
    column.set(blocks.subarray(from, from + blockBytes), r * blockBytes)
  }
  return column
}

export function putColumn(blocks: Uint8Array, rows: number, blockBytes: number, at: number, column: Uint8Array): void {
  const rowBytes = blocks.length / rows
  for (let r = 0; r < rows; r++)
    blocks.set(column.subarray(r * blockBytes, (r + 1) * blockBytes), r * rowBytes + at * blockBytes)
}
