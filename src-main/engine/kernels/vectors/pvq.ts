import { availableParallelism } from 'node:os'
import type { Arena } from '../arena.ts'
import { openKernel } from '../load.ts'
import { finish, sharedBytes, sharedFloats, start } from '../pool.ts'
import type { PvqExports } from '../vectors-job.ts'
import { indexTables } from './pyramid.ts'

const SHARE_FROM_WEIGHTS = 1 << 14 // smaller searches are done before a thread wakes up
const CHUNK_WEIGHTS = 1 << 12
const FAR = 1e30 // on the diagonal of what pads a metric: no pulse goes there

let kernel: Arena<PvqExports> | null = null
const own = (): Arena<PvqExports> => (kernel ??= openKernel<PvqExports>('pvq'))

/** What is the same for all groups of a layer. */
export interface Pyramid {
  dims: number // weights of a group, 1..64
  pulses: number // K, 1..127
  levels: Float32Array // gains in units of a row's scale times sqrt(dims), ascending
}

/** Solutions of all groups. */
export interface PyramidPoints {
  points: Uint8Array // int8 [rows, groups, dims]
  codes: Uint8Array // [rows, groups]: of the gain
  values: Float32Array // [rows, cols], the weights they stand for
  errors: Float32Array // [rows], squared distance in the metric
}

export const groupsOf = (cols: number, dims: number): number => Math.ceil(cols / dims)

/** Root mean square of each row. `bad`: flat index of the first weight that is not finite, or -1. */
export function rowScales(weights: Float32Array, rows: number, cols: number): { scales: Float32Array; bad: number } {
  const [x = 0, out = 0] = own().lay(weights.length * 4, rows * 4)
  own().floats(x, weights.length).set(weights)
  const bad = own().exports.rowScales(x, rows, cols, out)
  return { scales: own().floats(out, rows).slice(), bad }
}

/** Metrics [groups][size, size] (symmetric, positive; the last may be smaller) as the search wants them. */
export function padMetrics(metrics: readonly { data: ArrayLike<number>; size: number }[], dims: number): Float32Array {
  const padded = (dims + 3) & ~3
  const out = new Float32Array(metrics.length * padded * padded)
  metrics.forEach(({ data, size }, g) => {
    const base = g * padded * padded
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) out[base + i * padded + j] = data[i * size + j] ?? 0
    for (let i = size; i < padded; i++) out[base + i * padded + i] = FAR
  })
  return out
}

/** The nearest points and gains of every group of [rows, cols] weights; a shorter last group has 0 behind its end.
 *  metrics: from padMetrics, one a group, or null for plain distance. from: a solution to start from and never leave for
 *  worse. The same for any number of threads. */
export function searchPoints(
  weights: Float32Array,
  shape: { rows: number; cols: number; scales: Float32Array },
  pyramid: Pyramid,
  metrics: Float32Array | null,
  more: { from?: Pick<PyramidPoints, 'points' | 'codes'>; threads?: number } = {},
): PyramidPoints {
  const { rows, cols, scales } = shape
  const { dims, pulses } = pyramid
  const groups = groupsOf(cols, dims)
  const threads = rows * cols < SHARE_FROM_WEIGHTS ? 1 : (more.threads ?? availableParallelism())
  const shared = sharedFloats(weights.length)
  shared.set(weights)
  const task = {
    kind: 'pvq' as const,
    rows,
    cols,
    dims,
    pulses,
    rowsPerChunk: Math.max(1, Math.floor(CHUNK_WEIGHTS / cols)),
    weights: shared,
    metrics,
    scales,
    levels: Float32Array.from(pyramid.levels, (level) => level * Math.sqrt(dims)),
    points: sharedBytes(rows * groups * dims),
    codes: sharedBytes(rows * groups),
    values: sharedFloats(rows * cols),
    errors: sharedFloats(rows),
    keep: more.from !== undefined,
  }
  if (more.from) {
    task.points.set(more.from.points)
    task.codes.set(more.from.codes)
  }
  finish(start({ job: 'vectors', rows: task }, threads))
  return { points: task.points, codes: task.codes, values: task.values, errors: task.errors }
}

