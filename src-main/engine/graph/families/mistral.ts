import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import { readDecoder, readLayerTypes } from './llama.ts'

/** Mistral: Llama with a sliding window in every block (Jiang et al. 2023), unless the configuration says null. */
export const mistral = defineFamily({
  id: 'mistral',
  title: 'Mistral',
  architectures: ['MistralForCausalLM'],
  build(config, tensors) {
    const spec = readDecoder(config, 'mistral')
    const window = config.has('sliding_window') ? config.integer('sliding_window', { min: 1, max: 2 ** 31 }) : null
    const windows = readLayerTypes(config, spec.depth, window) ?? spec.windows.fill(window)
    return buildDecoder({ ...spec, windows }, tensors)
  },
})
