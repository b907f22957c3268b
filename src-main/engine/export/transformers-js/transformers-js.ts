import { defineExporter } from '../define.ts'
import { holdsAnyRounding } from '../rounding.ts'
import { convertOptions, onnxParameters } from '../onnx/convert.ts'
import { planBytes } from '../onnx/plan.ts'
import { generatorNetwork } from './generator.ts'
import { exportTransformersJs } from './write.ts'

export const transformersJs = defineExporter({
  id: 'transformers-js',
  family: 'export',
  title: 'ONNX folder for transformers.js',
  summary:
    'The folder that @huggingface/transformers loads in a browser or in Node: configuration, tokenizer and onnx/model_q4.onnx and the like. Language models get a key-value cache.',
  cite: 'transformers.js file layout; ONNX Runtime contrib operator MatMulNBits',
  formula: 'as ONNX; past keys and values are inputs, present ones outputs',
  cost: 'one pass over the weights; memory of one layer',
  needs: ['weights'],
  version: 1,
  params: onnxParameters,
  extension: '',
  refuses({ graph, config, format, task, cached }) {
    if (graph === null) return 'it holds tensors only, without a graph'
    if (config === null || format === 'onnx') return 'it has no config.json, by which the program knows the model'
    if (task === 'causal-lm' && !cached) return 'its family has no form with a key-value cache'
    if (task === 'image-text-to-text') return 'the program wants such models in three files, which are not written yet'
    return null
  },
  holdsRounding: holdsAnyRounding,
  carriesGraph: true,
  planBytes: (network, _, offered) => planBytes(generatorNetwork(network), 'packed', offered),
  convert: convertOptions,
  write: exportTransformersJs,
})
