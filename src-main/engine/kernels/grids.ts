import type { Arena } from './arena.ts'
import type { GridsExports, GridsRows } from './grids-job.ts'
import { openKernel } from './load.ts'
import { chunkRows, finish, start } from './pool.ts'

let own: Arena<GridsExports> | null = null

/** Searches the grids of all rows of a block, whose arrays must be shared memory when `threads` > 1. Same bytes for any number
 *  of threads. Returns the flat index of the first weight that is not finite, or -1. */
export const gridsBlock = (block: Omit<GridsRows, 'rowsPerChunk'>, threads?: number): number =>
  finish(start({ job: 'grids', rows: { ...block, rowsPerChunk: chunkRows(block.cols) } }, threads))

const PIECE = 1 << 22

/** Codes of 8 bits around 128, as a width of `bits` reads them: the highest bits, rounded by the next one. */
export function readBits(codes: Uint8Array, bits: number): Uint8Array {
  own ??= openKernel<GridsExports>('grids')
  const out = new Uint8Array(codes.length)
  for (let begin = 0; begin < codes.length; begin += PIECE) {
    const part = codes.subarray(begin, begin + PIECE)
    const [from = 0, to = 0] = own.lay(part.length, part.length)
    own.bytes(from, part.length).set(part)
    own.exports.readBits(from, to, part.length, bits)
    out.set(own.bytes(to, part.length), begin)
  }
  return out
}
