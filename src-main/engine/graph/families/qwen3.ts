import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import { llamaSpec, readShape } from './llama-like.ts'
import { readQwenWindows } from './qwen2.ts'
import { readRope } from './rope.ts'

/** Qwen3: RMSNorm on each head's queries and keys instead of biases, heads of their own size (Yang et al. 2025, section 2). */
export const qwen3 = defineFamily({
  id: 'qwen3',
  title: 'Qwen3',
  architectures: ['Qwen3ForCausalLM'],
  build(config, tensors) {
    const shape = readShape(config, 'qwen3', { fields: { head_dim: 128 } })
    const rope = readRope(config, { size: shape.headSize, context: shape.context })
    const bias = config.flag('attention_bias', false)
    const windows = readQwenWindows(config, shape.depth)
    const spec = llamaSpec(shape, { rope, windows, headNorms: true, biases: { qkv: bias, o: bias } })
    return buildDecoder(spec, tensors)
  },
})
