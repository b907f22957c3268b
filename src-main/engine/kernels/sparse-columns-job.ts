// Columns of a block for a chunk of rows: pruning with error feedback, refinement of what is kept. Imports nothing but the
// arena: the pool's worker loads this file on its own.
import type { Arena } from './arena.ts'

export interface SparseColumnExports {
  configure(width: number, n: number, m: number): void
  feed(...values: number[]): void
  difference(...values: number[]): void
  refine(...values: number[]): void
}

/** A block of columns. Everything but `matrix` is [size, rows], column by column, in shared memory. */
export interface SparseColumnRows {
  work: 'feed' | 'difference' | 'refine'
  rows: number
  rowsPerChunk: number // a multiple of 4
  size: number
  width: number // bits of the grid; 0: floats
  n: number // of m neighbours; m = 0: the mask is given
  m: number
  first: Float32Array // feed w, difference w, refine g; only read
  second: Float32Array // feed e (written), difference d (written), refine d (updated)
  matrix: Float32Array // [size, size]: the block of U or H on the diagonal
  mask: Uint8Array // read; written where m > 0
  codes: Uint8Array // of grids: written by feed, read by difference, updated by refine
  scales: Float32Array // of grids
  values: Float32Array // of floats: as codes
}

/** Works on one chunk of rows. Lanes beyond the last row hold zeros. Always returns -1. */
export function sparseColumnChunk(kernel: Arena<SparseColumnExports>, task: SparseColumnRows, chunk: number): number {
  const { work, rows, size, matrix, width } = task
  const begin = chunk * task.rowsPerChunk
  const end = Math.min(begin + task.rowsPerChunk, rows)
  const lanes = Math.ceil((end - begin) / 4) * 4
  const tile = size * lanes
  const [first = 0, second = 0, scratch = 0, values = 0, scales = 0, m = 0, mask = 0, codes = 0] = kernel.lay(
    ...[tile * 4, tile * 4, tile * 4, tile * 4, tile * 4, matrix.byteLength, tile, tile],
  )
  const { exports } = kernel
  exports.configure(width, task.n, task.m)
  kernel.floats(m, matrix.length).set(matrix)
  const [firstTile, secondTile, valueTile, scaleTile] = [first, second, values, scales].map((at) => kernel.floats(at, tile)) as [Float32Array, Float32Array, Float32Array, Float32Array] // prettier-ignore
  const [maskTile, codeTile] = [kernel.bytes(mask, tile), kernel.bytes(codes, tile)]
  for (const room of [firstTile, secondTile, valueTile, maskTile, codeTile]) room.fill(0)
  scaleTile.fill(1)
  const own = width > 0 ? ([task.codes, codeTile] as const) : ([task.values, valueTile] as const)
  load(task.first, firstTile)
  load(task.mask, maskTile)
  if (width > 0) load(task.scales, scaleTile)
  if (work === 'refine') load(task.second, secondTile)
  if (work !== 'feed') load(own[0], own[1])

  if (work === 'feed') exports.feed(first, second, m, mask, codes, scales, values, size, lanes)
  else if (work === 'difference') exports.difference(first, second, codes, scales, values, size, lanes)
  else exports.refine(first, second, scratch, m, mask, codes, scales, values, size, lanes)

  store(secondTile, task.second)
  if (work !== 'difference') store(own[1], own[0])
  if (work === 'feed' && task.m > 0) store(maskTile, task.mask)
  return -1

  function load(from: Float32Array | Uint8Array, to: Float32Array | Uint8Array): void {
    for (let c = 0; c < size; c++) to.set(from.subarray(c * rows + begin, c * rows + end), c * lanes)
  }
  function store(from: Float32Array | Uint8Array, to: Float32Array | Uint8Array): void {
    for (let c = 0; c < size; c++) to.set(from.subarray(c * lanes, c * lanes + end - begin), c * rows + begin)
  }
}
