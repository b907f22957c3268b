// How @huggingface/transformers calls model files by the width of their weights (its utils/dtypes.js): the file ends in the
// suffix, and the program that loads it asks for the dtype.
import type { Option } from '../../../../src-preload/contract/plan.ts'

export interface NamedWidth {
  dtype: 'fp32' | 'q8' | 'q4' | 'q2'
  file: string
}

/** The name of a file whose widest compressed weights take this many bits; a file without any is float32. */
export function namedWidth(options: Iterable<Option>): NamedWidth {
  let widest = 0
  for (const { method, bits } of options) if (method !== 'keep') widest = Math.max(widest, bits)
  if (widest === 0) return { dtype: 'fp32', file: 'model.onnx' }
  if (widest <= 2) return { dtype: 'q2', file: 'model_q2.onnx' }
  if (widest <= 4) return { dtype: 'q4', file: 'model_q4.onnx' }
  return { dtype: 'q8', file: 'model_quantized.onnx' }
}
