import { buildDecoder, type DecoderSpec } from './decoder.ts'
import { defineFamily } from './define.ts'
import type { Settings } from './config.ts'
import { readRope } from './rope.ts'

const many = 1 << 24

/** What all relatives of Llama have in common, from config.json. Faults 'bad-input' and 'unsupported' name the field. */
export function readDecoder(config: Settings, family: string): DecoderSpec {
  const width = config.integer('hidden_size', { min: 1, max: many })
  const heads = config.integer('num_attention_heads', { min: 1, max: 65536 })
  const keyHeads = config.integer('num_key_value_heads', { min: 1, max: heads }, heads)
  if (heads % keyHeads !== 0) throw config.wrong('num_key_value_heads', `a divisor of num_attention_heads (${heads})`)
  if (!config.has('head_dim') && width % heads !== 0) {
    throw config.wrong('num_attention_heads', `a divisor of hidden_size (${width}) where there is no head_dim`)
  }
  const headSize = config.integer('head_dim', { min: 2, max: 65536 }, width / heads)
  if (headSize % 2 !== 0) throw config.wrong('head_dim', 'an even number: rotary positions turn pairs')
  const depth = config.integer('num_hidden_layers', { min: 1, max: 4096 })
  const context = config.integer('max_position_embeddings', { min: 1, max: 2 ** 31 }, 2048)
  const act = config.text('hidden_act', 'silu')
  if (act !== 'silu' && act !== 'swish' && act !== 'relu') {
    throw config.unsupported('hidden_act', `the activation ${JSON.stringify(act.slice(0, 40))} is not supported`)
  }
  return {
    name: family,
    file: config.file,
    vocabulary: config.integer('vocab_size', { min: 1, max: many }),
    width,
    inner: config.integer('intermediate_size', { min: 1, max: many }),
    depth,
    heads,
    keyHeads,
    headSize,
    epsilon: config.number('rms_norm_eps', 0, 1e-6),
    activation: act === 'relu' ? 'relu' : 'silu',
    rope: readRope(config, headSize, context),
    context,
    beginToken: config.has('bos_token_id') ? config.integer('bos_token_id', { min: 0, max: many }) : null,
    tied: config.flag('tie_word_embeddings', false),
    biases: { qkv: false, o: false, mlp: false },
    windows: new Array<number | null>(depth).fill(null),
  }
}

/** Windows of each block from `layer_types` (newer configurations), or null where the list is absent. */
export function readLayerTypes(config: Settings, depth: number, window: number | null): (number | null)[] | null {
  const types = config.texts('layer_types')
  if (types === null) return null
  if (types.length !== depth) throw config.wrong('layer_types', `a list of ${depth} texts`)
  return types.map((type) => {
    if (type === 'full_attention') return null
    if (type === 'sliding_attention' && window !== null) return window
    throw config.unsupported('layer_types', `${JSON.stringify(type.slice(0, 40))} is not supported here`)
  })
}

/** Llama 1 to 3 and what is built like them (TinyLlama, SmolLM, Yi ...). */
export const llama = defineFamily({
  id: 'llama',
  title: 'Llama',
  architectures: ['LlamaForCausalLM', 'LLaMAForCausalLM'],
  build(config, tensors) {
    const spec = readDecoder(config, 'llama')
    const attention = config.flag('attention_bias', false)
    const biases = { qkv: attention, o: attention, mlp: config.flag('mlp_bias', false) }
    return buildDecoder({ ...spec, biases }, tensors)
  },
})
