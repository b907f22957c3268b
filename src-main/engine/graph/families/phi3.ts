// Abdin et al. 2024, "Phi-3 Technical Report", section 2: Llama with query, key and value in one layer, gate and up in one
// layer, a sliding window, and longrope for the long contexts. Phi-4-mini turns only a part of each head.
import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import { gatedMlp, llamaSpec, readLayerTypes, readShape, readWindow } from './llama-like.ts'
import { readRope, readTurning } from './rope.ts'

export const phi3 = defineFamily({
  id: 'phi3',
  title: 'Phi-3',
  architectures: ['Phi3ForCausalLM'],
  build(config, tensors) {
    const shape = readShape(config, 'phi3', { fields: { max_position_embeddings: 4096, rms_norm_eps: 1e-5 } })
    const { width, inner, heads, keyHeads, headSize, depth } = shape
    const size = readTurning(config, headSize, 'partial_rotary_factor', 1)
    const rope = readRope(config, { size, context: shape.context, partial: true })
    const window = readWindow(config)
    const spec = llamaSpec(shape, {
      rope,
      windows: readLayerTypes(config, depth, window) ?? new Array<number | null>(depth).fill(window),
      input: (self) => ({
        kind: 'parts',
        qkv: {
          module: `${self}.qkv_proj`,
          role: 'qkv',
          rows: (heads + 2 * keyHeads) * headSize,
          cols: width,
          bias: false,
        },
      }),
      mlp: (_, module) => ({
        ...gatedMlp(shape, module),
        gate: null,
        up: { module: `${module}.gate_up_proj`, role: 'up', rows: 2 * inner, cols: width, bias: false },
      }),
    })
    return buildDecoder(spec, tensors)
  },
})
