import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import { llamaSpec, readLayerTypes, readShape, readWindow } from './llama-like.ts'
import { readRope } from './rope.ts'

/** Mistral: Llama with a sliding window in every block (Jiang et al. 2023), unless the configuration says null. */
export const mistral = defineFamily({
  id: 'mistral',
  title: 'Mistral',
  architectures: ['MistralForCausalLM'],
  build(config, tensors) {
    const shape = readShape(config, 'mistral')
    const rope = readRope(config, { size: shape.headSize, context: shape.context })
    const window = readWindow(config)
    const windows = readLayerTypes(config, shape.depth, window) ?? new Array<number | null>(shape.depth).fill(window)
    return buildDecoder(llamaSpec(shape, { rope, windows }), tensors)
  },
})
