// general.architecture "llama": Llama, Mistral and, with experts, Mixtral.
//   llama.cpp: src/models/llama.cpp, conversion/llama.py
// Query and key rows are stored in ggml's interleaved order (rows.ts).
import type { Settings } from '../../../graph/families/config.ts'
import type { JsonMap } from '../../json.ts'
import {
  checkActivation,
  contextOf,
  expertsOf,
  readDecoderConfig,
  readRotary,
  type Sizes,
  sizesOf,
  writeDecoder,
  writeRotary,
} from './decoder.ts'
import { defineArchitecture, type GgufContents, type TensorRule } from './define.ts'
import { blocks, both, experts, fused, ordered, same } from './names.ts'
import { scalingTables, scalingOf } from './rope.ts'
import type { RowOrder } from './rows.ts'

const many = 1 << 24

/** Embedding, last norm and head under the names of most decoders. */
export const outerRules = [
  same('token_embd.weight', 'model.embed_tokens.weight'),
  same('output_norm.weight', 'model.norm.weight'),
  same('output.weight', 'lm_head.weight'),
]

/** Query, key, value and output of a block: three tensors or one, which also opens. */
export function attentionRules(block: string, layer: string, sizes: Sizes, rotary: boolean): TensorRule[] {
  const order = (heads: number): RowOrder | undefined => (rotary ? { kind: 'rotary', heads } : undefined)
  const [q, k] = [order(sizes.heads), order(sizes.keyHeads)]
  const [queries, keys] = [sizes.heads * sizes.headSize, sizes.keyHeads * sizes.headSize]
  const self = `${layer}.self_attn`
  return [
    ...ordered(`${block}.attn_q`, `${self}.q_proj`, q),
    ...ordered(`${block}.attn_k`, `${self}.k_proj`, k),
    ...both(`${block}.attn_v`, `${self}.v_proj`),
    ...fused(`${block}.attn_qkv`, [
      { name: `${self}.q_proj`, rows: queries, ...(q && { order: q }) },
      { name: `${self}.k_proj`, rows: keys, ...(k && { order: k }) },
      { name: `${self}.v_proj`, rows: keys },
    ]),
    ...both(`${block}.attn_output`, `${self}.o_proj`),
  ]
}

export const gatedRules = (block: string, mlp: string): TensorRule[] => [
  ...both(`${block}.ffn_gate`, `${mlp}.gate_proj`),
  ...both(`${block}.ffn_up`, `${mlp}.up_proj`),
  ...both(`${block}.ffn_down`, `${mlp}.down_proj`),
]

function configOf(contents: GgufContents): JsonMap {
  const mixture = contents.metadata.has('llama.expert_count')
  const model = mixture
    ? { type: 'mixtral', architecture: 'MixtralForCausalLM' }
    : { type: 'llama', architecture: 'LlamaForCausalLM' }
  const { config, reader, sizes } = readDecoderConfig(contents, 'llama', model)
  config.set('intermediate_size', reader.integer('feed_forward_length', { min: 1, max: many }))
  config.set('rms_norm_eps', reader.number('attention.layer_norm_rms_epsilon', 0))
  config.set('hidden_act', 'silu')
  readRotary(reader, config, sizes.headSize)
  if (mixture) {
    const count = reader.integer('expert_count', { min: 1, max: 1024 })
    config.set('num_local_experts', count)
    config.set('num_experts_per_tok', reader.integer('expert_used_count', { min: 1, max: count }))
    config.set('sliding_window', null)
    return config
  }
  // Biases on query, key and value alone are Qwen2's way; Llama's flag means all four.
  const [inputs, output] = ['q', 'output'].map((end) => reader.hasTensor(`blk.0.attn_${end}.bias`))
  if (inputs && !output) {
    config.set('model_type', 'qwen2').set('architectures', ['Qwen2ForCausalLM'])
    return config
  }
  config.set('attention_bias', inputs === true)
  config.set('mlp_bias', reader.hasTensor('blk.0.ffn_gate.bias'))
  return config
}

/** Mistral and Mixtral look back on a window of tokens, unless the configuration says null. */
const windowOf = (config: Settings): number | null =>
  config.text('model_type', 'llama') !== 'llama' && config.has('sliding_window')
    ? config.integer('sliding_window', { min: 1, max: 2 ** 31 })
    : null

export const llama = defineArchitecture({
  id: 'llama',
  title: 'Llama',
  modelTypes: ['llama', 'mistral', 'mixtral'],
  configOf,
  metadataOf(config) {
    checkActivation(config, 'hidden_act', ['silu', 'swish'])
    const context = contextOf(config, windowOf(config))
    const writer = writeDecoder(config, 'llama', context, 'intermediate_size')
    writer.float('attention.layer_norm_rms_epsilon', config.number('rms_norm_eps', 0, 1e-6))
    writer.integer('vocab_size', config.integer('vocab_size', { min: 1, max: many }))
    writeRotary(config, writer, context)
    if (config.text('model_type', 'llama') === 'mixtral') {
      writer.integer('expert_count', expertsOf(config, 'num_local_experts', 8))
      writer.integer('expert_used_count', config.integer('num_experts_per_tok', { min: 1, max: 1024 }, 2))
    }
    return writer.values
  },
  rules(config) {
    const sizes = sizesOf(config)
    const count = config.has('num_local_experts') ? expertsOf(config, 'num_local_experts') : 0
    const inner = blocks(sizes.depth, (i) => {
      const [block, layer] = [`blk.${i}`, `model.layers.${i}`]
      const moe = `${layer}.block_sparse_moe`
      const expert = (which: string) => (n: number) => `${moe}.experts.${n}.${which}`
      return [
        same(`${block}.attn_norm.weight`, `${layer}.input_layernorm.weight`),
        ...attentionRules(block, layer, sizes, true),
        same(`${block}.ffn_norm.weight`, `${layer}.post_attention_layernorm.weight`),
        ...(count === 0
          ? gatedRules(block, `${layer}.mlp`)
          : [
              same(`${block}.ffn_gate_inp.weight`, `${moe}.gate.weight`),
              experts(`${block}.ffn_gate_exps`, count, expert('w1')),
              experts(`${block}.ffn_down_exps`, count, expert('w2')),
              experts(`${block}.ffn_up_exps`, count, expert('w3')),
              // Files of early 2024 hold each expert apart.
              ...Array.from({ length: count }, (_, n) => [
                same(`${block}.ffn_gate.${n}.weight`, `${expert('w1')(n)}.weight`),
                same(`${block}.ffn_down.${n}.weight`, `${expert('w2')(n)}.weight`),
                same(`${block}.ffn_up.${n}.weight`, `${expert('w3')(n)}.weight`),
              ]).flat(),
            ]),
      ]
    })
    return [...outerRules, ...inner]
  },
  tables: (config) => (scalingOf(config) ? scalingTables(config, sizesOf(config).headSize) : new Map()),
})
