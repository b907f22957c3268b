// general.architecture "qwen2" and "qwen3": Qwen2 and 2.5 with biases on query, key and value; Qwen3 with norms on query
// and key heads instead.      llama.cpp: src/models/qwen2.cpp, qwen3.cpp, conversion/qwen.py
import type { Settings } from '../../../graph/families/config.ts'
import {
  checkActivation,
  contextOf,
  readDecoderConfig,
  readRotary,
  sizesOf,
  writeDecoder,
  writeRotary,
} from './decoder.ts'
import { type Architecture, defineArchitecture, type TensorRule } from './define.ts'
import { attentionRules, gatedRules, outerRules } from './llama.ts'
import { blocks, same } from './names.ts'
import { scalingTables } from './rope.ts'

const many = 1 << 24

/** Blocks from `max_window_layers` on may look back on a window only; llama.cpp always looks back on everything. */
export function windowOf(config: Settings): number | null {
  if (!config.flag('use_sliding_window', false) || !config.has('sliding_window')) return null
  const types = config.texts('layer_types')
  const from = config.integer('max_window_layers', { min: 0, max: 4096 }, 28)
  const slides = types ? types.includes('sliding_attention') : from < sizesOf(config).depth
  return slides ? config.integer('sliding_window', { min: 1, max: 2 ** 31 }) : null
}

export const headNormRules = (block: string, layer: string): TensorRule[] => [
  same(`${block}.attn_q_norm.weight`, `${layer}.self_attn.q_norm.weight`),
  same(`${block}.attn_k_norm.weight`, `${layer}.self_attn.k_norm.weight`),
]

const define = (id: 'qwen2' | 'qwen3', title: string): Architecture =>
  defineArchitecture({
    id,
    title,
    modelTypes: [id],
    configOf(contents) {
      const model = { type: id, architecture: `${title}ForCausalLM` }
      const { config, reader, sizes } = readDecoderConfig(contents, id, model)
      config.set('intermediate_size', reader.integer('feed_forward_length', { min: 1, max: many }))
      config.set('rms_norm_eps', reader.number('attention.layer_norm_rms_epsilon', 0))
      config.set('hidden_act', 'silu').set('use_sliding_window', false)
      if (id === 'qwen3') config.set('attention_bias', false)
      readRotary(reader, config, sizes.headSize)
      return config
    },
    metadataOf(config) {
      checkActivation(config, 'hidden_act', ['silu', 'swish'])
      if (id === 'qwen3' && config.flag('attention_bias', false))
        throw config.unsupported('attention_bias', 'llama.cpp has no biases in this architecture')
      const context = contextOf(config, windowOf(config))
      const writer = writeDecoder(config, id, context, 'intermediate_size')
      writer.float('attention.layer_norm_rms_epsilon', config.number('rms_norm_eps', 0, 1e-6))
      writeRotary(config, writer, context)
      return writer.values
    },
    rules(config) {
      const sizes = sizesOf(config)
      const inner = blocks(sizes.depth, (i) => {
        const [block, layer] = [`blk.${i}`, `model.layers.${i}`]
        return [
          same(`${block}.attn_norm.weight`, `${layer}.input_layernorm.weight`),
          ...attentionRules(block, layer, sizes, false),
          ...(id === 'qwen3' ? headNormRules(block, layer) : []),
          same(`${block}.ffn_norm.weight`, `${layer}.post_attention_layernorm.weight`),
          ...gatedRules(block, `${layer}.mlp`),
        ]
      })
      return [...outerRules, ...inner]
    },
    tables: (config) => scalingTables(config, sizesOf(config).headSize),
  })

export const qwen2 = define('qwen2', 'Qwen2')
export const qwen3 = define('qwen3', 'Qwen3')
