// general.architecture "gpt2". Hugging Face holds its linear layers as they are multiplied, [in, out]; GGUF transposed.
//   llama.cpp: src/models/gpt2.cpp, conversion/gpt2.py
import type { Settings } from '../../../graph/families/config.ts'
import type { Json } from '../../json.ts'
import { checkActivation, mostBlocks } from './decoder.ts'
import { defineArchitecture, type TensorRule } from './define.ts'
import { blocks, both, same } from './names.ts'
import { prefixOf } from './prefix.ts'
import { MetadataReader, specialTokens } from './reading.ts'
import { MetadataWriter } from './writing.ts'

const many = 1 << 24
const transposed = (gguf: string, name: string): TensorRule[] => {
  const [weight, bias] = both(gguf, name)
  return [{ ...(weight as TensorRule), transposed: true }, bias as TensorRule]
}
const depthOf = (config: Settings) => config.integer('n_layer', { min: 1, max: mostBlocks }, 12)

export const gpt2 = defineArchitecture({
  id: 'gpt2',
  title: 'GPT-2',
  modelTypes: ['gpt2'],
  configOf(contents) {
    const reader = new MetadataReader(contents, 'gpt2')
    const context = reader.integer('context_length', { min: 1, max: 2 ** 31 })
    return new Map<string, Json>([
      ['model_type', 'gpt2'],
      ['architectures', ['GPT2LMHeadModel']],
      ['vocab_size', reader.shapeOf('token_embd.weight', 2)[0] ?? 0],
      ['n_embd', reader.integer('embedding_length', { min: 1, max: many })],
      ['n_inner', reader.integer('feed_forward_length', { min: 1, max: many })],
      ['n_layer', reader.integer('block_count', { min: 1, max: mostBlocks })],
      ['n_head', reader.integer('attention.head_count', { min: 1, max: 65536 })],
      ['n_positions', context],
      ['n_ctx', context],
      ['layer_norm_epsilon', reader.number('attention.layer_norm_epsilon', 0)],
      ['activation_function', 'gelu_new'],
      ['tie_word_embeddings', !reader.hasTensor('output.weight')],
      ...specialTokens(contents),
    ])
  },
  metadataOf(config) {
    checkActivation(config, 'activation_function', ['gelu_new', 'gelu_pytorch_tanh', 'gelu_fast'])
    if (!config.flag('scale_attn_weights', true) || config.flag('scale_attn_by_inverse_layer_idx', false))
      throw config.unsupported('scale_attn_weights', 'llama.cpp scales every score by the root of the head size')
    const width = config.integer('n_embd', { min: 1, max: many }, 768)
    const inner = config.has('n_inner') ? config.integer('n_inner', { min: 1, max: many }) : 4 * width
    const writer = new MetadataWriter('gpt2')
    writer.integer('block_count', depthOf(config))
    writer.integer('context_length', config.integer('n_positions', { min: 1, max: 2 ** 31 }, 1024))
    writer.integer('embedding_length', width).integer('feed_forward_length', inner)
    writer.integer('attention.head_count', config.integer('n_head', { min: 1, max: 65536 }, 12))
    writer.float('attention.layer_norm_epsilon', config.number('layer_norm_epsilon', 0, 1e-5))
    return writer.values
  },
  rules(config, names) {
    const body = prefixOf(names, ['transformer.', ''], 'wte.weight')
    const inner = blocks(depthOf(config), (i) => {
      const [block, layer] = [`blk.${i}`, `${body}h.${i}`]
      return [
        ...both(`${block}.attn_norm`, `${layer}.ln_1`),
        ...transposed(`${block}.attn_qkv`, `${layer}.attn.c_attn`),
        ...transposed(`${block}.attn_output`, `${layer}.attn.c_proj`),
        ...both(`${block}.ffn_norm`, `${layer}.ln_2`),
        ...transposed(`${block}.ffn_up`, `${layer}.mlp.c_fc`),
        ...transposed(`${block}.ffn_down`, `${layer}.mlp.c_proj`),
      ]
    })
    return [
      same('token_embd.weight', `${body}wte.weight`),
      same('position_embd.weight', `${body}wpe.weight`),
      ...both('output_norm', `${body}ln_f`),
      same('output.weight', 'lm_head.weight'),
      ...inner,
    ]
  },
})
