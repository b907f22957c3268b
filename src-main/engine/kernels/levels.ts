import type { Arena } from './arena.ts'
import { configureLevels, levelScratch, type LevelSet, type LevelSettings, type LevelsExports } from './levels-job.ts'
import { openKernel } from './load.ts'
import { chunkRows, finish, start } from './pool.ts'

let own: Arena<LevelsExports> | null = null
const kernel = (): Arena<LevelsExports> => (own ??= openKernel<LevelsExports>('levels'))

export interface LevelBlock {
  rows: number
  cols: number
  groupSize: number
  weights: Float32Array // [rows, cols]
  importance: Float32Array // [cols], not negative
  codes: Uint8Array // [rows, cols]
  scales: Float32Array // [rows, ceil(cols / groupSize)]; 0 where a group holds nothing but zeros
}

/** Chooses a scale for every group and codes it. Arrays must be shared memory when `threads` > 1. Same bytes for any number of
 *  threads. Returns the flat index of the first weight that is not finite, or -1. */
export const levelBlock = (settings: LevelSettings, block: LevelBlock, threads?: number): number =>
  finish(start({ job: 'levels', rows: { ...block, settings, rowsPerChunk: chunkRows(block.cols) } }, threads))

/** Codes rows under given scales, [rows, groups] (one group of whole rows where groupSize is cols), into `codes`; gives the
 *  weighted squared error, summed in float64. */
export function codeRows(
  settings: LevelSettings,
  { rows, cols, groupSize, weights, importance, codes, scales }: LevelBlock,
): number {
  const arena = kernel()
  const [x = 0, h = 0, target = 0, at = 0, scratch = 0, out = 0] = arena.lay(
    rows * cols * 4,
    cols * 4,
    rows * cols,
    scales.length * 4,
    levelScratch(groupSize),
    8,
  )
  arena.floats(x, rows * cols).set(weights.subarray(0, rows * cols))
  arena.floats(h, cols).set(importance)
  arena.floats(at, scales.length).set(scales)
  arena.doubles(out, 1).set([0])
  configureLevels(arena, settings)
  arena.exports.codeRows(x, h, target, at, rows, cols, groupSize, scratch, out)
  codes.set(arena.bytes(target, rows * cols))
  return arena.doubles(out, 1)[0] ?? 0
}

export interface FeedbackBlock {
  begin: number // first column of the block
  size: number
  rows: number
  w: Float32Array // [rows, size], fed back
  u: Float32Array // [size, size], the diagonal block of U
  scales: Float32Array // [rows, groups] of whole rows
  groupSize: number
  groups: number
}

/** Error feedback inside a block of columns: E = (w - q) / U_jj, [rows, size], and the codes, [rows, size]. */
export function feedbackBlock(
  settings: LevelSettings,
  { begin, size, rows, w, u, scales, groupSize, groups }: FeedbackBlock,
): { errors: Float32Array; codes: Uint8Array } {
  const arena = kernel()
  const count = rows * size
  const lengths = [count * 4, size * size * 4, count * 4, count, scales.length * 4]
  const [from = 0, factor = 0, e = 0, codes = 0, at = 0] = arena.lay(...lengths)
  arena.floats(from, count).set(w)
  arena.floats(factor, size * size).set(u)
  arena.floats(at, scales.length).set(scales)
  configureLevels(arena, settings)
  arena.exports.feedbackRows(from, factor, e, codes, at, rows, begin, size, groupSize, groups)
  return { errors: arena.floats(e, count).slice(), codes: arena.bytes(codes, count).slice() }
}

/** Weights of codes [rows, cols]: values[code] * scale, one float32 product. `values`: of each of 256 codes. */
export function decodeLevels(
  codes: Uint8Array,
  values: Float32Array,
  scales: Float32Array,
  { rows, cols, groupSize }: { rows: number; cols: number; groupSize: number },
): Float32Array {
  const arena = kernel()
  const [from = 0, table = 0, at = 0, out = 0] = arena.lay(codes.length, 1024, scales.length * 4, codes.length * 4)
  arena.bytes(from, codes.length).set(codes)
  arena.floats(table, 256).set(values)
  arena.floats(at, scales.length).set(scales)
  arena.exports.decodeRows(from, table, at, out, rows, cols, groupSize)
  return arena.floats(out, codes.length).slice()
}

const TRITS = 5 // codes of three levels in a byte

export const tritBytes = (count: number): number => Math.ceil(count / TRITS)

/** Codes 0..2, one a byte, to five a byte: c0 + 3 c1 + 9 c2 + 27 c3 + 81 c4. */
export function packTrits(codes: Uint8Array): Uint8Array {
  const arena = kernel()
  const bytes = tritBytes(codes.length)
  const [from = 0, to = 0] = arena.lay(bytes * TRITS, bytes)
  arena.bytes(from, bytes * TRITS).fill(0)
  arena.bytes(from, codes.length).set(codes)
  arena.exports.packTrits(from, to, bytes)
  return arena.bytes(to, bytes).slice()
}

/** The inverse of packTrits: all codes of the bytes. */
export function unpackTrits(packed: Uint8Array): Uint8Array {
  const arena = kernel()
  const [from = 0, to = 0] = arena.lay(packed.length, packed.length * TRITS)
  arena.bytes(from, packed.length).set(packed)
  arena.exports.unpackTrits(from, to, packed.length)
  return arena.bytes(to, packed.length * TRITS).slice()
}

const smallFloats = {
  float8e4m3fn: { kind: 'float', mantissa: 3, minExponent: -6, signBit: 7, top: 448 },
  float8e5m2: { kind: 'float', mantissa: 2, minExponent: -14, signBit: 7, top: 57344 },
  float4e2m1: { kind: 'float', mantissa: 1, minExponent: 0, signBit: 3, top: 6 },
} as const satisfies Record<string, LevelSet>
export type SmallFloat = keyof typeof smallFloats
export const smallFloat = (type: SmallFloat): LevelSet => smallFloats[type]

/** float32 to the codes of a small float, one a byte: to nearest, ties to even, saturating. Numbers must be finite. */
export function toSmallFloat(values: Float32Array, type: SmallFloat): Uint8Array {
  const codes = new Uint8Array(values.length)
  const settings: LevelSettings = { set: smallFloat(type), scale: 'float32', divisor: 1, factors: [], rounds: 0 }
  const importance = new Float32Array(1)
  const [cols, groupSize, scales] = [1, 1, new Float32Array(values.length).fill(1)]
  codeRows(settings, { rows: values.length, cols, groupSize, weights: values, importance, codes, scales })
  return codes
}
