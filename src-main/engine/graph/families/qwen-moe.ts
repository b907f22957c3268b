// Qwen models with experts. Yang et al. 2024, "Qwen2 Technical Report", section 2.2.2 (a shared expert behind a gate of its
// own); Yang et al. 2025, "Qwen3 Technical Report", section 2 (no shared expert, head norms). Some blocks may stay dense.
import type { Settings } from './config.ts'
import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import { gatedMlp, type LlamaParts, llamaSpec, type LlamaShape, many, readShape } from './llama-like.ts'
import type { Experts } from './experts.ts'
import { readRope } from './rope.ts'

/** Experts of each block, or the dense part where the configuration says so. */
function readExperts(config: Settings, shape: LlamaShape): Pick<LlamaParts, 'mlp' | 'card'> {
  const { width } = shape
  if (config.flag('use_sliding_window', false)) {
    throw config.unsupported('use_sliding_window', 'published implementations differ in which blocks it concerns')
  }
  const field = config.has('num_experts') ? 'num_experts' : 'num_local_experts' // newer programs write the second
  const count = config.integer(field, { min: 0, max: 4096 })
  const chosen = config.integer('num_experts_per_tok', { min: 1, max: Math.max(1, count) })
  const inner = config.integer('moe_intermediate_size', { min: 1, max: many })
  const normalised = config.flag('norm_topk_prob', false)
  const step = config.integer('decoder_sparse_step', { min: 1, max: 4096 }, 1)
  const dense = new Set(config.integers('mlp_only_layers') ?? [])
  const hasShared = config.has('shared_expert_intermediate_size')
  const sharedInner = hasShared ? config.integer('shared_expert_intermediate_size', { min: 1, max: many }) : null
  const single = { rows: 1, cols: width, bias: false, role: 'other', keep: true } as const
  const experts = (module: string): Experts => ({
    kind: 'experts',
    module,
    router: { ...single, module: `${module}.gate`, rows: count },
    chosen,
    normalised,
    experts: { count, at: (expert) => gatedMlp(shape, `${module}.experts.${expert}`, { inner, expert }) },
    shared:
      sharedInner === null
        ? null
        : {
            mlp: gatedMlp(shape, `${module}.shared_expert`, { inner: sharedInner }),
            gate: { ...single, module: `${module}.shared_expert_gate` },
          },
  })
  return {
    mlp: (block, module) =>
      count === 0 || dense.has(block) || (block + 1) % step !== 0 ? gatedMlp(shape, module) : experts(module),
    card: { experts: `${count}${sharedInner === null ? '' : ' and a shared one'}, ${chosen} for each token` },
  }
}

export const qwen2Moe = defineFamily({
  id: 'qwen2_moe',
  title: 'Qwen2-MoE',
  architectures: ['Qwen2MoeForCausalLM'],
  build(config, tensors) {
    const shape = readShape(config, 'qwen2_moe', { fields: { max_position_embeddings: 32768 } })
    if (!config.has('shared_expert_intermediate_size')) {
      throw config.wrong('shared_expert_intermediate_size', 'the width of the shared expert')
    }
    const spec = llamaSpec(shape, {
      ...readExperts(config, shape),
      rope: readRope(config, { size: shape.headSize, context: shape.context }),
      biases: { qkv: config.flag('qkv_bias', true) },
    })
    return buildDecoder(spec, tensors)
  },
})

export const qwen3Moe = defineFamily({
  id: 'qwen3_moe',
  title: 'Qwen3-MoE',
  architectures: ['Qwen3MoeForCausalLM'],
  build(config, tensors) {
    const shape = readShape(config, 'qwen3_moe', { fields: { max_position_embeddings: 32768 } })
    const bias = config.flag('attention_bias', false)
    const spec = llamaSpec(shape, {
      ...readExperts(config, shape),
      rope: readRope(config, { size: shape.headSize, context: shape.context }),
      headNorms: true,
      biases: { qkv: bias, o: bias },
    })
    return buildDecoder(spec, tensors)
  },
})
