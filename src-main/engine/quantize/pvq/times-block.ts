import { multiply } from '../../kernels/linear/multiply.ts'
import type { QuantizeContext } from '../define.ts'

const FEW = 1 << 15 // multiplications that are done before a session has been asked

/** c + alpha a b for a block of columns: a, c [rows, size], b [size, size]. Layers of few rows have thousands of such blocks,
 *  each smaller than what asking ONNX Runtime costs: those are added up here, in float64. The choice depends on the shape
 *  alone. */
export async function timesBlock(
  a: Float32Array,
  b: ArrayLike<number>,
  size: number,
  { threads, device }: Pick<QuantizeContext, 'threads' | 'device'>,
  more: { c?: Float32Array; alpha?: number } = {},
): Promise<Float32Array> {
  const rows = a.length / size
  const { c, alpha = 1 } = more
  if (a.length * size > FEW) {
    const terms = { a, b: Float32Array.from(b), m: rows, n: size, k: size, alpha, ...(c && { c }) }
    return multiply(terms, { threads, device })
  }
  const out = new Float32Array(a.length)
  for (let r = 0; r < rows; r++)
    for (let j = 0; j < size; j++) {
      let sum = 0
      for (let i = 0; i < size; i++) sum += (a[r * size + i] ?? 0) * (b[i * size + j] ?? 0)
      out[r * size + j] = alpha * sum + (c ? (c[r * size + j] ?? 0) : 0)
    }
  return out
}
