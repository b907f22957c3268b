// Columns of a block for a chunk of rows: error feedback, refinement. Imports nothing but its neighbours: the pool's worker
// loads this file on its own.
import type { Arena } from './arena.ts'
import type { GridSettings } from './search.ts'

export interface ColumnExports {
  configure(
    bits: number,
    symmetric: number,
    half: number,
    steps: number,
    smallest: number,
    reach: number,
    rounds: number,
  ): void
  grids(slots: number, starts: number, scales: number, zeros: number): void
  feed(w: number, e: number, u: number, h: number, codes: number, size: number, lanes: number): void
  search(w: number, h: number, size: number, lanes: number): void
  difference(w: number, codes: number, size: number, lanes: number): void
  refine(g: number, d: number, t: number, h: number, codes: number, size: number, lanes: number): void
}

/** A block of columns; all arrays that threads write to are shared memory and lie column by column. */
export interface ColumnRows {
  work: 'search' | 'feed' | 'difference' | 'refine'
  rows: number
  rowsPerChunk: number // a multiple of 4
  size: number // columns of the block
  first: Float32Array // [size, rows]: search w, feed w, difference w, refine g; only read
  second: Float32Array // [size, rows]: search nothing, feed e (written), difference d (written), refine d (updated)
  matrix: Float32Array // [size, size]: the block of U or H on the diagonal; else empty
  importance: Float32Array // [size]
  columns: Uint32Array // [size] row of `codes` that each column has
  groups: Uint32Array // [slots] row of `scales` and `zeros` that each slot has
  slots: Int32Array // [size] slot of each column
  starts: Int32Array // [size] length of the group to be searched (or refitted) that begins here, else 0
  codes: Uint8Array // [all columns, rows]
  scales: Float32Array // [all groups, rows]
  zeros: Float32Array // [all groups, rows]
  settings: GridSettings
}

/** Works on one chunk of rows. Lanes beyond the last row hold zeros on a grid of step 1. Always returns -1: what could be
 *  wrong with the weights was looked for before. */
export function columnChunk(kernel: Arena<ColumnExports>, task: ColumnRows, chunk: number): number {
  const { work, rows, size, matrix, settings } = task
  const begin = chunk * task.rowsPerChunk
  const end = Math.min(begin + task.rowsPerChunk, rows)
  const lanes = Math.ceil((end - begin) / 4) * 4
  const slotCount = task.groups.length
  const tile = size * lanes
  const [first = 0, second = 0, scratch = 0, m = 0, h = 0, slots = 0, starts = 0, codes = 0, scales = 0, zeros = 0] =
    kernel.lay(tile * 4, tile * 4, tile * 4, matrix.byteLength, size * 4, size * 4, size * 4, tile, slotCount * lanes * 4, slotCount * lanes * 4) // prettier-ignore
  const { steps, smallest, reach, rounds } = settings.effort
  const { exports } = kernel
  exports.configure(
    settings.bits,
    Number(settings.symmetric),
    Number(settings.scaleType === 'float16'),
    steps,
    smallest,
    reach,
    rounds,
  )
  exports.grids(slots, starts, scales, zeros)
  kernel.floats(m, matrix.length).set(matrix)
  kernel.floats(h, size).set(task.importance)
  kernel.bytes(slots, size * 4).set(bytesOf(task.slots))
  kernel.bytes(starts, size * 4).set(bytesOf(task.starts))
  const [firstTile, secondTile] = [kernel.floats(first, tile), kernel.floats(second, tile)]
  const [scaleTile, zeroTile] = [kernel.floats(scales, slotCount * lanes), kernel.floats(zeros, slotCount * lanes)]
  const codeTile = kernel.bytes(codes, tile)
  const whole = lanes === end - begin
  if (!whole) {
    firstTile.fill(0)
    secondTile.fill(0)
    codeTile.fill(0)
    scaleTile.fill(1)
    zeroTile.fill(0)
  }
  task.groups.forEach((group, slot) => {
    scaleTile.set(task.scales.subarray(group * rows + begin, group * rows + end), slot * lanes)
    zeroTile.set(task.zeros.subarray(group * rows + begin, group * rows + end), slot * lanes)
  })
  load(task.first, firstTile)
  if (work === 'refine') load(task.second, secondTile)
  if (work === 'refine' || work === 'difference')
    task.columns.forEach((column, c) => codeTile.set(task.codes.subarray(column * rows + begin, column * rows + end), c * lanes)) // prettier-ignore

  if (work === 'search') exports.search(first, h, size, lanes)
  else if (work === 'feed') exports.feed(first, second, m, h, codes, size, lanes)
  else if (work === 'difference') exports.difference(first, codes, size, lanes)
  else exports.refine(first, second, scratch, m, codes, size, lanes)

  const result = work === 'difference' ? firstTile : secondTile
  const count = end - begin
  if (work !== 'search')
    for (let c = 0; c < size; c++) task.second.set(result.subarray(c * lanes, c * lanes + count), c * rows + begin)
  if (work === 'feed' || work === 'refine')
    task.columns.forEach((column, c) => task.codes.set(codeTile.subarray(c * lanes, c * lanes + count), column * rows + begin)) // prettier-ignore
  if (work !== 'difference')
    task.groups.forEach((group, slot) => {
      task.scales.set(scaleTile.subarray(slot * lanes, slot * lanes + count), group * rows + begin)
      task.zeros.set(zeroTile.subarray(slot * lanes, slot * lanes + count), group * rows + begin)
    })
  return -1

  function load(from: Float32Array, to: Float32Array): void {
    for (let c = 0; c < size; c++) to.set(from.subarray(c * rows + begin, c * rows + end), c * lanes)
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array) => new Uint8Array(buffer, byteOffset, byteLength)
