import { extname } from 'node:path'
import { z } from 'zod'
import { defineExporter } from '../define.ts'
import { floatTypes } from '../folder/dtype.ts'
import { planFloat } from './plan.ts'
import { exportFloatFile, exportFloatFolder } from './write.ts'

const params = z.object({
  dtype: z
    .enum(['source', ...floatTypes])
    .default('source')
    .describe('Float type of the weights; source: as each tensor is, packed ones as config.json says'),
  shardGb: z.number().positive().max(1000).default(5).describe('Largest file, in GB'),
})

export const safetensorsFloat = defineExporter({
  id: 'safetensors-float',
  family: 'export',
  title: 'Safetensors, float',
  summary:
    'A Hugging Face folder, or one safetensors file, with plain float weights: compressed layers as the numbers they stand for.',
  cite: 'safetensors file format; Hugging Face index of shards',
  formula: 'w = (code - zero) * scale, written as a float',
  cost: 'one pass over the weights and one to check; memory of one layer',
  needs: ['weights'],
  version: 1,
  params,
  extension: '.safetensors',
  refuses: ({ format }) =>
    format === 'onnx' ? 'an ONNX model keeps its computation in the graph; export it as ONNX' : null,
  planBytes: (network, parameters) => planFloat(network, params.parse(parameters ?? {})),
  convert: () => new Map(),
  write: (args, context) =>
    Promise.resolve().then(() => {
      const asked = params.parse(args.parameters ?? {})
      const single = extname(args.path).toLowerCase() === '.safetensors'
      return single ? exportFloatFile(args, asked, context) : exportFloatFolder(args, asked, context)
    }),
})
