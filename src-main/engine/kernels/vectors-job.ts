// Chunks of the vector kernels: pyramid search, nearest codewords, selection. Imports nothing but the arena: the pool's
// worker loads this file on its own.
import type { Arena } from './arena.ts'

export interface PvqExports {
  scratchBytes(): number
  rowScales(x: number, rows: number, cols: number, out: number): number
  search(...values: (number | boolean)[]): void
  gains(x: number, rows: number, dims: number, pulses: number, out: number, cosines: number, scratch: number): void
  configureIndex(dims: number, pulses: number, limbs: number, table: number, steps: number, codes: number): void
  pack(...values: number[]): void
  unpack(...values: number[]): void
}

export interface KmeansExports {
  nearestWords(...values: number[]): number
  gather(...values: number[]): void
  lower(points: number, weights: number, n: number, dims: number, center: number, nearest: number): number
  pick(nearest: number, n: number, target: number): number
  place(book: number, codes: number, n: number, dims: number, out: number): void
}

export interface SelectExports {
  topRows(x: number, rows: number, cols: number, keep: number, mask: number, counts: number): number
  someOfEach(x: number, rows: number, cols: number, n: number, m: number, mask: number): number
}

interface Chunked {
  rows: number
  rowsPerChunk: number
}

/** Groups of `dims` weights, ceil(cols / dims) a row. All arrays row-major. */
export interface PvqRows extends Chunked {
  kind: 'pvq'
  cols: number
  dims: number
  pulses: number
  weights: Float32Array // [rows, cols]
  metrics: Float32Array | null // [groups, padded, padded], padded = dims rounded up to 4s; null: plain distance
  scales: Float32Array // [rows]
  levels: Float32Array
  points: Uint8Array // int8 [rows, groups, dims]
  codes: Uint8Array // [rows, groups]
  values: Float32Array // [rows, cols], what points and codes stand for
  errors: Float32Array // [rows], distance in the metric
  keep: boolean // start from points and codes, and never leave them for worse
}

export interface NearestRows extends Chunked {
  kind: 'nearest'
  dims: number
  padded: number // codewords, rounded up to 4s
  points: Float32Array // [rows, dims]
  book: Float32Array // [dims, padded]
  codes: Uint32Array // [rows]
  distances: Float32Array // [rows]
}

export interface SelectRows extends Chunked {
  kind: 'select'
  cols: number
  n: number // of every m; or of the row when m is 0
  m: number
  scores: Float32Array // [rows, cols]
  mask: Uint8Array // [rows, cols]
}

export type VectorRows = PvqRows | NearestRows | SelectRows
export const vectorKernels = { pvq: 'pvq', nearest: 'kmeans', select: 'select' } as const

/** The flat index of the first entry that is not a number, or -1. */
export function vectorChunk(kernel: Arena<unknown>, rows: VectorRows, chunk: number): number {
  const begin = chunk * rows.rowsPerChunk
  const end = Math.min(begin + rows.rowsPerChunk, rows.rows)
  if (rows.kind === 'pvq') return pvqChunk(kernel as Arena<PvqExports>, rows, begin, end)
  if (rows.kind === 'nearest') return nearestChunk(kernel as Arena<KmeansExports>, rows, begin, end)
  return selectChunk(kernel as Arena<SelectExports>, rows, begin, end)
}

function pvqChunk(kernel: Arena<PvqExports>, task: PvqRows, begin: number, end: number): number {
  const { cols, dims, pulses, levels, metrics, keep } = task
  const rows = end - begin
  const groups = Math.ceil(cols / dims)
  const padded = (dims + 3) & ~3
  const lengths = [rows * cols * 4, (metrics?.length ?? 0) * 4, rows * 4, levels.length * 4, rows * groups * dims]
  const [x = 0, metric = 0, scales = 0, level = 0, points = 0, codes = 0, values = 0, errors = 0, scratch = 0] =
    kernel.lay(...lengths, rows * groups, rows * cols * 4, rows * 4, kernel.exports.scratchBytes())
  kernel.floats(x, rows * cols).set(task.weights.subarray(begin * cols, end * cols))
  if (metrics) kernel.floats(metric, metrics.length).set(metrics)
  kernel.floats(scales, rows).set(task.scales.subarray(begin, end))
  kernel.floats(level, levels.length).set(levels)
  if (keep) {
    kernel.bytes(points, rows * groups * dims).set(task.points.subarray(begin * groups * dims, end * groups * dims))
    kernel.bytes(codes, rows * groups).set(task.codes.subarray(begin * groups, end * groups))
  }
  kernel.floats(errors, rows).fill(0)
  for (let g = 0; g < groups; g++) {
    const used = Math.min(dims, cols - g * dims)
    const own = metrics ? metric + g * padded * padded * 4 : 0
    const where = [points + g * dims, groups * dims, codes + g, groups, values + g * dims * 4]
    const shape = [levels.length, dims, used, pulses, rows]
    kernel.exports.search(x + g * dims * 4, cols, own, scales, level, ...shape, ...where, errors, keep, scratch)
  }
  task.points.set(kernel.bytes(points, rows * groups * dims), begin * groups * dims)
  task.codes.set(kernel.bytes(codes, rows * groups), begin * groups)
  task.values.set(kernel.floats(values, rows * cols), begin * cols)
  task.errors.set(kernel.floats(errors, rows), begin)
  return -1
}

function nearestChunk(kernel: Arena<KmeansExports>, task: NearestRows, begin: number, end: number): number {
  const { dims, padded, book } = task
  const rows = end - begin
  const lengths = [rows * dims * 4, book.length * 4, rows * 4, rows * 4]
  const [points = 0, words = 0, codes = 0, distances = 0] = kernel.lay(...lengths)
  kernel.floats(points, rows * dims).set(task.points.subarray(begin * dims, end * dims))
  kernel.floats(words, book.length).set(book)
  const bad = kernel.exports.nearestWords(points, rows, dims, words, padded, codes, distances)
  if (bad >= 0) return begin + bad
  const bytes = kernel.bytes(codes, rows * 4)
  task.codes.set(new Uint32Array(bytes.buffer, bytes.byteOffset, rows), begin)
  task.distances.set(kernel.floats(distances, rows), begin)
  return -1
}

function selectChunk(kernel: Arena<SelectExports>, task: SelectRows, begin: number, end: number): number {
  const { cols, n, m } = task
  const rows = end - begin
  const [x = 0, mask = 0, counts = 0] = kernel.lay(rows * cols * 4, rows * cols, 1024)
  kernel.floats(x, rows * cols).set(task.scores.subarray(begin * cols, end * cols))
  const { topRows, someOfEach } = kernel.exports
  const bad = m === 0 ? topRows(x, rows, cols, n, mask, counts) : someOfEach(x, rows, cols, n, m, mask)
  if (bad >= 0) return begin * cols + bad
  task.mask.set(kernel.bytes(mask, rows * cols), begin * cols)
  return -1
}
