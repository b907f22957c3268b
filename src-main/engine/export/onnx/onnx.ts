import { z } from 'zod'
import { defineExporter } from '../define.ts'
import { planBytes } from './plan.ts'
import { exportOnnx } from './write.ts'

export const onnx = defineExporter({
  id: 'onnx',
  family: 'export',
  title: 'ONNX',
  summary: 'One file that plain ONNX Runtime loads and runs as it is, as small as the codes themselves.',
  cite: 'ONNX operator specification; ONNX Runtime contrib operator MatMulNBits',
  formula: 'w = (code - zero) * scale, computed in the graph; x W as MatMulNBits(x, codes, scales) at 2, 4 and 8 bits',
  cost: 'one pass over the weights; memory of one layer',
  needs: ['weights'],
  version: 1,
  params: z.object({}),
  extension: '.onnx',
  planBytes: (network) => planBytes(network, 'packed'),
  write: (args, context) => exportOnnx(args, 'packed', 'onnx', context),
})
