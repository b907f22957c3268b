// Small models with random weights, as Hugging Face folders.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromFloat32 } from '../../../../src-main/engine/checkpoint/convert.ts'
import { encodeSafetensors, type TensorToWrite } from '../../../../src-main/engine/checkpoint/safetensors.ts'
import { gaussian, uniform } from '../../kernels/random.ts'

/** A byte-level vocabulary of made-up tokens: enough for programs that want one. */
export const plainTokenizer = (vocabulary: number) => ({
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: null,
  model: {
    type: 'BPE',
    vocab: Object.fromEntries(Array.from({ length: vocabulary }, (_, id) => [`t${id}`, id])),
    merges: [],
  },
})

export interface QwenShape {
  width?: number
  inner?: number
  layers?: number
  vocabulary?: number
  dtype?: 'float32' | 'float16' | 'bfloat16'
  tied?: boolean
  seed?: number
}

/** Tokens that mostly follow one another as the random models expect: t, t + 1 ... */
export function chain(vocabulary: number, length: number, seed: number): number[] {
  const next = uniform(seed)
  const tokens = [Math.floor(next() * vocabulary)]
  while (tokens.length < length) {
    const last = tokens.at(-1) ?? 0
    tokens.push(next() < 0.7 ? (last + 1) % vocabulary : Math.floor(next() * vocabulary))
  }
  return tokens
}

/** Qwen2's shape: biases on query, key and value, grouped keys. The head knows the embedding of the token before each, so
 *  that one token stands out. */
export function randomQwen(folder: string, shape: QwenShape = {}): { folder: string; vocabulary: number } {
  const { width = 256, inner = 512, layers = 2, vocabulary = 512, dtype = 'float32', tied = false, seed = 1 } = shape
  const [heads, keys, head] = [4, 2, width / 4]
  const next = gaussian(seed)
  const tensors: Record<string, TensorToWrite> = {}
  const add = (name: string, dims: number[], spread: number, around: number | Float32Array = 0) => {
    const mean = (i: number) => (typeof around === 'number' ? around : (around[i] ?? 0))
    const values = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => mean(i) + spread * next())
    tensors[name] = { dtype, shape: dims, data: fromFloat32(values, dtype) }
    return values
  }
  const embedding = add('model.embed_tokens.weight', [vocabulary, width], tied ? 0.2 : 1)
  for (let i = 0; i < layers; i++) {
    const at = `model.layers.${i}`
    const spread = 1 / Math.sqrt(width)
    add(`${at}.input_layernorm.weight`, [width], 0.1, 1)
    add(`${at}.self_attn.q_proj.weight`, [heads * head, width], spread)
    add(`${at}.self_attn.q_proj.bias`, [heads * head], 0.3)
    add(`${at}.self_attn.k_proj.weight`, [keys * head, width], spread)
    add(`${at}.self_attn.k_proj.bias`, [keys * head], 0.3)
    add(`${at}.self_attn.v_proj.weight`, [keys * head, width], spread)
    add(`${at}.self_attn.v_proj.bias`, [keys * head], 0.3)
    add(`${at}.self_attn.o_proj.weight`, [width, heads * head], spread)
    add(`${at}.post_attention_layernorm.weight`, [width], 0.1, 1)
    add(`${at}.mlp.gate_proj.weight`, [inner, width], spread)
    add(`${at}.mlp.up_proj.weight`, [inner, width], spread)
    add(`${at}.mlp.down_proj.weight`, [width, inner], 1 / Math.sqrt(inner))
  }
  add('model.norm.weight', [width], 0.1, 1)
  const before = (i: number) => embedding[(i + (vocabulary - 1) * width) % embedding.length] ?? 0
  if (!tied)
    add(
      'lm_head.weight',
      [vocabulary, width],
      0.1,
      embedding.map((_, i) => 0.04 * before(i)),
    )
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(tensors, { format: 'pt' }))
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(plainTokenizer(vocabulary)))
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({
      architectures: ['Qwen2ForCausalLM'],
      model_type: 'qwen2',
      hidden_size: width,
      intermediate_size: inner,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: keys,
      vocab_size: vocabulary,
      max_position_embeddings: 512,
      rms_norm_eps: 1e-6,
      rope_theta: 10000,
      hidden_act: 'silu',
      tie_word_embeddings: tied,
      bos_token_id: 0,
      eos_token_id: 1,
    }),
  )
  return { folder, vocabulary }
}

/** Mixtral's shape: one block with four experts. */
export function randomMixtral(folder: string): string {
  const [width, inner, experts, vocabulary] = [64, 96, 4, 64]
  const next = gaussian(3)
  const tensors: Record<string, TensorToWrite> = {}
  const add = (name: string, ...shape: number[]) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.1 * next())
    tensors[name] = { dtype: 'float32', shape, data: fromFloat32(values, 'float32') }
  }
  const at = 'model.layers.0'
  for (const name of ['model.embed_tokens.weight', 'lm_head.weight']) add(name, vocabulary, width)
  for (const name of ['model.norm', `${at}.input_layernorm`, `${at}.post_attention_layernorm`]) add(`${name}.weight`, width) // prettier-ignore
  for (const name of ['q', 'k', 'v', 'o']) add(`${at}.self_attn.${name}_proj.weight`, width, width)
  add(`${at}.block_sparse_moe.gate.weight`, experts, width)
  for (let i = 0; i < experts; i++) {
    const expert = `${at}.block_sparse_moe.experts.${i}`
    add(`${expert}.w1.weight`, inner, width)
    add(`${expert}.w2.weight`, width, inner)
    add(`${expert}.w3.weight`, inner, width)
  }
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(tensors, { format: 'pt' }))
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(plainTokenizer(vocabulary)))
  const config = {
    ...{ architectures: ['MixtralForCausalLM'], model_type: 'mixtral', hidden_size: width, intermediate_size: inner },
    ...{ num_hidden_layers: 1, num_attention_heads: 4, num_key_value_heads: 4, num_local_experts: experts },
    ...{ num_experts_per_tok: 2, vocab_size: vocabulary, max_position_embeddings: 128, rms_norm_eps: 1e-5 },
    ...{ rope_theta: 10000, hidden_act: 'silu', tie_word_embeddings: false, sliding_window: null },
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  return folder
}
