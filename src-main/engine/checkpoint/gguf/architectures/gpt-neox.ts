// general.architecture "gptneox": GPT-NeoX and Pythia. Query, key and value are one tensor on both sides, in another order
// of rows (rows.ts).      llama.cpp: src/models/gptneox.cpp, conversion/gptneox.py
// llama.cpp computes GELU by its tanh form here, the checkpoints by the exact one; they differ by 0.0005 at most.
import { checkActivation, readDecoderConfig, sizesOf, thetaOfNeox, writeDecoder } from './decoder.ts'
import { defineArchitecture } from './define.ts'
import { blocks, both, ordered, same } from './names.ts'
import { prefixOf } from './prefix.ts'
import { readScaling, scalingTables, writeScaling } from './rope.ts'

const many = 1 << 24

export const gptneox = defineArchitecture({
  id: 'gptneox',
  title: 'GPT-NeoX',
  modelTypes: ['gpt_neox'],
  configOf(contents) {
    const model = { type: 'gpt_neox', architecture: 'GPTNeoXForCausalLM' }
    const { config, reader, sizes } = readDecoderConfig(contents, 'gptneox', model)
    config.set('intermediate_size', reader.integer('feed_forward_length', { min: 1, max: many }))
    config.set('layer_norm_eps', reader.number('attention.layer_norm_epsilon', 0))
    config.set('hidden_act', 'gelu')
    config.set('use_parallel_residual', reader.flag('use_parallel_residual', true))
    const { headSize } = sizes
    const turned = reader.integer('rope.dimension_count', { min: 1, max: headSize }, headSize)
    config.set('rotary_pct', turned / headSize)
    const theta = reader.number('rope.freq_base', 1, 10000)
    config.set('rotary_emb_base', theta)
    const scaling = readScaling(reader, config, theta, turned)
    if (scaling) config.set('rope_scaling', scaling)
    return config
  },
  metadataOf(config) {
    checkActivation(config, 'hidden_act', ['gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh'])
    if (!config.flag('attention_bias', true))
      throw config.unsupported('attention_bias', 'llama.cpp always has biases in this architecture')
    if (config.flag('tie_word_embeddings', false))
      throw config.unsupported('tie_word_embeddings', 'llama.cpp needs a head of its own in this architecture')
    const context = config.integer('max_position_embeddings', { min: 1, max: 2 ** 31 }, 2048)
    const writer = writeDecoder(config, 'gptneox', context, 'intermediate_size')
    const { headSize } = sizesOf(config)
    const { theta, part } = thetaOfNeox(config)
    writer.integer('rope.dimension_count', Math.floor(headSize * part)).float('rope.freq_base', theta)
    writeScaling(config, writer, context)
    writer.flag('use_parallel_residual', config.flag('use_parallel_residual', true))
    writer.float('attention.layer_norm_epsilon', config.number('layer_norm_eps', 0, 1e-5))
    return writer.values
  },
  rules(config, names) {
    const { depth, heads } = sizesOf(config)
    const body = prefixOf(names, ['gpt_neox.', ''], 'embed_in.weight')
    const inner = blocks(depth, (i) => {
      const [block, layer] = [`blk.${i}`, `${body}layers.${i}`]
      return [
        ...both(`${block}.attn_norm`, `${layer}.input_layernorm`),
        ...ordered(`${block}.attn_qkv`, `${layer}.attention.query_key_value`, { kind: 'grouped', heads }),
        ...both(`${block}.attn_output`, `${layer}.attention.dense`),
        ...both(`${block}.ffn_norm`, `${layer}.post_attention_layernorm`),
        ...both(`${block}.ffn_up`, `${layer}.mlp.dense_h_to_4h`),
        ...both(`${block}.ffn_down`, `${layer}.mlp.dense_4h_to_h`),
      ]
    })
    return [
      same('token_embd.weight', `${body}embed_in.weight`),
      ...both('output_norm', `${body}final_layer_norm`),
      same('output.weight', 'embed_out.weight'),
      ...inner,
    ]
  },
  tables: (config) => scalingTables(config, Math.floor(sizesOf(config).headSize * thetaOfNeox(config).part)),
})
