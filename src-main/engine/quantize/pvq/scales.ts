import { multiply } from '../../kernels/linear/multiply.ts'
import type { Hessian } from '../../kernels/linear/types.ts'
import type { QuantizeContext } from '../define.ts'

/** s <- s (w H q) / (q H q) for each row, where q is what codes and the old s make: the least output error for these codes.
 *  weights, values: [rows, size]. Changes `scales`; rows whose codes point away from their weights keep theirs. */
export async function fitScales(
  scales: Float32Array,
  weights: Float32Array,
  values: Float32Array,
  { data, size }: Hessian,
  { threads, device }: Pick<QuantizeContext, 'threads' | 'device'>,
): Promise<void> {
  const shape = { m: scales.length, n: size, k: size }
  const product = await multiply({ a: values, b: data, ...shape }, { threads, device })
  for (let r = 0; r < scales.length; r++) {
    let [wq, qq] = [0, 0]
    for (let i = r * size; i < (r + 1) * size; i++) {
      wq += (weights[i] ?? 0) * (product[i] ?? 0)
      qq += (values[i] ?? 0) * (product[i] ?? 0)
    }
    if (wq > 0 && qq > 0) scales[r] = ((scales[r] ?? 0) * wq) / qq
  }
}
