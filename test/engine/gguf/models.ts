// A Hugging Face Llama folder as an F32 GGUF file, by the published layout alone: names, interleaved query and key rows,
// tokenizer in metadata. Independent of the architectures under test.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFloat32 } from '../../../src-main/engine/checkpoint/weights.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { floats, ggufFile, type GgufParts, type Value, type WrittenTensor } from '../../helpers/gguf.ts'

interface Tokenizer {
  added_tokens: { id: number; content: string }[]
  model: { vocab: Record<string, number>; merges: (string | [string, string])[]; byte_fallback: boolean }
}

const names: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens\.weight$/, 'token_embd.weight'],
  [/^model\.norm\.weight$/, 'output_norm.weight'],
  [/^lm_head\.weight$/, 'output.weight'],
  [/^model\.layers\.(\d+)\.input_layernorm\.weight$/, 'blk.$1.attn_norm.weight'],
  [/^model\.layers\.(\d+)\.post_attention_layernorm\.weight$/, 'blk.$1.ffn_norm.weight'],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj\.weight$/, 'blk.$1.attn_output.weight'],
  [/^model\.layers\.(\d+)\.self_attn\.([qkv])_proj\.weight$/, 'blk.$1.attn_$2.weight'],
  [/^model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj\.weight$/, 'blk.$1.ffn_$2.weight'],
]

const tokenizerPairs = (folder: string): [string, Value][] => {
  const { model, added_tokens } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as Tokenizer
  const texts: string[] = []
  for (const [token, id] of Object.entries(model.vocab)) texts[id] = token
  for (const { id, content } of added_tokens) texts[id] = content
  const special = new Set(added_tokens.map(({ id }) => id))
  const merges = model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')))
  const rank = new Map(merges.map((merge, i) => [merge.replace(' ', ''), i]))
  const types = texts.map((token, id) =>
    model.byte_fallback && /^<0x..>$/.test(token) ? 6 : special.has(id) ? (token === '<unk>' ? 2 : 3) : 1,
  )
  return [
    ['tokenizer.ggml.model', { text: model.byte_fallback ? 'llama' : 'gpt2' }],
    ['tokenizer.ggml.pre', { text: model.byte_fallback ? 'default' : 'gpt-2' }],
    ['tokenizer.ggml.tokens', { texts }],
    ['tokenizer.ggml.token_type', { i32s: types }],
    model.byte_fallback
      ? // SentencePiece BPE: the earlier a token was merged, the higher its score.
        ['tokenizer.ggml.scores', { f32s: texts.map((token) => -(rank.get(token) ?? merges.length)) }]
      : ['tokenizer.ggml.merges', { texts: merges }],
  ]
}

/** Keys and tensors of a Llama folder. */
export function llamaParts(folder: string): GgufParts & { tensors: WrittenTensor[]; pairs: [string, Value][] } {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, number>
  const number = (field: string) => config[field] ?? 0
  const [heads, keyHeads] = [number('num_attention_heads'), number('num_key_value_heads')]
  const network = openNetwork(folder)
  const tensors = [...network.source.tensors.values()].map(({ name, shape }): WrittenTensor => {
    const [pattern, target] = names.find(([each]) => each.test(name)) ?? [/^/, '']
    let data = readFloat32(network, name)
    const [rows = 1, cols = 1] = shape
    const turned = /\.([qk])_proj\.weight$/.exec(name)?.[1]
    if (turned) {
      const size = rows / (turned === 'q' ? heads : keyHeads)
      const source = data
      data = new Float32Array(source.length)
      for (let row = 0; row < rows; row++) {
        // Half-split row (head, half, i) becomes neighbour (head, i, half).
        const [head, half, i] = [Math.floor(row / size), Math.floor((row % size) / (size / 2)), row % (size / 2)]
        data.set(source.subarray(row * cols, (row + 1) * cols), (head * size + i * 2 + half) * cols)
      }
    }
    return { name: name.replace(pattern, target), type: 0, dims: [...shape].reverse(), data: floats(data) }
  })
  network.source.close()
  return {
    pairs: [
      ['general.architecture', { text: 'llama' }],
      ['general.name', { text: 'a test' }],
      ['general.license', { text: 'mit' }],
      ['general.file_type', { u32: 0 }],
      ['llama.block_count', { u32: number('num_hidden_layers') }],
      ['llama.context_length', { u32: number('max_position_embeddings') }],
      ['llama.embedding_length', { u32: number('hidden_size') }],
      ['llama.feed_forward_length', { u32: number('intermediate_size') }],
      ['llama.attention.head_count', { u32: heads }],
      ['llama.attention.head_count_kv', { u32: keyHeads }],
      ['llama.attention.layer_norm_rms_epsilon', { f32: number('rms_norm_eps') }],
      ['llama.rope.dimension_count', { u32: number('hidden_size') / heads }],
      ['llama.rope.freq_base', { f32: number('rope_theta') }],
      ...tokenizerPairs(folder),
      ['tokenizer.ggml.bos_token_id', { u32: number('bos_token_id') }],
      ['tokenizer.ggml.eos_token_id', { u32: number('eos_token_id') }],
    ],
    tensors,
  }
}

export const llamaFile = (folder: string): Uint8Array => ggufFile(llamaParts(folder))
