// Zhang et al. 2022, "OPT: Open Pre-trained Transformer Language Models", section 2.1: learned positions whose table begins
// with two unused rows, ReLU, LayerNorm before each part (after it in the model of 350 million parameters, whose embedding is
// also narrower than its blocks).
import { readActivation } from './activation.ts'
import type { BlockSpec } from './block.ts'
import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import type { Linear } from './linear.ts'
import { many, readBeginToken } from './llama-like.ts'
import type { Norm } from './norm.ts'
import { findPrefix } from './prefix.ts'

const unusedPositions = 2
const epsilon = 1e-5 // not in the configuration

export const opt = defineFamily({
  id: 'opt',
  title: 'OPT',
  architectures: ['OPTForCausalLM', 'OPTModel'],
  build(config, tensors) {
    const count = (field: string, max = many, fallback?: number) => config.integer(field, { min: 1, max }, fallback)
    const width = count('hidden_size')
    const heads = count('num_attention_heads')
    if (width % heads !== 0) throw config.wrong('num_attention_heads', `a divisor of hidden_size (${width})`)
    const headSize = width / heads
    const inner = count('ffn_dim')
    const context = count('max_position_embeddings', many, 2048)
    const embedded = count('word_embed_proj_dim', many, width)
    const activation = readActivation(config, 'activation_function', 'relu')
    const before = config.flag('do_layer_norm_before', true)
    const bias = config.flag('enable_bias', true)
    if (!config.flag('layer_norm_elementwise_affine', true)) {
      throw config.unsupported('layer_norm_elementwise_affine', 'norms without weights are not supported')
    }

    const decoder = findPrefix(tensors, ['model.decoder.', 'decoder.', ''], 'embed_tokens.weight')
    const norm = (module: string): Norm => ({ kind: 'layer', module, size: width, epsilon })
    const linear = (module: string, role: Linear['role'], rows = width, cols = width): Linear => {
      return { module, role, rows, cols, bias }
    }
    const block = (_: unknown, index: number): BlockSpec => {
      const module = `${decoder}layers.${index}`
      const self = `${module}.self_attn`
      return {
        module,
        attention: {
          module: self,
          heads,
          keyHeads: heads,
          headSize,
          input: {
            kind: 'separate',
            q: linear(`${self}.q_proj`, 'q'),
            k: linear(`${self}.k_proj`, 'k'),
            v: linear(`${self}.v_proj`, 'v'),
          },
          output: linear(`${self}.out_proj`, 'o'),
          norms: null,
          rope: null,
          scale: 1 / Math.sqrt(headSize),
          softCap: null,
          window: null,
        },
        mlp: {
          kind: 'plain',
          module: `${module}.mlp`,
          activation,
          up: linear(`${module}.fc1`, 'up', inner),
          down: linear(`${module}.fc2`, 'down', width, inner),
        },
        residual: {
          kind: before ? 'before' : 'after',
          attention: norm(`${module}.self_attn_layer_norm`),
          mlp: norm(`${module}.final_layer_norm`),
        },
      }
    }
    const project = (name: string, rows: number, cols: number): Linear | null =>
      embedded === width ? null : { module: `${decoder}${name}`, role: 'linear', rows, cols, bias: false }
    const spec = {
      name: 'opt',
      file: config.file,
      vocabulary: count('vocab_size'),
      width,
      heads,
      keyHeads: heads,
      headSize,
      context,
      beginToken: readBeginToken(config),
      embedding: {
        weight: `${decoder}embed_tokens.weight`,
        cols: embedded,
        scale: null,
        project: project('project_in', width, embedded),
        positions: {
          weight: `${decoder}embed_positions.weight`,
          rows: context + unusedPositions,
          offset: unusedPositions,
        },
      },
      blocks: Array.from({ length: count('num_hidden_layers', 4096) }, block),
      last: before && !config.flag('_remove_final_layer_norm', false) ? norm(`${decoder}final_layer_norm`) : null,
      head: {
        weight: config.flag('tie_word_embeddings', true) ? null : 'lm_head.weight',
        project: project('project_out', embedded, width),
        softCap: null,
      },
      card: {},
    }
    return buildDecoder(spec, tensors)
  },
})
