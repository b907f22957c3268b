import { awq } from './awq/awq.ts'
import { compressedTensors } from './compressed-tensors/compressed-tensors.ts'
import type { Exporter } from './define.ts'
import { safetensorsFloat } from './float/float.ts'
import { gguf } from './gguf/gguf.ts'
import { gptq } from './gptq/gptq.ts'
import { onnx } from './onnx/onnx.ts'
import { onnxFolded } from './onnx/onnx-folded.ts'
import { transformersJs } from './transformers-js/transformers-js.ts'
import { safetensors } from './safetensors/safetensors.ts'

/** Every export format, in the order a person sees them. The first that fits a checkpoint is its
 *  default (contract/methods.ts, formatsFor). */
export const exporters: readonly Exporter[] = [
  onnx,
  onnxFolded,
  transformersJs,
  gguf,
  compressedTensors,
  gptq,
  awq,
  safetensors, // before the float form, in which no option makes anything smaller
  safetensorsFloat,
]
