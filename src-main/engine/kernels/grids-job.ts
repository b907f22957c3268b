// Rows of weights on uniform grids, searched as assembly/grids.ts tells. Imports nothing but the arena: the pool's worker loads
// this file on its own.
import type { Arena } from './arena.ts'

export interface GridsExports {
  factorsAt(): number
  configureHqq(
    bits: number,
    half: number,
    reach: number,
    power: number,
    beta: number,
    kappa: number,
    rounds: number,
    most: number,
  ): void
  configureElastic(half: number, lowest: number, factors: number): void
  hqqRows(
    x: number,
    h: number,
    codes: number,
    scales: number,
    zeros: number,
    rows: number,
    cols: number,
    groupSize: number,
    scratch: number,
  ): void
  elasticRows(
    x: number,
    h: number,
    codes: number,
    scales: number,
    rows: number,
    cols: number,
    groupSize: number,
    scratch: number,
  ): number
  readBits(codes: number, out: number, n: number, width: number): void
}

export interface HqqSettings {
  search: 'hqq'
  bits: number // 2..8
  half: boolean // scales are float16
  reach: number // zero points tried on each side of the given one
  power: 2 | 3 // p of the norm, in quarters
  beta: number
  kappa: number
  rounds: number
  most: number // squared error that a group may end with, in those it starts with; Infinity: any
}

export interface ElasticSettings {
  search: 'elastic'
  half: boolean
  lowest: number // the narrowest width that counts
  factors: readonly number[] // multiples of the plain scale that are tried, 64 at most
}

/** All row-major; scales and zeros are [rows, ceil(cols / groupSize)]: with 'hqq' given and improved, else found. */
export interface GridsRows {
  rows: number
  cols: number
  groupSize: number
  rowsPerChunk: number
  weights: Float32Array // [rows, cols]
  importance: Float32Array // [cols], not negative
  codes: Uint8Array // [rows, cols]
  scales: Float32Array
  zeros: Uint8Array
  settings: HqqSettings | ElasticSettings
}

/** Returns the flat index of the first weight that is not finite, or -1. */
export function gridsChunk(kernel: Arena<GridsExports>, task: GridsRows, chunk: number): number {
  const begin = chunk * task.rowsPerChunk
  const end = Math.min(begin + task.rowsPerChunk, task.rows)
  const { cols, groupSize, settings } = task
  const perRow = Math.ceil(cols / groupSize)
  const [rows, count, groups] = [end - begin, (end - begin) * cols, (end - begin) * perRow]
  const scratchBytes = Math.ceil(groupSize / 16) * 16 * 8
  const lengths = [count * 4, cols * 4, count, groups * 4, groups, scratchBytes]
  const [x = 0, h = 0, codes = 0, scales = 0, zeros = 0, scratch = 0] = kernel.lay(...lengths)
  kernel.floats(x, count).set(task.weights.subarray(begin * cols, end * cols))
  kernel.floats(h, cols).set(task.importance)
  if (settings.search === 'hqq') {
    const { bits, half, reach, power, beta, kappa, rounds, most } = settings
    kernel.exports.configureHqq(bits, Number(half), reach, power, beta, kappa, rounds, most)
    kernel.floats(scales, groups).set(task.scales.subarray(begin * perRow, end * perRow))
    kernel.bytes(zeros, groups).set(task.zeros.subarray(begin * perRow, end * perRow))
    kernel.exports.hqqRows(x, h, codes, scales, zeros, rows, cols, groupSize, scratch)
    task.zeros.set(kernel.bytes(zeros, groups), begin * perRow)
  } else {
    kernel.floats(kernel.exports.factorsAt(), 64).set(settings.factors)
    kernel.exports.configureElastic(Number(settings.half), settings.lowest, settings.factors.length)
    const bad = kernel.exports.elasticRows(x, h, codes, scales, rows, cols, groupSize, scratch)
    if (bad >= 0) return begin * cols + bad
  }
  task.codes.set(kernel.bytes(codes, count), begin * cols)
  task.scales.set(kernel.floats(scales, groups), begin * perRow)
  return -1
}
