// Touvron et al. 2023, "LLaMA", section 2.2:  h <- h + o(attention(norm(h)));  h <- h + down(silu(gate(n)) * up(n))
import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import { llamaSpec, readShape } from './llama-like.ts'
import { readRope } from './rope.ts'

/** Llama 1 to 3 and what is built like them (TinyLlama, SmolLM, Yi ...). */
export const llama = defineFamily({
  id: 'llama',
  title: 'Llama',
  architectures: ['LlamaForCausalLM', 'LLaMAForCausalLM'],
  build(config, tensors) {
    const shape = readShape(config, 'llama')
    const rope = readRope(config, { size: shape.headSize, context: shape.context })
    const attention = config.flag('attention_bias', false)
    const biases = { qkv: attention, o: attention, mlp: config.flag('mlp_bias', false) }
    return buildDecoder(llamaSpec(shape, { rope, biases }), tensors)
  },
})