/** Gain and cosine that the nearest point of each vector [n, dims] reaches. */
export function gainsOf(
  vectors: Float32Array,
  dims: number,
  pulses: number,
): { gains: Float32Array; cosines: Float32Array } {
  const n = vectors.length / dims
  const [x = 0, out = 0, cosines = 0, scratch = 0] = own().lay(
    vectors.length * 4,
    n * 4,
    n * 4,
    own().exports.scratchBytes(),
  )
  own().floats(x, vectors.length).set(vectors)
  own().exports.gains(x, n, dims, pulses, out, cosines, scratch)
  return { gains: own().floats(out, n).slice(), cosines: own().floats(cosines, n).slice() }
}

/** Bytes of a stream of groups. */
export const streamBytes = (groups: number, bits: number): number => Math.ceil((groups * bits) / 8)

const PACK_ROWS = 2048 // a multiple of 8: every block but the last ends on a byte

/** One number of `bits` bits a group, row after row, as one little-endian bit stream. points: int8 [rows, groups, dims]
 *  where `blockMajor` is false, else [groups, rows, dims]; codes likewise. */
export function packPoints(
  { points, codes }: Pick<PyramidPoints, 'points' | 'codes'>,
  shape: { rows: number; groups: number; bits: number; dims: number; pulses: number; levels: number },
): Uint8Array {
  const { rows, groups, bits, dims, pulses } = shape
  const { limbs, table, steps } = indexTables(dims, pulses, bits, shape.levels)
  const out = new Uint8Array(streamBytes(rows * groups, bits))
  for (let begin = 0; begin < rows; begin += PACK_ROWS) {
    const count = Math.min(PACK_ROWS, rows - begin)
    const bytes = streamBytes(count * groups, bits)
    const lengths = [table.byteLength, steps.byteLength, count * groups * dims, count * groups, bytes + 16, 64]
    const [at = 0, gains = 0, point = 0, code = 0, stream = 0, number = 0] = own().lay(...lengths)
    own().bytes(at, table.byteLength).set(new Uint8Array(table.buffer))
    own().bytes(gains, steps.byteLength).set(new Uint8Array(steps.buffer))
    const first = begin * groups
    own()
      .bytes(point, count * groups * dims)
      .set(points.subarray(first * dims, (first + count * groups) * dims))
    own()
      .bytes(code, count * groups)
      .set(codes.subarray(first, first + count * groups))
    own()
      .bytes(stream, bytes + 16)
      .fill(0)
    own().exports.configureIndex(dims, pulses, limbs, at, gains, shape.levels)
    own().exports.pack(point, groups * dims, dims, code, groups, 1, count, groups, bits, stream, number)
    out.set(own().bytes(stream, bytes), (begin / 8) * groups * bits)
  }
  return out
}

/** Rows [begin, end) of a stream from packPoints as weights, row-major, and their points where asked. */
export function unpackRows(
  stream: Uint8Array,
  shape: { cols: number; bits: number; scales: Float32Array } & Pyramid,
  begin: number,
  end: number,
): Float32Array {
  const { cols, bits, dims, pulses, levels } = shape
  const groups = groupsOf(cols, dims)
  const { limbs, table, steps } = indexTables(dims, pulses, bits, levels.length)
  const values = new Float32Array((end - begin) * cols)
  for (let from = begin; from < end; from += PACK_ROWS) {
    const rows = Math.min(PACK_ROWS, end - from)
    const firstBit = from * groups * bits
    const bytes = stream.subarray(Math.floor(firstBit / 8), Math.ceil((firstBit + rows * groups * bits) / 8))
    const lengths = [
      table.byteLength,
      steps.byteLength,
      bytes.length + 16,
      rows * 4,
      levels.length * 4,
      rows * cols * 4,
    ]
    const [at = 0, gains = 0, source = 0, scales = 0, level = 0, out = 0, scratch = 0] = own().lay(
      ...lengths,
      own().exports.scratchBytes(),
    )
    own().bytes(at, table.byteLength).set(new Uint8Array(table.buffer))
    own().bytes(gains, steps.byteLength).set(new Uint8Array(steps.buffer))
    own()
      .bytes(source, bytes.length + 16)
      .fill(0)
      .set(bytes)
    own().floats(scales, rows).set(shape.scales.subarray(from, end).subarray(0, rows))
    own()
      .floats(level, levels.length)
      .set(Float32Array.from(levels, (gain) => gain * Math.sqrt(dims)))
    own().exports.configureIndex(dims, pulses, limbs, at, gains, levels.length)
    own().exports.unpack(source, firstBit % 8, scales, level, dims, rows, cols, bits, out, 0, scratch)
    values.set(own().floats(out, rows * cols), (from - begin) * cols)
  }
  return values
}
