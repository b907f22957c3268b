// Gemma Team 2024, "Gemma 2: Improving Open Language Models at a Practical Size", section 2: embeddings times sqrt(width),
// RMSNorm with weights stored as w - 1 before and after each part, GeGLU, every other block with a sliding window, soft caps
// on attention scores and on logits.
import type { Settings } from './config.ts'
import { buildDecoder } from './decoder.ts'
import { defineFamily } from './define.ts'
import { type LlamaParts, type LlamaShape, llamaSpec, readLayerTypes, readShape, readWindow } from './llama-like.ts'
import { readRope } from './rope.ts'

const fields = {
  vocab_size: 256000,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  bos_token_id: 2,
  max_position_embeddings: 8192,
}

/** What Gemma 2 and 3 have in common, but for rotations and windows. */
export function readGemma(config: Settings, shape: LlamaShape): Omit<LlamaParts, 'rope'> {
  if (config.flag('use_bidirectional_attention', false)) {
    throw config.unsupported('use_bidirectional_attention', 'attention to later tokens is not supported')
  }
  const bias = config.flag('attention_bias', false)
  return {
    norm: 'rms-plus-one',
    biases: { qkv: bias, o: bias },
    embeddingScale: Math.sqrt(shape.width),
    scale: 1 / Math.sqrt(config.number('query_pre_attn_scalar', 0, 256)),
    residual: (module, norm) => ({
      kind: 'around',
      attention: norm(`${module}.input_layernorm`),
      attentionOut: norm(`${module}.post_attention_layernorm`),
      mlp: norm(`${module}.pre_feedforward_layernorm`),
      mlpOut: norm(`${module}.post_feedforward_layernorm`),
    }),
  }
}

export const gemmaActivation = { field: 'hidden_activation', fallback: 'gelu_pytorch_tanh' }

/** A cap or window that null switches off. */
export const readOptional = (config: Settings, field: string, fallback: number | null): number | null =>
  config.has(field) ? config.number(field, 0) : config.mentions(field) ? null : fallback

export const gemma2 = defineFamily({
  id: 'gemma2',
  title: 'Gemma 2',
  architectures: ['Gemma2ForCausalLM'],
  build(config, tensors) {
    const shape = readShape(config, 'gemma2', { fields, tied: true, activation: gemmaActivation })
    const rope = readRope(config, { size: shape.headSize, context: shape.context })
    const window = readWindow(config, config.mentions('sliding_window') ? undefined : 4096)
    const alternating = Array.from({ length: shape.depth }, (_, block) => (block % 2 === 0 ? window : null))
    const windows = readLayerTypes(config, shape.depth, window) ?? alternating
    const caps = {
      scoreCap: readOptional(config, 'attn_logit_softcapping', 50),
      logitCap: readOptional(config, 'final_logit_softcapping', 30),
    }
    const card = Object.fromEntries(
      [
        ['score soft cap', caps.scoreCap],
        ['logit soft cap', caps.logitCap],
      ].flatMap(([name, cap]) => (cap === null ? [] : [[name, String(cap)]])),
    ) as Record<string, string>
    return buildDecoder(llamaSpec(shape, { ...readGemma(config, shape), rope, windows, ...caps, card }), tensors)
  },
})
