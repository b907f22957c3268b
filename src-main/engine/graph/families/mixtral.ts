// Jiang et al. 2024, "Mixtral of Experts", section 2: Mistral with the feed-forward part replaced by experts, of which each
// token takes the best few, weighted by a softmax over them.
import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import { gatedMlp, llamaSpec, readShape, readWindow } from './llama-like.ts'
import { readRope } from './rope.ts'

export const mixtral = defineFamily({
  id: 'mixtral',
  title: 'Mixtral',
  architectures: ['MixtralForCausalLM'],
  build(config, tensors) {
    const shape = readShape(config, 'mixtral', { fields: { max_position_embeddings: 131072, rms_norm_eps: 1e-5 } })
    const rope = readRope(config, { size: shape.headSize, context: shape.context, theta: 1e6 })
    const window = readWindow(config)
    const count = config.integer('num_local_experts', { min: 1, max: 4096 }, 8)
    const chosen = config.integer('num_experts_per_tok', { min: 1, max: count }, 2)
    const spec = llamaSpec(shape, {
      rope,
      windows: new Array<number | null>(shape.depth).fill(window),
      mlp: (_, parent) => {
        const module = parent.replace(/mlp$/, 'block_sparse_moe')
        return {
          kind: 'experts',
          module,
          router: { module: `${module}.gate`, role: 'other', rows: count, cols: shape.width, bias: false, keep: true },
          chosen,
          normalised: true,
          experts: {
            count,
            at: (expert) => gatedMlp(shape, `${module}.experts.${expert}`, { expert, names: ['w1', 'w3', 'w2'] }),
          },
          shared: null,
        }
      },
      card: { experts: `${count}, ${chosen} for each token` },
    })
    return buildDecoder(spec, tensors)
  },
})
