// The three steps of choosing block codes for some rows under their Hessian: to nearest, with error feedback, refinement.
import type { DeviceId } from '../../../../src-preload/contract/project.ts'
import { decodeBlocks } from '../../kernels/ggml/decode.ts'
import { encodeRows } from '../../kernels/ggml/encode.ts'
import { feedbackBlock, putColumn, refineBlock, takeColumn } from '../../kernels/ggml/feedback/columns.ts'
import { type FeedbackType, isBookType } from '../../kernels/ggml/feedback/fields.ts'
import { ggmlTypes, rowBytes } from '../../kernels/ggml/types.ts'
import { feedbackColumns } from '../../kernels/linear/feedback.ts'
import { multiply } from '../../kernels/linear/multiply.ts'
import { refineColumns } from '../../kernels/linear/refine.ts'
import { transposeInto } from '../../kernels/linear/transpose.ts'
import type { Hessian, InverseFactor } from '../../kernels/linear/types.ts'
import { sharedBytes, sharedFloats } from '../../kernels/pool.ts'

/** Some rows of a layer with what is known of their inputs. */
export interface Rows {
  type: FeedbackType
  weights: Float32Array // [rows, cols]
  rows: number
  cols: number
  hessian: Hessian
  layer: string
  device?: DeviceId | undefined
  threads?: number | undefined
  progress?: (fraction: number) => void // of a step; throws to stop
}

/** Scales tried for each group while errors are fed back, and in each sweep. */
const MOVES = { feedback: 9, bookFeedback: 3, refine: 9, bookRefine: 3 }

const place = ({ device, threads, progress }: Rows) => ({
  ...(progress && { progress }),
  ...(device !== undefined && { device }),
  ...(threads !== undefined && { threads }),
})

/** To nearest, each column's squared error weighted by the mean square of its input. */
export function nearestBlocks({ type, weights, rows, cols, hessian, layer, threads }: Rows): Uint8Array {
  const importance = Float32Array.from({ length: cols }, (_, i) => hessian.data[i * (cols + 1)] ?? 0)
  return encodeRows(type, { rows, cols, weights }, { importance, layer, threads })
}

/** With error feedback. Scales of a block begin as the encoder chooses them for the fed-back weights, where an error costs
 *  1 / U_ii^2: that is what it costs once all columns behind make up for it; or as they stand in `start`. */
export async function feedbackBlocks(given: Rows, factor: InverseFactor, start?: Uint8Array): Promise<Uint8Array> {
  const { type, weights, rows, cols, layer, threads } = given
  const { blockSize, blockBytes } = ggmlTypes[type]
  const blocks = new Uint8Array(rows * rowBytes(type, cols))
  const fed = new Float32Array(rows * blockSize)
  const encoded = (size: number, w: Float32Array, u: Float32Array): Uint8Array => {
    transposeInto(w, { rows: size, cols: rows, stride: rows }, fed, { outStride: size })
    const importance = Float32Array.from({ length: size }, (_, i) => 1 / (u[i * (size + 1)] ?? 1) ** 2)
    const own = encodeRows(type, { rows, cols: size, weights: fed }, { importance, layer, threads })
    const column = sharedBytes(own.length)
    column.set(own)
    return column
  }
  await feedbackColumns({
    ...{ rows, cols, factor, blockSize },
    ...place(given),
    take(begin, size, w) {
      transposeInto(weights, { rows, cols: size, stride: cols, at: begin }, w, { outStride: rows })
    },
    inner({ begin, size, w, u, e }) {
      const column = start ? takeColumn(start, rows, blockBytes, begin / blockSize) : encoded(size, w, u)
      const moves = isBookType(type) ? MOVES.bookFeedback : MOVES.feedback
      feedbackBlock({ type, rows, blocks: column, moves, threads }, w, u, e)
      putColumn(blocks, rows, blockBytes, begin / blockSize, column)
    },
  })
  return blocks
}

/** Coordinate descent over codes and scales, in place. No row gets worse. */
export async function refineRows(given: Rows, blocks: Uint8Array, sweeps: number): Promise<void> {
  const { type, rows, cols, hessian, threads } = given
  const { blockSize, blockBytes } = ggmlTypes[type]
  const before = blocks.slice()
  const difference = sharedFloats(rows * cols)
  transposeInto(differenceOf(given, blocks), { rows, cols, stride: cols }, difference, { outStride: rows })
  const moves = isBookType(type) ? MOVES.bookRefine : MOVES.refine
  await refineColumns({
    ...{ difference, hessian, rows, cols, blockSize, sweeps },
    ...place(given),
    inner({ begin, g, h, d }) {
      const column = takeColumn(blocks, rows, blockBytes, begin / blockSize)
      refineBlock({ type, rows, blocks: column, moves, threads }, g, h, d)
      putColumn(blocks, rows, blockBytes, begin / blockSize, column)
    },
  })
  await keepBetter(given, blocks, before) // what float32 sums may have hidden
}

/** Row by row, puts those of `other` into `blocks` that have less error. */
export async function keepBetter(given: Rows, blocks: Uint8Array, other: Uint8Array): Promise<void> {
  const [own, theirs] = [await rowErrors(given, blocks), await rowErrors(given, other)]
  const bytes = blocks.length / given.rows
  own.forEach((error, row) => {
    if ((theirs[row] ?? Infinity) < error) blocks.set(other.subarray(row * bytes, (row + 1) * bytes), row * bytes)
  })
}

function differenceOf({ type, weights }: Rows, blocks: Uint8Array): Float32Array {
  const difference = decodeBlocks(type, blocks)
  for (let i = 0; i < difference.length; i++) difference[i] = (weights[i] ?? 0) - (difference[i] ?? 0)
  return difference
}

/** d H d^T of each row. */
async function rowErrors(given: Rows, blocks: Uint8Array): Promise<Float64Array> {
  const { rows, cols, hessian } = given
  const d = differenceOf(given, blocks)
  const product = await multiply({ a: d, b: hessian.data, m: rows, n: cols, k: cols }, place(given))
  const errors = new Float64Array(rows)
  for (let i = 0; i < d.length; i++) {
    const row = Math.floor(i / cols)
    errors[row] = (errors[row] ?? 0) + (d[i] ?? 0) * (product[i] ?? 0)
  }
  return errors
}
