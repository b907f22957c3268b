import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { readModel } from '../../../src-main/engine/checkpoint/gguf/open.ts'
import { ggufFrom } from '../../../src-main/engine/checkpoint/gguf/source.ts'
import { floats, ggufFile, type Value, type WrittenTensor } from '../../helpers/gguf.ts'
import type { FuzzTarget } from '../target.ts'

const size = 8

const tensor = (name: string, ...dims: number[]): WrittenTensor => ({
  name,
  type: 0,
  dims,
  data: floats(new Float32Array(dims.reduce((product, each) => product * each, 1)).fill(0.5)),
})

/** A model of one block, as small as one can be. */
const llama = (model: [string, Value][]): Uint8Array =>
  ggufFile({
    pairs: [
      ['general.architecture', { text: 'llama' }],
      ['llama.block_count', { u32: 1 }],
      ['llama.context_length', { u32: 32 }],
      ['llama.embedding_length', { u32: size }],
      ['llama.feed_forward_length', { u32: size }],
      ['llama.attention.head_count', { u32: 2 }],
      ['llama.attention.layer_norm_rms_epsilon', { f32: 1e-5 }],
      ['llama.rope.scaling.type', { text: 'yarn' }],
      ['llama.rope.scaling.factor', { f32: 4 }],
      ...model,
    ],
    tensors: [
      tensor('token_embd.weight', size, 6),
      tensor('blk.0.attn_norm.weight', size),
      ...['q', 'k', 'v', 'output'].map((which) => tensor(`blk.0.attn_${which}.weight`, size, size)),
      tensor('blk.0.ffn_norm.weight', size),
      ...['gate', 'up', 'down'].map((which) => tensor(`blk.0.ffn_${which}.weight`, size, size)),
      tensor('output_norm.weight', size),
    ],
  })

const sentencePiece: [string, Value][] = [
  ['tokenizer.ggml.model', { text: 'llama' }],
  ['tokenizer.ggml.tokens', { texts: ['<unk>', '<s>', '</s>', '<0x0A>', 'a', 'aa'] }],
  ['tokenizer.ggml.token_type', { i32s: [2, 3, 3, 6, 1, 1] }],
  ['tokenizer.ggml.scores', { f32s: [0, 0, 0, 0, -1, -2] }],
  ['tokenizer.chat_template', { text: '{{ x }}' }],
]
const byteLevel: [string, Value][] = [
  ['tokenizer.ggml.model', { text: 'gpt2' }],
  ['tokenizer.ggml.pre', { text: 'qwen2' }],
  ['tokenizer.ggml.tokens', { texts: ['a', 'b', 'ab', 'Ġ', '<|end|>', 'é'] }],
  ['tokenizer.ggml.merges', { texts: ['a b'] }],
  ['tokenizer.ggml.bos_token_id', { u32: 4 }],
  ['tokenizer.ggml.add_bos_token', { bool: true }],
]

/** One packed tensor of many types, and lists of all kinds. */
const odds = (): Uint8Array =>
  ggufFile({
    version: 2,
    alignment: 64,
    pairs: [
      ['general.architecture', { text: 'gpt2' }],
      ['general.alignment', { u32: 64 }],
      ['a.u8s', { u8s: [1, 2] }],
      ['a.flags', { bools: [true, false] }],
      ['a.text', { text: 'é' }],
      ['split.no', { u16: 0 }],
      ['split.count', { u16: 1 }],
    ],
    tensors: [
      { name: 'q8', type: 8, dims: [32, 2], data: new Uint8Array(68) },
      { name: 'q4k', type: 12, dims: [256], data: new Uint8Array(144) },
      { name: 'half', type: 1, dims: [3, 2, 1, 1], data: new Uint8Array(12) },
      { name: 'scalar', type: 0, dims: [], data: floats([1]) },
    ],
  })

/** Header, metadata, configuration, names, graph, vocabulary, and the numbers of every tensor. */
export const gguf: FuzzTarget = {
  name: 'gguf',
  seeds: () => [llama(sentencePiece), llama(byteLevel), odds(), ggufFile({})],
  run(bytes) {
    const model = readModel(ggufFrom([bytesRange(bytes, 'fuzz.gguf')]), 'fuzz.gguf')
    for (const [name, info] of model.source.tensors) {
      const read = model.source.read(name)
      if (read.length !== info.bytes) throw new Error(`${name}: ${read.length} bytes read of ${info.bytes}`)
      const stored = model.source.readStored?.(name) ?? null
      if (stored && stored.length !== info.stored?.bytes) throw new Error(`${name}: ${stored.length} packed bytes`)
    }
    model.tokenizer?.read()
    return `${model.family} ${model.task} ${model.notices.length}`
  },
  dictionary: [
    'GGUF',
    'general.architecture',
    'general.alignment',
    'tokenizer.ggml.tokens',
    'tokenizer.ggml.unknown_token_id',
    'llama.expert_count',
    'llama.rope.scaling.type',
    'qwen2',
    'gemma2',
    'phi3',
    'gptneox',
    'bert',
    'rope_freqs.weight',
    '__proto__',
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
    Uint8Array.of(8, 0, 0, 0),
    Uint8Array.of(9, 0, 0, 0, 8, 0, 0, 0),
    Uint8Array.of(0, 0, 0x80, 0x3f),
    Uint8Array.of(0, 0, 0xc0, 0x7f),
  ],
}
