// Error feedback: columns are rounded from left to right, and what rounding one loses is made up for by those right of it.
//   Frantar et al. 2022, "GPTQ", section 3.3: e_i = (w_i - q_i) / U_ii,  w_j -= e_i U_ij for j > i
// Here a block of columns takes all it is owed at once, when its turn comes (w_block = W_block - E[:, :begin] U[:begin,
// block], one product), instead of the whole rest being updated after every block: each weight is read and written once.
// Errors and blocks lie column by column ([cols, rows]), which makes them single pieces of memory for the products.
// Cost O(rows cols^2), 1 copy of the weights and 2 blocks of memory.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../../src-preload/contract/project.ts'
import { sharedFloats } from '../pool.ts'
import { multiply } from './multiply.ts'
import { transposeInto } from './transpose.ts'
import type { InverseFactor } from './types.ts'

export interface FeedbackShape {
  weights: Float32Array // [rows, cols], in the factor's order of inputs; not changed
  rows: number
  cols: number
  factor: InverseFactor
  blockSize: number
  device?: DeviceId
  threads?: number
  notify?: (notice: string) => void // hears when the device gives way to the CPU
  progress?: (fraction: number) => void // throws to stop
}

/** Rounds a block: w [size, rows] fed back so far, u [size, size] the factor's diagonal block, both to be read; e [size,
 *  rows] to be filled with (w - q) / U_ii of each column after feedback within the block. w and e are shared memory. */
export type ColumnInner = (block: ColumnBlock) => void | Promise<void>
export interface ColumnBlock {
  begin: number
  size: number
  w: Float32Array
  u: Float32Array
  e: Float32Array
}

/** As `feedback`, for kernels that take weights column by column: `take` writes columns [begin, begin + size) of the weights
 *  to w [size, rows]. */
export async function feedbackColumns({
  take,
  inner,
  ...shape
}: Omit<FeedbackShape, 'weights'> & {
  take: (begin: number, size: number, w: Float32Array) => void
  inner: ColumnInner
}): Promise<void> {
  const { rows, cols, factor, blockSize, device, threads, notify, progress } = shape
  if (factor.size !== cols) throw otherSize(shape, `a factor of ${factor.size}`)
  const errors = sharedFloats(cols * rows) // [cols, rows]
  const w = sharedFloats(Math.min(blockSize, cols) * rows)
  const owed = new Float32Array(cols * Math.min(blockSize, cols))
  for (let begin = 0; begin < cols; begin += blockSize) {
    const size = Math.min(blockSize, cols - begin)
    const block = w.subarray(0, size * rows)
    take(begin, size, block)
    if (begin > 0) {
      const a = owed.subarray(0, begin * size)
      for (let r = 0; r < begin; r++) a.set(factor.data.subarray(r * cols + begin, r * cols + begin + size), r * size)
      const terms = { a, b: errors.subarray(0, begin * rows), c: block, out: block, m: size, n: rows, k: begin }
      await multiply({ ...terms, transA: true, alpha: -1 }, { device, threads, notify })
    }
    const e = errors.subarray(begin * rows, (begin + size) * rows)
    await inner({ begin, size, w: block, u: diagonalBlock(factor, begin, size), e })
    progress?.((begin + size) / cols)
  }
}

/** Calls `inner(block, begin, w, u)` for each block of columns from left to right: w [rows, size] are its weights with all
 *  earlier blocks' errors fed back, u [size, size] the factor's diagonal block, upper triangular. It rounds the columns one
 *  after the other, feeding back within the block, and returns E [rows, size], (w - q) / U_ii of each column. */
export async function feedback({
  inner,
  ...shape
}: FeedbackShape & {
  inner: (block: number, begin: number, w: Float32Array, u: Float32Array) => Float32Array | Promise<Float32Array>
}): Promise<void> {
  const { weights, rows, cols, blockSize } = shape
  if (weights.length !== rows * cols) throw otherSize(shape, `${weights.length} weights`)
  await feedbackColumns({
    ...shape,
    take(begin, size, w) {
      transposeInto(weights, { rows, cols: size, stride: cols, at: begin }, w, { outStride: rows })
    },
    async inner({ begin, size, w, u, e }) {
      const fed = new Float32Array(rows * size)
      transposeInto(w, { rows: size, cols: rows, stride: rows }, fed, { outStride: size })
      const error = await inner(begin / blockSize, begin, fed, u)
      transposeInto(error, { rows, cols: size, stride: size }, e, { outStride: rows })
    },
  })
}

const otherSize = ({ rows, cols }: { rows: number; cols: number }, found: string) =>
  new Fault('bad-arguments', `Error feedback over ${rows} x ${cols}: weights or factor are of another size.`, {
    data: { expected: `${rows * cols} weights, a factor of ${cols}`, found },
  })

function diagonalBlock({ data, size: cols }: InverseFactor, begin: number, size: number): Float32Array {
  const u = new Float32Array(size * size)
  for (let r = 0; r < size; r++) {
    const at = (begin + r) * cols + begin
    u.set(data.subarray(at, at + size), r * size)
  }
  return u
}
