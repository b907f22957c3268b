import { ridged } from '../../kernels/linear/ridge.ts'
import type { Hessian } from '../../kernels/linear/types.ts'
import type { QuantizeContext } from '../define.ts'
import { meanHessian } from '../sidecar/factors.ts'
import type { Part } from './fit.ts'

const FEW = 8 // channels of a group with a Hessian of its own

/** Rows that share a Hessian, padded to `width`. Groups of few channels share the mean of theirs; importance alone stands
 *  for a diagonal one. */
export function partsOf(
  { hessians = [], importance }: Pick<QuantizeContext, 'hessians' | 'importance'>,
  { rows, width }: { rows: number; width: number },
): Part[] {
  const own = hessians.length === 0 && importance ? [diagonal(importance)] : hessians.map(ridged)
  const share = rows / Math.max(1, own.length)
  const mean = own.length > 1 && share < FEW ? meanHessian(own) : null
  if (mean) return [{ begin: 0, end: rows, hessian: padHessian(mean, width) }]
  return own.map((hessian, i) => ({ begin: i * share, end: (i + 1) * share, hessian: padHessian(hessian, width) }))
}

function diagonal(importance: Float32Array): Hessian {
  const size = importance.length
  const data = new Float32Array(size * size)
  importance.forEach((h, i) => (data[i * (size + 1)] = h))
  return { size, data, rows: size }
}

/** Inputs that are always 0 behind the layer's own. */
export function padHessian(hessian: Hessian, width: number): Hessian {
  const { size, data, rows } = hessian
  if (size === width) return hessian
  const wide = new Float32Array(width * width)
  for (let r = 0; r < size; r++) wide.set(data.subarray(r * size, (r + 1) * size), r * width)
  return { size: width, data: wide, rows }
}
