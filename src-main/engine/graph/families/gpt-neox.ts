// Black et al. 2022, "GPT-NeoX-20B", section 2.1, and Pythia (Biderman et al. 2023): LayerNorm, attention and feed-forward
// part side by side, a quarter of each head turned. Query, key and value are one layer, head after head.
import { readActivation } from './activation.ts'
import type { BlockSpec } from './block.ts'
import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import type { Linear } from './linear.ts'
import { many, readBeginToken } from './llama-like.ts'
import type { Norm } from './norm.ts'
import { findPrefix } from './prefix.ts'
import { readRope, readTurning } from './rope.ts'

export const gptNeox = defineFamily({
  id: 'gpt_neox',
  title: 'GPT-NeoX',
  architectures: ['GPTNeoXForCausalLM'],
  build(config, tensors) {
    const count = (field: string, max = many, fallback?: number) => config.integer(field, { min: 1, max }, fallback)
    const width = count('hidden_size')
    const heads = count('num_attention_heads')
    if (width % heads !== 0) throw config.wrong('num_attention_heads', `a divisor of hidden_size (${width})`)
    const headSize = width / heads
    const inner = count('intermediate_size')
    const context = count('max_position_embeddings', 2 ** 31, 2048)
    const activation = readActivation(config, 'hidden_act', 'gelu')
    const epsilon = config.number('layer_norm_eps', 0, 1e-5)
    const bias = config.flag('attention_bias', true)
    const kind = config.flag('use_parallel_residual', true) ? 'parallel' : 'before'
    const size = readTurning(config, headSize, 'rotary_pct', 0.25)
    const theta = config.number('rotary_emb_base', 1, 10000)
    const rope = readRope(config, { size, context, theta, partial: true })

    const prefix = findPrefix(tensors, ['gpt_neox.', ''], 'embed_in.weight')
    const norm = (module: string): Norm => ({ kind: 'layer', module, size: width, epsilon })
    const linear = (module: string, role: Linear['role'], rows: number, cols: number, bias = true): Linear => {
      return { module, role, rows, cols, bias }
    }
    const block = (_: unknown, index: number): BlockSpec => {
      const module = `${prefix}layers.${index}`
      return {
        module,
        attention: {
          module: `${module}.attention`,
          heads,
          keyHeads: heads,
          headSize,
          input: {
            kind: 'heads',
            qkv: linear(`${module}.attention.query_key_value`, 'qkv', 3 * width, width, bias),
          },
          output: linear(`${module}.attention.dense`, 'o', width, width, bias),
          norms: null,
          rope,
          scale: 1 / Math.sqrt(headSize),
          softCap: null,
          window: null,
        },
        mlp: {
          kind: 'plain',
          module: `${module}.mlp`,
          activation,
          up: linear(`${module}.mlp.dense_h_to_4h`, 'up', inner, width),
          down: linear(`${module}.mlp.dense_4h_to_h`, 'down', width, inner),
        },
        residual: {
          kind,
          attention: norm(`${module}.input_layernorm`),
          mlp: norm(`${module}.post_attention_layernorm`),
        },
      }
    }
    const spec = {
      name: 'gpt_neox',
      file: config.file,
      vocabulary: count('vocab_size'),
      width,
      heads,
      keyHeads: heads,
      headSize,
      context,
      beginToken: readBeginToken(config),
      embedding: { weight: `${prefix}embed_in.weight`, cols: width, scale: null, project: null, positions: null },
      blocks: Array.from({ length: count('num_hidden_layers', 4096) }, block),
      last: norm(`${prefix}final_layer_norm`),
      head: {
        weight: config.flag('tie_word_embeddings', false) ? null : 'embed_out.weight',
        project: null,
        softCap: null,
      },
      card: { residual: kind === 'parallel' ? 'attention and feed-forward part side by side' : 'one after the other' },
    }
    return buildDecoder(spec, tensors)
  },
})
