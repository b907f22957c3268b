import { defineExporter, refusesGraphless } from '../define.ts'
import { holdsAnyRounding } from '../rounding.ts'
import { convertOptions, onnxParameters } from './convert.ts'
import { planBytes } from './plan.ts'
import { exportOnnx } from './write.ts'

export const onnxFolded = defineExporter({
  id: 'onnx-folded',
  family: 'export',
  title: 'ONNX, unpacked when loaded',
  summary:
    'The same file size; weights are unpacked when loaded: speed and memory of the original. For convolutions on a CPU.',
  cite: 'ONNX operator specification',
  formula: 'w = (code - zero) * scale, computed once from constants',
  cost: 'one pass over the weights; memory of one layer',
  needs: ['weights'],
  version: 1,
  params: onnxParameters,
  extension: '.onnx',
  refuses: refusesGraphless,
  holdsRounding: holdsAnyRounding,
  carriesGraph: true,
  planBytes: (network, _, offered) => planBytes(network, 'folded', offered),
  convert: convertOptions,
  write: (args, context) => exportOnnx(args, 'folded', 'onnx-folded', context),
})
