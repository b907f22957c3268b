// Imports nothing but the arena: the pool's worker loads this file on its own.
import type { Arena } from './arena.ts'

/** How hard the range search works on a group. */
export interface Effort {
  steps: number // shrunk scales tried for each zero point; 0: the plain range
  smallest: number // smallest shrink factor, not itself tried
  reach: number // zero points tried on each side of the plain one
  rounds: number // refinements (codes, then least-squares scale) of the winner
}

// Tuned on weights of two language models, a vision transformer and a convolutional network, in groups of 32 and per
// channel. Against 96 steps down to 0.2, zero points 4 away and 8 rounds, each row loses at most 0.02 dB up to 5 bits,
// then at most 0.07 dB symmetric and 0.2 dB affine.
const shrink = [
  { steps: 16, smallest: 0.3 }, // 2 bits
  { steps: 12, smallest: 0.4 },
  { steps: 8, smallest: 0.7 },
  { steps: 6, smallest: 0.8 },
  { steps: 4, smallest: 0.9 },
  { steps: 2, smallest: 0.95 },
  { steps: 2, smallest: 0.95 }, // 8 bits
]

export const FEW = 4 // steps from which every second one is tried first; then the neighbours of the best
export const WIDEST_SHORT = 6 // bits up to which 16-bit integers tell scales apart

export const noSearch: Effort = { steps: 0, smallest: 1, reach: 0, rounds: 0 }

export function effortOf(bits: number, symmetric: boolean): Effort {
  const { steps, smallest } = shrink[bits - 2] ?? { steps: 2, smallest: 0.95 }
  return { steps, smallest, reach: symmetric ? 0 : bits <= 4 ? 1 : 2, rounds: 3 }
}

export interface GridSettings {
  bits: number // 2..8
  symmetric: boolean
  scaleType: 'float16' | 'float32'
  effort: Effort
}

/** Rows to be quantized and where the result goes. All row-major; scales and zeros are [rows, ceil(cols / groupSize)]. */
export interface RowBlock {
  rows: number
  cols: number
  groupSize: number
  weights: Float32Array // [rows, cols]
  importance: Float32Array // [cols], not negative
  codes: Uint8Array // [rows, cols]
  scales: Float32Array // 0 where a group holds nothing but zeros
  zeros: Uint8Array
}

export interface QuantizeExports {
  configure(
    bits: number,
    symmetric: number,
    half: number,
    steps: number,
    smallest: number,
    reach: number,
    rounds: number,
  ): void
  quantizeRows(
    x: number,
    h: number,
    codes: number,
    scales: number,
    zeros: number,
    rows: number,
    cols: number,
    groupSize: number,
    scratch: number,
  ): number
  extentRows(x: number, rows: number, cols: number, scratch: number, out: number): number
  sumRows(
    x: number,
    h: number,
    rows: number,
    cols: number,
    inverse: number,
    zero: number,
    scratch: number,
    out: number,
  ): void
  encodeRows(
    x: number,
    h: number,
    codes: number,
    rows: number,
    cols: number,
    scale: number,
    zero: number,
    scratch: number,
    out: number,
  ): void
}

/** Of four groups: float32 weights, 16-bit ones, and codes of one. */
export const scratchBytes = (groupSize: number): number => Math.ceil(groupSize / 16) * 16 * 25

export function configure(kernel: Arena<QuantizeExports>, settings: GridSettings): void {
  const { steps, smallest, reach, rounds } = settings.effort
  const half = settings.scaleType === 'float16'
  kernel.exports.configure(settings.bits, Number(settings.symmetric), Number(half), steps, smallest, reach, rounds)
}

/** Quantizes rows [begin, end) of the block. Returns the flat index of the first weight that is not finite, or -1. */
export function quantizeRows(
  kernel: Arena<QuantizeExports>,
  settings: GridSettings,
  block: RowBlock,
  begin: number,
  end: number,
): number {
  const { cols, groupSize } = block
  const rows = end - begin
  const groups = Math.ceil(cols / groupSize)
  const [x = 0, h = 0, codes = 0, scales = 0, zeros = 0, scratch = 0] = kernel.lay(
    rows * cols * 4,
    cols * 4,
    rows * cols,
    rows * groups * 4,
    rows * groups,
    scratchBytes(groupSize),
  )
  kernel.floats(x, rows * cols).set(block.weights.subarray(begin * cols, end * cols))
  kernel.floats(h, cols).set(block.importance)
  configure(kernel, settings)
  const bad = kernel.exports.quantizeRows(x, h, codes, scales, zeros, rows, cols, groupSize, scratch)
  if (bad >= 0) return begin * cols + bad
  block.codes.set(kernel.bytes(codes, rows * cols), begin * cols)
  block.scales.set(kernel.floats(scales, rows * groups), begin * groups)
  block.zeros.set(kernel.bytes(zeros, rows * groups), begin * groups)
  return -1
}

/** A block, how to quantize it, and how many rows a thread takes at a time. */
export interface GridRows extends RowBlock {
  settings: GridSettings
  rowsPerChunk: number
}

export function quantizeChunk(kernel: Arena<QuantizeExports>, rows: GridRows, chunk: number): number {
  const begin = chunk * rows.rowsPerChunk
  return quantizeRows(kernel, rows.settings, rows, begin, Math.min(begin + rows.rowsPerChunk, rows.rows))
}
