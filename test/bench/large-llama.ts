// A Llama of 1.1 billion random float16 weights, written as a stream. Not trained: nothing about quality is to be measured
// on it. Normal weights with rows of different spread, as encoders meet them.
import { Buffer } from 'node:buffer'
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { floatToHalf } from '../../src-main/engine/checkpoint/convert.ts'
import { gaussianMatrix } from '../engine/kernels/random.ts'

const [width, inner, layers, vocabulary, keys] = [2048, 8192, 16, 32000, 512]

function shapes(): [string, number[]][] {
  const blocks = Array.from({ length: layers }, (_, i): [string, number[]][] => [
    [`model.layers.${i}.input_layernorm.weight`, [width]],
    [`model.layers.${i}.self_attn.q_proj.weight`, [width, width]],
    [`model.layers.${i}.self_attn.k_proj.weight`, [keys, width]],
    [`model.layers.${i}.self_attn.v_proj.weight`, [keys, width]],
    [`model.layers.${i}.self_attn.o_proj.weight`, [width, width]],
    [`model.layers.${i}.post_attention_layernorm.weight`, [width]],
    [`model.layers.${i}.mlp.gate_proj.weight`, [inner, width]],
    [`model.layers.${i}.mlp.up_proj.weight`, [inner, width]],
    [`model.layers.${i}.mlp.down_proj.weight`, [width, inner]],
  ])
  const table: [string, number[]] = ['model.embed_tokens.weight', [vocabulary, width]]
  return [table, ...blocks.flat(), ['model.norm.weight', [width]], ['lm_head.weight', [vocabulary, width]]]
}

export function writeLargeLlama(folder: string): void {
  mkdirSync(folder, { recursive: true })
  let at = 0
  const header: Record<string, object> = {}
  for (const [name, shape] of shapes()) {
    const bytes = 2 * shape.reduce((product, size) => product * size, 1)
    header[name] = { dtype: 'F16', shape, data_offsets: [at, (at += bytes)] }
  }
  const json = Buffer.from(JSON.stringify(header))
  const file = openSync(join(folder, 'model.safetensors'), 'wx')
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  writeSync(file, length)
  writeSync(file, json)
  // 8 million weights, again and again: no encoder remembers rows.
  const halves = floatToHalf(gaussianMatrix(4096, 2048, 1).data)
  const piece = Buffer.from(halves.buffer)
  for (let done = 0; done < at;) done += writeSync(file, piece, 0, Math.min(piece.length, at - done))
  closeSync(file)
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      hidden_size: width,
      intermediate_size: inner,
      num_hidden_layers: layers,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      head_dim: 64,
      vocab_size: vocabulary,
      max_position_embeddings: 2048,
      rms_norm_eps: 1e-5,
      rope_theta: 10000,
      hidden_act: 'silu',
      tie_word_embeddings: false,
    }),
  )
}
