import type { Arena } from '../kernels/arena.ts'
import { decodeBlocks } from '../kernels/ggml/decode.ts'
import { rowBytes } from '../kernels/ggml/types.ts'
import { openKernel } from '../kernels/load.ts'
import { eachBlock, rowsPerBlock, type WeightRows } from './rows.ts'
import { codingOf } from './codings/registry.ts'
import { type BlockMatrix, type CompressedMatrix, isBlocks, isCoded, type WeightMatrix } from './types.ts'

interface DequantizeExports {
  dequantizeRows(
    codes: number,
    scales: number,
    zeros: number,
    out: number,
    rows: number,
    cols: number,
    groupSize: number,
  ): void
  distance(x: number, y: number, n: number, out: number): void
}

let kernel: Arena<DequantizeExports> | null = null

/** Rows [begin, end) as weights, row-major: (code - zero) * scale in one float32 product, or what the blocks stand for. */
export function dequantizeRows(q: CompressedMatrix, begin: number, end: number): Float32Array {
  if (isBlocks(q)) return decodeBlocks(q.type, blocksOf(q, begin, end))
  if (isCoded(q)) return codingOf(q).decode(q, begin, end)
  const weights = new Float32Array((end - begin) * q.cols)
  const step = rowsPerBlock(q.cols)
  for (let from = begin; from < end; from += step) {
    const to = Math.min(from + step, end)
    const { arena, address } = layRows(q, from, to)
    weights.set(arena.floats(address, (to - from) * q.cols), (from - begin) * q.cols)
  }
  return weights
}

/** The weights that codes or blocks stand for. */
export const dequantize = (q: CompressedMatrix): WeightMatrix => ({
  data: dequantizeRows(q, 0, q.rows),
  rows: q.rows,
  cols: q.cols,
})

export interface WeightError {
  squaredError: number // sum (w - q)^2
  squares: number // sum w^2
  relative: number // their ratio; 0 for a layer of zeros
}

/** Error of the codes against the weights, in float64, read by row blocks. */
export function weightError(source: WeightRows, q: CompressedMatrix): WeightError {
  let [squaredError, squares] = [0, 0]
  eachBlock(source, (weights, begin, end) => {
    const { arena, address, original, out } = layRows(q, begin, end)
    arena.floats(original, weights.length).set(weights)
    arena.exports.distance(original, address, weights.length, out)
    const [error = 0, energy = 0] = arena.doubles(out, 2)
    squaredError += error
    squares += energy
  })
  return { squaredError, squares, relative: squares === 0 ? 0 : squaredError / squares }
}

const blocksOf = ({ type, cols, blocks }: BlockMatrix, begin: number, end: number) =>
  blocks.subarray(begin * rowBytes(type, cols), end * rowBytes(type, cols))

/** Weights of rows [begin, end) in the kernel's memory at `address`, with room for as many at `original`. */
function layRows(q: CompressedMatrix, begin: number, end: number) {
  const arena = (kernel ??= openKernel<DequantizeExports>('dequantize'))
  const count = (end - begin) * q.cols
  if (isBlocks(q)) {
    const [address = 0, original = 0, out = 0] = arena.lay(count * 4, count * 4, 16)
    decodeBlocks(q.type, blocksOf(q, begin, end), arena.floats(address, count))
    return { arena, address, original, out }
  }
  if (isCoded(q)) {
    const [address = 0, original = 0, out = 0] = arena.lay(count * 4, count * 4, 16)
    arena.floats(address, count).set(codingOf(q).decode(q, begin, end))
    return { arena, address, original, out }
  }
  const perTensor = q.granularity === 'tensor'
  const [first, last] = perTensor ? [0, 1] : [begin * q.groups, end * q.groups]
  const lengths = [count, (last - first) * 4, last - first, count * 4, count * 4, 16]
  const [codes = 0, scales = 0, zeros = 0, address = 0, original = 0, out = 0] = arena.lay(...lengths)
  arena.bytes(codes, count).set(q.codes.subarray(begin * q.cols, end * q.cols))
  arena.floats(scales, last - first).set(q.scales.subarray(first, last))
  arena.bytes(zeros, last - first).set(q.zeros.subarray(first, last))
  const shape = perTensor ? ([1, count, count] as const) : ([end - begin, q.cols, q.groupSize] as const)
  arena.exports.dequantizeRows(codes, scales, zeros, address, ...shape)
  return { arena, address, original, out }
}
