// Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3: learned positions, LayerNorm before
// each part, GELU. Its linear layers are stored as they are multiplied, [inputs, outputs]; query, key and value are one.
import type { BlockSpec } from './block.ts'
import { readActivation } from './activation.ts'
import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import type { Linear } from './linear.ts'
import { many, readBeginToken } from './llama-like.ts'
import type { Norm } from './norm.ts'
import { findPrefix } from './prefix.ts'

export const gpt2 = defineFamily({
  id: 'gpt2',
  title: 'GPT-2',
  architectures: ['GPT2LMHeadModel', 'GPT2Model'],
  build(config, tensors) {
    const count = (field: string, fallback: number, max = many) => config.integer(field, { min: 1, max }, fallback)
    const width = count('n_embd', 768)
    const heads = count('n_head', 12)
    if (width % heads !== 0) throw config.wrong('n_head', `a divisor of n_embd (${width})`)
    if (config.flag('add_cross_attention', false)) {
      throw config.unsupported('add_cross_attention', 'a decoder that reads an encoder is not supported')
    }
    const headSize = width / heads
    const inner = config.has('n_inner') ? count('n_inner', 4 * width) : 4 * width
    const context = count('n_positions', 1024)
    const activation = readActivation(config, 'activation_function', 'gelu_new')
    const epsilon = config.number('layer_norm_epsilon', 0, 1e-5)
    const scale = config.flag('scale_attn_weights', true) ? 1 / Math.sqrt(headSize) : 1
    const byDepth = config.flag('scale_attn_by_inverse_layer_idx', false)
    const tied = config.flag('tie_word_embeddings', true)

    const prefix = findPrefix(tensors, ['transformer.', ''], 'wte.weight')
    const norm = (module: string): Norm => ({ kind: 'layer', module, size: width, epsilon })
    const linear = (module: string, role: Linear['role'], rows: number, cols: number): Linear => {
      return { module, role, rows, cols, bias: true, order: 'cols' }
    }
    const block = (_: unknown, index: number): BlockSpec => {
      const module = `${prefix}h.${index}`
      return {
        module,
        attention: {
          module: `${module}.attn`,
          heads,
          keyHeads: heads,
          headSize,
          input: { kind: 'parts', qkv: linear(`${module}.attn.c_attn`, 'qkv', 3 * width, width) },
          output: linear(`${module}.attn.c_proj`, 'o', width, width),
          norms: null,
          rope: null,
          scale: byDepth ? scale / (index + 1) : scale,
          softCap: null,
          window: null,
        },
        mlp: {
          kind: 'plain',
          module: `${module}.mlp`,
          activation,
          up: linear(`${module}.mlp.c_fc`, 'up', inner, width),
          down: linear(`${module}.mlp.c_proj`, 'down', width, inner),
        },
        residual: { kind: 'before', attention: norm(`${module}.ln_1`), mlp: norm(`${module}.ln_2`) },
      }
    }
    const spec = {
      name: 'gpt2',
      file: config.file,
      vocabulary: count('vocab_size', 50257),
      width,
      heads,
      keyHeads: heads,
      headSize,
      context,
      beginToken: readBeginToken(config),
      embedding: {
        weight: `${prefix}wte.weight`,
        cols: width,
        scale: null,
        project: null,
        positions: { weight: `${prefix}wpe.weight`, rows: context, offset: 0 },
      },
      blocks: Array.from({ length: count('n_layer', 12, 4096) }, block),
      last: norm(`${prefix}ln_f`),
      head: { weight: tied ? null : 'lm_head.weight', project: null, softCap: null },
      card: {},
    }
    return buildDecoder(spec, tensors)
  },
})
