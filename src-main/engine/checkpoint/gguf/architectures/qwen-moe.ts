// general.architecture "qwen2moe" and "qwen3moe": Qwen1.5-MoE, Qwen2-MoE, Qwen3-MoE.
//   llama.cpp: src/models/qwen2moe.cpp, qwen3moe.cpp, conversion/qwen.py
// llama.cpp lets the weights of the chosen experts add up to one in qwen3moe and not in qwen2moe, and has experts in every
// block.
import type { Settings } from '../../../graph/families/config.ts'
import {
  checkActivation,
  contextOf,
  expertsOf,
  readDecoderConfig,
  readRotary,
  sizesOf,
  writeDecoder,
  writeRotary,
} from './decoder.ts'
import { type Architecture, defineArchitecture } from './define.ts'
import { attentionRules, gatedRules, outerRules } from './llama.ts'
import { blocks, experts, same } from './names.ts'
import { headNormRules, windowOf } from './qwen.ts'
import { scalingTables } from './rope.ts'

const many = 1 << 24
const mostExperts = 1024

interface Kind {
  id: 'qwen2moe' | 'qwen3moe'
  type: string
  title: string
  architecture: string
  normalised: boolean
  shared: boolean // one more expert that every token takes
}

function checkExperts(config: Settings, { normalised, shared }: Kind): void {
  if (config.flag('norm_topk_prob', false) !== normalised)
    throw config.unsupported('norm_topk_prob', `llama.cpp computes ${String(normalised)} in this architecture`)
  if (config.integer('decoder_sparse_step', { min: 1, max: 4096 }, 1) !== 1)
    throw config.unsupported('decoder_sparse_step', 'llama.cpp has experts in every block')
  if ((config.integers('mlp_only_layers') ?? []).length > 0)
    throw config.unsupported('mlp_only_layers', 'llama.cpp has experts in every block')
  if (!shared && config.flag('attention_bias', false))
    throw config.unsupported('attention_bias', 'llama.cpp has no biases in this architecture')
}

const define = (kind: Kind): Architecture =>
  defineArchitecture({
    id: kind.id,
    title: kind.title,
    modelTypes: [kind.type],
    configOf(contents) {
      const { config, reader, sizes } = readDecoderConfig(contents, kind.id, kind)
      config.set('intermediate_size', reader.integer('feed_forward_length', { min: 1, max: many }, sizes.width))
      config.set('rms_norm_eps', reader.number('attention.layer_norm_rms_epsilon', 0))
      config.set('hidden_act', 'silu').set('use_sliding_window', false)
      const count = reader.integer('expert_count', { min: 1, max: mostExperts })
      config.set('num_experts', count)
      config.set('num_experts_per_tok', reader.integer('expert_used_count', { min: 1, max: count }))
      // Older files leave the sizes to the tensors.
      const inner = reader.shapeOf('blk.0.ffn_gate_exps.weight', 3)[1] ?? 0
      config.set('moe_intermediate_size', reader.integer('expert_feed_forward_length', { min: 1, max: many }, inner))
      if (kind.shared) {
        const shared = reader.shapeOf('blk.0.ffn_gate_shexp.weight', 2)[0] ?? 0
        config.set(
          'shared_expert_intermediate_size',
          reader.integer('expert_shared_feed_forward_length', { min: 1, max: many }, shared),
        )
        config.set('qkv_bias', reader.hasTensor('blk.0.attn_q.bias'))
      } else config.set('attention_bias', false)
      config.set('norm_topk_prob', kind.normalised).set('decoder_sparse_step', 1).set('mlp_only_layers', [])
      readRotary(reader, config, sizes.headSize)
      return config
    },
    metadataOf(config) {
      checkActivation(config, 'hidden_act', ['silu', 'swish'])
      checkExperts(config, kind)
      const context = contextOf(config, windowOf(config))
      const writer = writeDecoder(
        config,
        kind.id,
        context,
        config.has('intermediate_size') ? 'intermediate_size' : null,
      )
      writer.float('attention.layer_norm_rms_epsilon', config.number('rms_norm_eps', 0, 1e-6))
      writeRotary(config, writer, context)
      writer.integer('expert_count', expertsOf(config, 'num_experts'))
      writer.integer('expert_used_count', config.integer('num_experts_per_tok', { min: 1, max: mostExperts }))
      const inner = config.integer('moe_intermediate_size', { min: 1, max: many })
      writer.integer('expert_feed_forward_length', inner)
      if (kind.shared) {
        const shared = config.integer('shared_expert_intermediate_size', { min: 1, max: many })
        writer.integer('expert_shared_feed_forward_length', shared)
      }
      return writer.values
    },
    rules(config) {
      const sizes = sizesOf(config)
      const count = expertsOf(config, 'num_experts')
      const inner = blocks(sizes.depth, (i) => {
        const [block, layer] = [`blk.${i}`, `model.layers.${i}`]
        const mlp = `${layer}.mlp`
        const stack = (which: string) =>
          experts(`${block}.ffn_${which}_exps`, count, (n) => `${mlp}.experts.${n}.${which}_proj`)
        const shared = gatedRules(block, `${mlp}.shared_expert`).map((rule) => ({
          ...rule,
          gguf: rule.gguf.replace(/\.(weight|bias)$/, '_shexp.$1'),
        }))
        return [
          same(`${block}.attn_norm.weight`, `${layer}.input_layernorm.weight`),
          ...attentionRules(block, layer, sizes, false),
          ...(kind.shared ? [] : headNormRules(block, layer)),
          same(`${block}.ffn_norm.weight`, `${layer}.post_attention_layernorm.weight`),
          same(`${block}.ffn_gate_inp.weight`, `${mlp}.gate.weight`),
          ...['gate', 'up', 'down'].map(stack),
          ...(kind.shared
            ? [
                ...shared,
                { ...same(`${block}.ffn_gate_inp_shexp.weight`, `${mlp}.shared_expert_gate.weight`), flat: true },
              ]
            : []),
        ]
      })
      return [...outerRules, ...inner]
    },
    tables: (config) => scalingTables(config, sizesOf(config).headSize),
  })

export const qwen2moe = define({
  id: 'qwen2moe',
  type: 'qwen2_moe',
  title: 'Qwen2 MoE',
  architecture: 'Qwen2MoeForCausalLM',
  normalised: false,
  shared: true,
})

export const qwen3moe = define({
  id: 'qwen3moe',
  type: 'qwen3_moe',
  title: 'Qwen3 MoE',
  architecture: 'Qwen3MoeForCausalLM',
  normalised: true,
  shared: false,
})
