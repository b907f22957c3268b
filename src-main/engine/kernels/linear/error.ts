// Output error of a layer, on the inputs that its Hessian saw: E ||(W - Q) x||^2 = tr((W - Q) H (W - Q)^T), against
// E ||W x||^2 = tr(W H W^T). Cost O(rows cols^2), memory of two row blocks.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../../src-preload/contract/project.ts'
import { dequantizeRows } from '../../quantize/dequantize.ts'
import type { WeightRows } from '../../quantize/rows.ts'
import type { CompressedMatrix } from '../../quantize/types.ts'
import { multiply } from './multiply.ts'
import type { Hessian } from './types.ts'

export interface OutputError {
  error: number // tr(D H D^T), D = W - Q
  energy: number // tr(W H W^T)
  relative: number // their ratio; 0 for a layer whose output is always 0
}

const BLOCK_WEIGHTS = 1 << 20

/** Sums in float64 over products in float32. One Hessian, or one for each group of a convolution, whose output channels are
 *  split evenly among them. */
export async function outputError(
  original: WeightRows,
  q: CompressedMatrix,
  h: Hessian | readonly Hessian[],
  place: { device?: DeviceId; threads?: number } = {},
): Promise<OutputError> {
  const { rows, cols } = original
  const hessians: readonly Hessian[] = 'size' in h ? [h] : h
  const share = rows / hessians.length
  if (q.rows !== rows || q.cols !== cols || !Number.isInteger(share) || hessians.some(({ size }) => size !== cols))
    throw new Fault('bad-arguments', `Output error: a layer of ${rows} x ${cols}, codes of ${q.rows} x ${q.cols}.`, {
      data: { expected: `Hessians of ${cols} inputs`, found: hessians.map(({ size }) => size).join(', ') },
    })
  let [error, energy] = [0, 0]
  for (const [group, hessian] of hessians.entries()) {
    const step = Math.max(1, Math.floor(BLOCK_WEIGHTS / Math.max(1, cols)))
    for (let begin = group * share; begin < (group + 1) * share; begin += step) {
      const end = Math.min(begin + step, (group + 1) * share)
      const weights = original.read(begin, end)
      const difference = dequantizeRows(q, begin, end)
      for (let i = 0; i < difference.length; i++) difference[i] = (weights[i] ?? 0) - (difference[i] ?? 0)
      error += await quadratic(difference, end - begin, hessian, place)
      energy += await quadratic(weights, end - begin, hessian, place)
    }
  }
  return { error, energy, relative: energy === 0 ? 0 : error / energy }
}

/** tr(X H X^T) of x [rows, size]; never negative. */
export async function quadratic(
  x: Float32Array,
  rows: number,
  { data, size }: Hessian,
  place: { device?: DeviceId; threads?: number } = {},
): Promise<number> {
  const product = await multiply({ a: x, b: data, m: rows, n: size, k: size }, place)
  let sum = 0
  for (let i = 0; i < product.length; i++) sum += (product[i] ?? 0) * (x[i] ?? 0)
  return Math.max(0, sum)
}
