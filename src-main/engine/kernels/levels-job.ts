// Rows of weights on a set of levels (assembly/levels.ts). Imports nothing but the arena: the pool's worker loads this file
// on its own.
import type { Arena } from './arena.ts'

export interface LevelsExports {
  tablesAt(): number
  configure(
    count: number,
    mantissa: number,
    minExponent: number,
    signBit: number,
    top: number,
    zeroCode: number,
    kind: number,
    divisor: number,
    factors: number,
    rounds: number,
  ): void
  levelRows(
    x: number,
    h: number,
    codes: number,
    scales: number,
    rows: number,
    cols: number,
    groupSize: number,
    scratch: number,
  ): number
  codeRows(
    x: number,
    h: number,
    codes: number,
    scales: number,
    rows: number,
    cols: number,
    groupSize: number,
    scratch: number,
    out: number,
  ): void
  feedbackRows(
    w: number,
    u: number,
    e: number,
    codes: number,
    scales: number,
    rows: number,
    begin: number,
    size: number,
    groupSize: number,
    groups: number,
  ): void
  decodeRows(
    codes: number,
    values: number,
    scales: number,
    out: number,
    rows: number,
    cols: number,
    groupSize: number,
  ): void
  packTrits(codes: number, packed: number, bytes: number): void
  unpackTrits(packed: number, codes: number, bytes: number): void
}

/** What a weight may be, before its scale. A table: rising levels, and the code of each. A small float: OFP8 or OCP MX. */
export type LevelSet =
  | { kind: 'table'; levels: readonly number[]; codes: readonly number[] }
  | { kind: 'float'; mantissa: number; minExponent: number; signBit: number; top: number }

/** As what a scale is stored. 'float8e4m3fn': divided by one float32 of the whole tensor. */
export type LevelScale = 'float16' | 'float32' | 'power-of-two' | 'float8e8m0' | 'float8e4m3fn'
const scaleKinds: readonly LevelScale[] = ['float16', 'float32', 'power-of-two', 'float8e8m0', 'float8e4m3fn']

export interface LevelSettings {
  set: LevelSet
  scale: LevelScale
  divisor: number // of 'float8e4m3fn' scales; else 1
  factors: readonly number[] // multiples of the plain scale that are tried, 32 at most; none: the plain scale
  rounds: number // least-squares refinements of the winner
}

/** Rows to be coded and where the result goes. All row-major; scales are [rows, ceil(cols / groupSize)]. */
export interface LevelRows {
  rows: number
  cols: number
  groupSize: number
  rowsPerChunk: number
  weights: Float32Array // [rows, cols]
  importance: Float32Array // [cols], not negative
  codes: Uint8Array // [rows, cols], one a byte
  scales: Float32Array // 0 where a group holds nothing but zeros
  settings: LevelSettings
}

export const levelScratch = (groupSize: number): number => Math.ceil(groupSize / 16) * 16 * 8

export function configureLevels(kernel: Arena<LevelsExports>, settings: LevelSettings): void {
  const { set, scale, divisor, factors, rounds } = settings
  const at = kernel.exports.tablesAt()
  kernel.floats(at + 144, 32).set(factors)
  const [kind, tried] = [scaleKinds.indexOf(scale), factors.length]
  if (set.kind === 'float') {
    const { mantissa, minExponent, signBit, top } = set
    kernel.exports.configure(0, mantissa, minExponent, signBit, top, 0, kind, divisor, tried, rounds)
    return
  }
  const { levels, codes } = set
  kernel.floats(at, 16).set(levels)
  kernel.floats(at + 64, 16).set(boundsOf(levels))
  kernel.bytes(at + 128, 16).set(codes)
  const top = levels.reduce((most, level) => Math.max(most, Math.abs(level)), 0)
  const zero = codes[levels.indexOf(0)] ?? 0 // without a zero among the levels, scale 0 makes any of them one
  kernel.exports.configure(levels.length, 0, 0, 0, top, zero, kind, divisor, tried, rounds)
}

/** Between two neighbours, as the kernel compares: float32. A weight on a bound takes the lower level. */
export const boundsOf = (levels: readonly number[]): number[] =>
  levels.slice(1).map((level, k) => Math.fround(Math.fround(Math.fround(level) + Math.fround(levels[k] as number)) / 2))

/** Returns the flat index of the first weight that is not finite, or -1. */
export function levelChunk(kernel: Arena<LevelsExports>, task: LevelRows, chunk: number): number {
  const begin = chunk * task.rowsPerChunk
  const end = Math.min(begin + task.rowsPerChunk, task.rows)
  const { cols, groupSize } = task
  const [count, groups] = [(end - begin) * cols, (end - begin) * Math.ceil(cols / groupSize)]
  const [x = 0, h = 0, codes = 0, scales = 0, scratch = 0] = kernel.lay(
    count * 4,
    cols * 4,
    count,
    groups * 4,
    levelScratch(groupSize),
  )
  kernel.floats(x, count).set(task.weights.subarray(begin * cols, end * cols))
  kernel.floats(h, cols).set(task.importance)
  configureLevels(kernel, task.settings)
  const bad = kernel.exports.levelRows(x, h, codes, scales, end - begin, cols, groupSize, scratch)
  if (bad >= 0) return begin * cols + bad
  task.codes.set(kernel.bytes(codes, count), begin * cols)
  task.scales.set(kernel.floats(scales, groups), begin * Math.ceil(cols / groupSize))
  return -1
}
