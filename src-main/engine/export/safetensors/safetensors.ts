import { z } from 'zod'
import { defineExporter } from '../define.ts'
import { planBytes } from './plan.ts'
import { exportSafetensors } from './write.ts'

export const safetensors = defineExporter({
  id: 'safetensors',
  family: 'export',
  title: 'Packed safetensors',
  summary:
    'One safetensors file with packed codes and scales; every other tensor as it was. Holds no graph: the program that loads it unpacks.',
  cite: 'safetensors file format; the layout stands in the file’s own metadata',
  formula: 'w = (code - zero) * scale, codes as one bit stream',
  cost: 'one pass over the weights and one to check; memory of one layer',
  needs: ['weights'],
  version: 1,
  params: z.object({}),
  extension: '.safetensors',
  refuses: ({ format }) =>
    format === 'onnx' ? 'an ONNX model keeps its computation in the graph; export it as ONNX' : null,
  planBytes: (network, _, offered) => planBytes(network, offered),
  write: exportSafetensors,
})
