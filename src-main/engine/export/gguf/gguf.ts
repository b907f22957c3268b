import { defineExporter } from '../define.ts'
import { refusal } from './layout.ts'
import { convertOptions, ggufParameters } from './parameters.ts'
import { planBytes } from './plan.ts'
import { exportGguf } from './write.ts'

export const gguf = defineExporter({
  id: 'gguf',
  family: 'export',
  title: 'GGUF',
  summary:
    'One file with weights, tokenizer and settings, as llama.cpp and the programs built on it load language models.',
  cite: 'ggml, docs/gguf.md; block types: kernels/ggml',
  formula: 'blocks of 32 or 256 weights with their own scales; each tensor in a type of its own',
  cost: 'one pass over the weights; memory of a few pieces of one tensor',
  needs: ['weights'],
  version: 1,
  params: ggufParameters,
  extension: '.gguf',
  refuses: refusal,
  planBytes: (network, _, offered) => planBytes(network, offered),
  convert: convertOptions,
  write: exportGguf,
})
