import { defineExporter, refusesGraphless } from '../define.ts'
import { holdsAnyRounding } from '../rounding.ts'
import { convertOptions, onnxParameters } from './convert.ts'
import { planBytes } from './plan.ts'
import { exportOnnx } from './write.ts'

export const onnx = defineExporter({
  id: 'onnx',
  family: 'export',
  title: 'ONNX',
  summary: 'One file that plain ONNX Runtime runs as it is; weights stay small in memory, too. For language models.',
  cite: 'ONNX operator specification, DequantizeLinear 13 and 21; ONNX Runtime contrib operator MatMulNBits',
  formula: 'w = DequantizeLinear(codes, scales, zeros); x W as MatMulNBits(x, codes, scales, zeros) at 2, 4 and 8 bits',
  cost: 'one pass over the weights; memory of one layer',
  needs: ['weights'],
  version: 1,
  params: onnxParameters,
  extension: '.onnx',
  refuses: refusesGraphless,
  holdsRounding: holdsAnyRounding,
  carriesGraph: true,
  planBytes: (network, _, offered) => planBytes(network, 'packed', offered),
  convert: convertOptions,
  write: (args, context) => exportOnnx(args, 'packed', 'onnx', context),
})
