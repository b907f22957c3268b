// Time and memory from a GGUF file of 6 GB to its layer table: a sparse file of the shape of Qwen2-7B in Q6_K, with a
// vocabulary of 151,936 tokens and as many merges. Another process opens it, so that only that counts.
//   node test/bench/gguf-open.ts [FILE]
import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openNetwork, summarise } from '../../src-main/engine/checkpoint/open.ts'
import { rowBytes } from '../../src-main/engine/kernels/ggml/types.ts'
import { ggufFile, type Value, type WrittenTensor } from '../helpers/gguf.ts'

function open(path: string): void {
  const began = performance.now()
  const network = openNetwork(path)
  const { layers } = summarise(network)
  const elapsedMs = performance.now() - began
  const peak = process.resourceUsage().maxRSS / 1024
  console.log(
    `${(statSync(path).size / 1e9).toFixed(2)} GB: ${layers.length} layers in ${elapsedMs.toFixed(0)} ms, process ${peak.toFixed(0)} MB`,
  )
  const asked = performance.now()
  network.tokenizer?.read()
  console.log(`vocabulary, when asked for: ${(performance.now() - asked).toFixed(0)} ms`)
  network.source.close()
}

if (process.argv[2] !== undefined) {
  open(process.argv[2])
  process.exit(0)
}

const [width, inner, depth, heads, keyHeads, vocabulary] = [3584, 18944, 28, 28, 4, 151_936]
const sizes = new Map<string, number>()
const tensor = (name: string, ...dims: number[]): WrittenTensor => {
  const packed = dims.length > 1
  const [cols = 1, rows = 1] = dims
  sizes.set(name, Math.ceil((packed ? rowBytes('Q6_K', cols) * rows : cols * 4) / 32) * 32)
  return { name, type: packed ? 14 : 0, dims }
}
const keys = (width / heads) * keyHeads
const tensors = [
  tensor('token_embd.weight', width, vocabulary),
  tensor('output.weight', width, vocabulary),
  tensor('output_norm.weight', width),
  ...Array.from({ length: depth }, (_, i) => {
    const block = (name: string, ...dims: number[]) => tensor(`blk.${i}.${name}`, ...dims)
    return [
      block('attn_norm.weight', width),
      block('attn_q.weight', width, width),
      block('attn_q.bias', width),
      block('attn_k.weight', width, keys),
      block('attn_k.bias', keys),
      block('attn_v.weight', width, keys),
      block('attn_v.bias', keys),
      block('attn_output.weight', width, width),
      block('ffn_norm.weight', width),
      block('ffn_gate.weight', width, inner),
      block('ffn_up.weight', width, inner),
      block('ffn_down.weight', inner, width),
    ]
  }).flat(),
]
let at = 0
const placed = tensors.map((each) => {
  const offset = at
  at += sizes.get(String(each.name)) ?? 0
  return { ...each, offset }
})
const texts = Array.from({ length: vocabulary }, (_, i) => `Ġtoken${i}`)
const pairs: [string, Value][] = [
  ['general.architecture', { text: 'qwen2' }],
  ['qwen2.block_count', { u32: depth }],
  ['qwen2.context_length', { u32: 32768 }],
  ['qwen2.embedding_length', { u32: width }],
  ['qwen2.feed_forward_length', { u32: inner }],
  ['qwen2.attention.head_count', { u32: heads }],
  ['qwen2.attention.head_count_kv', { u32: keyHeads }],
  ['qwen2.attention.layer_norm_rms_epsilon', { f32: 1e-6 }],
  ['tokenizer.ggml.model', { text: 'gpt2' }],
  ['tokenizer.ggml.pre', { text: 'qwen2' }],
  ['tokenizer.ggml.tokens', { texts }],
  ['tokenizer.ggml.token_type', { i32s: texts.map(() => 1) }],
  ['tokenizer.ggml.merges', { texts: texts.map((text) => `${text} ${text}`) }],
]
const folder = mkdtempSync(join(tmpdir(), 'lathe-open-'))
try {
  const path = join(folder, 'qwen2-7b-q6_k.gguf')
  const header = ggufFile({ pairs, tensors: placed })
  const descriptor = openSync(path, 'w')
  writeSync(descriptor, header)
  ftruncateSync(descriptor, header.length + at)
  closeSync(descriptor)
  execFileSync(process.execPath, [import.meta.filename, path], { stdio: 'inherit' })
} finally {
  rmSync(folder, { recursive: true })
}
