import type { Exporter } from './define.ts'
import { onnx } from './onnx/onnx.ts'
import { onnxFolded } from './onnx/onnx-folded.ts'
import { onnxQdq } from './onnx/onnx-qdq.ts'

/** Every export format, in the order a person sees them. The first is the default. */
export const exporters: readonly Exporter[] = [onnx, onnxFolded, onnxQdq]
