// general.architecture "phi3": Phi-3 and Phi-4-mini. Query, key and value are one tensor on both sides, gate and up another
// (ffn_up). llama.cpp does not use the sliding window: the file's context is no longer than that.
//   llama.cpp: src/models/phi3.cpp, conversion/phi.py
import {
  checkActivation,
  contextOf,
  readDecoderConfig,
  readRotary,
  sizesOf,
  turnedOf,
  writeDecoder,
  writeRotary,
} from './decoder.ts'
import { defineArchitecture } from './define.ts'
import { outerRules } from './llama.ts'
import { blocks, same } from './names.ts'
import { scalingTables } from './rope.ts'

const many = 1 << 24

export const phi3 = defineArchitecture({
  id: 'phi3',
  title: 'Phi-3',
  modelTypes: ['phi3'],
  configOf(contents) {
    const model = { type: 'phi3', architecture: 'Phi3ForCausalLM' }
    const { config, reader, sizes } = readDecoderConfig(contents, 'phi3', model)
    config.set('intermediate_size', reader.integer('feed_forward_length', { min: 1, max: many }))
    config.set('rms_norm_eps', reader.number('attention.layer_norm_rms_epsilon', 0))
    config.set('hidden_act', 'silu')
    const window = reader.integer('attention.sliding_window', { min: 0, max: 2 ** 31 }, 0)
    config.set('sliding_window', window === 0 ? null : window)
    readRotary(reader, config, sizes.headSize)
    return config
  },
  metadataOf(config) {
    checkActivation(config, 'hidden_act', ['silu', 'swish'])
    const window = config.has('sliding_window') ? config.integer('sliding_window', { min: 1, max: 2 ** 31 }) : null
    const writer = writeDecoder(config, 'phi3', contextOf(config, window), 'intermediate_size')
    writer.float('attention.layer_norm_rms_epsilon', config.number('rms_norm_eps', 0, 1e-5))
    writeRotary(config, writer, contextOf(config))
    // Zero tells Phi-4 from older files, which have no such key.
    writer.integer('attention.sliding_window', window ?? 0)
    return writer.values
  },
  rules(config) {
    const inner = blocks(sizesOf(config).depth, (i) => {
      const [block, layer] = [`blk.${i}`, `model.layers.${i}`]
      return [
        same(`${block}.attn_norm.weight`, `${layer}.input_layernorm.weight`),
        same(`${block}.attn_qkv.weight`, `${layer}.self_attn.qkv_proj.weight`),
        same(`${block}.attn_output.weight`, `${layer}.self_attn.o_proj.weight`),
        same(`${block}.ffn_norm.weight`, `${layer}.post_attention_layernorm.weight`),
        same(`${block}.ffn_up.weight`, `${layer}.mlp.gate_up_proj.weight`),
        same(`${block}.ffn_down.weight`, `${layer}.mlp.down_proj.weight`),
      ]
    })
    return [...outerRules, ...inner]
  },
  tables: (config) => scalingTables(config, turnedOf(config, sizesOf(config).headSize)),
})
