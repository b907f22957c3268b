import { z } from 'zod'
import { defineExporter } from '../define.ts'
import { planBytes } from './plan.ts'
import { exportOnnx } from './write.ts'

export const onnxQdq = defineExporter({
  id: 'onnx-qdq',
  family: 'export',
  title: 'ONNX with DequantizeLinear',
  summary: 'For tool chains that look for DequantizeLinear (TensorRT, OpenVINO, QNN); slower in plain ONNX Runtime.',
  cite: 'ONNX operator specification, DequantizeLinear 13 and 21',
  formula: 'w = DequantizeLinear(code, scale, zero) at 8 bits, and at 4 from opset 21 on; as "onnx" elsewhere',
  cost: 'one pass over the weights; memory of one layer',
  needs: ['weights'],
  version: 1,
  params: z.object({}),
  extension: '.onnx',
  planBytes: (network) => planBytes(network, 'qdq'),
  write: (args, context) => exportOnnx(args, 'qdq', 'onnx-qdq', context),
})
