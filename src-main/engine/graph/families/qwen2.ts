import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import { readDecoder, readLayerTypes } from './llama.ts'

/** Qwen2 and Qwen2.5: Llama with biases on query, key and value; upper blocks may use a sliding window. */
export const qwen2 = defineFamily({
  id: 'qwen2',
  title: 'Qwen2',
  architectures: ['Qwen2ForCausalLM'],
  build(config, tensors) {
    const spec = readDecoder(config, 'qwen2')
    const sliding = config.flag('use_sliding_window', false) && config.has('sliding_window')
    const window = sliding ? config.integer('sliding_window', { min: 1, max: 2 ** 31 }) : null
    const from = config.integer('max_window_layers', { min: 0, max: 4096 }, 28)
    const windows =
      readLayerTypes(config, spec.depth, window) ?? spec.windows.map((_, block) => (block >= from ? window : null))
    return buildDecoder({ ...spec, biases: { qkv: true, o: false, mlp: false }, windows }, tensors)
  },
})
