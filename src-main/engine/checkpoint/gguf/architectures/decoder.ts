// What the decoders of llama.cpp have in common, both ways: configuration fields <-> metadata keys, and the tensors of a
// block. Keys: gguf-py/gguf/constants.py and llama-model.cpp (load_hparams) of llama.cpp; fields: transformers.
import type { Settings } from '../../../graph/families/config.ts'
import type { Json, JsonMap } from '../../json.ts'
import type { GgufContents } from './define.ts'
import { MetadataReader, specialTokens } from './reading.ts'
import { readScaling, thetaOf, writeScaling } from './rope.ts'
import { MetadataWriter } from './writing.ts'

const many = 1 << 24
export const mostBlocks = 512 // llama.cpp's

export interface Sizes {
  depth: number
  width: number
  heads: number
  keyHeads: number
  headSize: number
}

/** Reads the fields that every decoder has; `config` is filled, what differs is the caller's. */
export function readDecoderConfig(
  contents: GgufContents,
  id: string,
  model: { type: string; architecture: string },
): { config: JsonMap; reader: MetadataReader; sizes: Sizes } {
  const reader = new MetadataReader(contents, id)
  const width = reader.integer('embedding_length', { min: 1, max: many })
  const depth = reader.integer('block_count', { min: 1, max: mostBlocks })
  const heads = reader.integer('attention.head_count', { min: 1, max: 65536 })
  const keyHeads = reader.integer('attention.head_count_kv', { min: 1, max: heads }, heads)
  if (heads % keyHeads !== 0) throw reader.wrong('attention.head_count_kv', `a divisor of head_count (${heads})`)
  if (!reader.has('attention.key_length') && width % heads !== 0) {
    throw reader.wrong('attention.head_count', `a divisor of embedding_length (${width}) where there is no key_length`)
  }
  const headSize = reader.integer('attention.key_length', { min: 2, max: 65536 }, width / heads)
  if (reader.integer('attention.value_length', { min: 2, max: 65536 }, headSize) !== headSize) {
    throw reader.unsupported('attention.value_length', `values of another size than keys (${headSize})`)
  }
  const config: JsonMap = new Map<string, Json>([
    ['model_type', model.type],
    ['architectures', [model.architecture]],
    ['vocab_size', reader.shapeOf('token_embd.weight', 2)[0] ?? 0],
    ['hidden_size', width],
    ['num_hidden_layers', depth],
    ['num_attention_heads', heads],
    ['num_key_value_heads', keyHeads],
    ['head_dim', headSize],
    ['max_position_embeddings', reader.integer('context_length', { min: 1, max: 2 ** 31 })],
    ['tie_word_embeddings', !reader.hasTensor('output.weight')],
    ...specialTokens(contents),
  ])
  return { config, reader, sizes: { depth, width, heads, keyHeads, headSize } }
}

/** Rotary base, scaling and rotated part. `rotary`: how many features of a head turn where the file does not say. */
export function readRotary(reader: MetadataReader, config: JsonMap, headSize: number): void {
  const theta = reader.number('rope.freq_base', 1, 10000)
  config.set('rope_theta', theta)
  const turned = reader.integer('rope.dimension_count', { min: 1, max: headSize }, headSize)
  if (turned !== headSize) config.set('partial_rotary_factor', turned / headSize)
  const scaling = readScaling(reader, config, theta, turned)
  if (scaling) config.set('rope_scaling', scaling)
}

export function sizesOf(config: Settings): Sizes {
  const width = config.integer('hidden_size', { min: 1, max: many })
  const heads = config.integer('num_attention_heads', { min: 1, max: 65536 })
  return {
    depth: config.integer('num_hidden_layers', { min: 1, max: mostBlocks }),
    width,
    heads,
    keyHeads: config.integer('num_key_value_heads', { min: 1, max: heads }, heads),
    headSize: config.integer('head_dim', { min: 1, max: 65536 }, Math.floor(width / heads)),
  }
}

const mostExperts = 1024
const mostExpertsTogether = 1 << 16 // of all blocks: each becomes three tensors

/** Experts of each block. Faults where all of them together are more than any model has. */
export function expertsOf(config: Settings, field: string, usual?: number): number {
  const count = config.integer(field, { min: 1, max: mostExperts }, usual)
  if (count * sizesOf(config).depth > mostExpertsTogether)
    throw config.unsupported(field, `more than ${mostExpertsTogether} experts in all blocks together`)
  return count
}

/** Features of a head that turn. */
export function turnedOf(config: Settings, headSize: number): number {
  const newer = config.section('rope_parameters')
  const holder = newer?.has('partial_rotary_factor') ? newer : config
  return Math.floor(headSize * holder.number('partial_rotary_factor', 0, 1))
}

/** Keys that every decoder has. `context`: longest window that llama.cpp computes as the model means it. */
export function writeDecoder(config: Settings, id: string, context: number, inner: string | null): MetadataWriter {
  const { depth, width, heads, keyHeads, headSize } = sizesOf(config)
  const writer = new MetadataWriter(id)
  writer.integer('block_count', depth).integer('context_length', context).integer('embedding_length', width)
  if (inner !== null) writer.integer('feed_forward_length', config.integer(inner, { min: 1, max: many }))
  writer.integer('attention.head_count', heads).integer('attention.head_count_kv', keyHeads)
  if (headSize * heads !== width || config.has('head_dim'))
    writer.integer('attention.key_length', headSize).integer('attention.value_length', headSize)
  return writer
}

/** Keys of the rotary positions. Faults 'unsupported' for a scaling that llama.cpp has not. */
export function writeRotary(config: Settings, writer: MetadataWriter, context: number, usual = 10000): void {
  const { headSize } = sizesOf(config)
  writer.integer('rope.dimension_count', turnedOf(config, headSize)).float('rope.freq_base', thetaOf(config, usual))
  writeScaling(config, writer, context)
}

/** GPT-NeoX has names of its own for the rotary base and the part of a head that turns. */
export function thetaOfNeox(config: Settings): { theta: number; part: number } {
  const newer = config.section('rope_parameters')
  if (newer)
    return { theta: newer.number('rope_theta', 1, 10000), part: newer.number('partial_rotary_factor', 0, 0.25) }
  return { theta: config.number('rotary_emb_base', 1, 10000), part: config.number('rotary_pct', 0, 0.25) }
}

/** `max_position_embeddings`; shorter where every block looks back on fewer tokens, which llama.cpp does not do in this
 *  architecture: up to there the results agree. */
export function contextOf(config: Settings, window: number | null = null): number {
  const context = config.integer('max_position_embeddings', { min: 1, max: 2 ** 31 }, 2048)
  return window === null ? context : Math.min(context, window)
}

/** llama.cpp has one activation for each architecture. */
export function checkActivation(config: Settings, field: string, allowed: readonly string[]): void {
  const found = config.text(field, allowed[0])
  if (!allowed.includes(found))
    throw config.unsupported(field, `llama.cpp computes ${allowed[0]} here, not ${JSON.stringify(found.slice(0, 40))}`)
}
