// Gemma Team 2025, "Gemma 3 Technical Report", section 2.1: as Gemma 2, but with RMSNorm on each head's queries and keys
// in the place of soft caps, and five blocks with a sliding window to each one without. The two kinds turn their heads
// with different base frequencies (10,000 and 1,000,000); only the second is stretched to long contexts.
import type { Settings } from './config.ts'
import { buildDecoder } from './decoder.ts'
import { type BuiltModel, defineFamily, type Family } from './define.ts'
import { gemmaActivation, readGemma, readOptional } from './gemma2.ts'
import { llamaSpec, readLayerTypes, readShape, readWindow } from './llama-like.ts'
import { findPrefix } from './prefix.ts'
import { readRope } from './rope.ts'

const fields = {
  vocab_size: 262208,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  bos_token_id: 2,
  max_position_embeddings: 131072,
}

function build(config: Settings, tensors: Parameters<Family['build']>[1], names = { body: '', head: '' }): BuiltModel {
  const shape = readShape(config, 'gemma3', { fields, tied: true, activation: gemmaActivation })
  const { headSize: size, context, depth } = shape
  const far = readRope(config, { size, context, kind: 'full_attention', theta: 1e6 })
  const near = readRope(config, {
    name: 'near',
    size,
    context,
    kind: 'sliding_attention',
    field: 'rope_local_base_freq',
    scaled: false,
  })
  const window = readWindow(config, config.mentions('sliding_window') ? undefined : 4096)
  const every = config.integer('sliding_window_pattern', { min: 1, max: 4096 }, 6)
  const pattern = Array.from({ length: depth }, (_, block) => ((block + 1) % every === 0 ? null : window))
  const spec = llamaSpec(shape, {
    ...readGemma(config, shape),
    names,
    headNorms: true,
    rope: (seen) => (seen === null ? far : near),
    windows: readLayerTypes(config, depth, window) ?? pattern,
    scoreCap: readOptional(config, 'attn_logit_softcapping', null),
    logitCap: readOptional(config, 'final_logit_softcapping', null),
  })
  return buildDecoder(spec, tensors)
}

export const gemma3Text = defineFamily({
  id: 'gemma3_text',
  title: 'Gemma 3',
  architectures: ['Gemma3ForCausalLM'],
  build: (config, tensors) => build(config, tensors),
})

/** The language model of a Gemma 3 that also sees. Its vision tower is left out: its tensors can still be compressed. */
export const gemma3 = defineFamily({
  id: 'gemma3',
  title: 'Gemma 3 (language model)',
  architectures: ['Gemma3ForConditionalGeneration'],
  build(config, tensors) {
    const text = config.section('text_config')
    if (!text) throw config.wrong('text_config', 'the settings of the language model')
    const body = findPrefix(tensors, ['language_model.model', 'model.language_model'], '.embed_tokens.weight')
    const head = body === 'model.language_model' ? '' : 'language_model.'
    return build(text, tensors, { body, head })
  },
})
