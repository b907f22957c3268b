// One GGUF architecture (`general.architecture`), described once for both directions: opening a GGUF file as the Hugging
// Face model it was made from, and writing such a model as GGUF. Names, keys and layouts are those llama.cpp reads.
import type { Settings } from '../../../graph/families/config.ts'
import type { JsonMap } from '../../json.ts'
import type { TensorInfo } from '../../network.ts'
import type { Metadata, MetadataValue } from '../metadata.ts'
import type { RowOrder } from './rows.ts'

/** One tensor of a GGUF file and the Hugging Face tensors it is made of. Shapes are as Hugging Face writes them,
 *  outermost dimension first (GGUF files list them the other way round). */
export interface TensorRule {
  gguf: string // 'blk.3.attn_q.weight'
  /** Hugging Face names, usually one. Several (all experts of a block) lie behind one another: with `stacked` the GGUF
   *  tensor has one more dimension, [parts, ...shape], without it the first dimensions add up. */
  parts: readonly string[]
  stacked?: boolean
  /** GGUF rows in another order than those of the (joined) parts. A row is everything but the last dimension, of a
   *  vector one element; whole rows move, so packed rows can be moved without decoding (rows.ts). */
  order?: RowOrder
  /** Hugging Face holds the transposed matrix, [in, out] (GPT-2). Not possible on packed rows. */
  transposed?: boolean
  /** GGUF = Hugging Face + this (Gemma norms hold the difference to 1). Always float32 in the file. */
  plus?: number
  /** Hugging Face drops or adds these many rows in front (RoBERTa positions): GGUF has rows skip .. end. */
  skip?: number
  /** The other shape of the same numbers: Hugging Face [1, n] is GGUF [n]. */
  flat?: boolean
}

/** Hugging Face tensors by name: what a checkpoint really holds, where a model has several spellings. */
export interface Names {
  has(name: string): boolean
}

/** What an architecture may ask of the GGUF file that it makes a configuration for. */
export interface GgufContents {
  file: string // for messages
  metadata: Metadata
  /** By GGUF name; shape outermost dimension first. */
  tensors: ReadonlyMap<string, { shape: readonly number[] }>
  /** Decoded numbers of a small tensor (rope_freqs). Null where there is none. */
  readTable(name: string): Float32Array | null
}

export interface Architecture {
  id: string // general.architecture
  title: string
  modelTypes: readonly string[] // `model_type` of the Hugging Face configurations it can hold
  /** Hugging Face configuration of a file: model_type and architectures are those of graph/families. Faults 'bad-input' for
   *  missing or impossible metadata, 'unsupported' for settings that no Hugging Face configuration expresses. */
  configOf(contents: GgufContents): JsonMap
  /** All `<id>.*` keys that llama.cpp asks for, in a fixed order; general.* and tokenizer.* are the writer's. Faults
   *  'unsupported' for a setting that llama.cpp cannot honour, 'bad-input' for a wrong one. */
  metadataOf(config: Settings, tensors: ReadonlyMap<string, TensorInfo>): Map<string, MetadataValue>
  /** Every tensor a model of this configuration may have. A rule applies where all of its source side is there and no
   *  earlier rule took it; the rest of the file is reported, not guessed. `names`: the checkpoint's tensors on export. */
  rules(config: Settings, names?: Names): TensorRule[]
  /** Tensors of the GGUF file that no weight stands for, made from the configuration (rope_freqs, rope_factors_*). */
  tables?(config: Settings): Map<string, Float32Array>
}

export const defineArchitecture = (architecture: Architecture): Architecture => architecture
