// One GGUF architecture (`general.architecture`), described once for both directions: opening a GGUF file as the Hugging
// Face model it was made from, and writing such a model as GGUF. Names, keys and layouts are those llama.cpp reads.
import type { Settings } from '../../../graph/families/config.ts'
import type { JsonMap } from '../../json.ts'
import type { TensorInfo } from '../../network.ts'
import type { Metadata, MetadataValue } from '../metadata.ts'
import type { RowOrder } from './rows.ts'

/** A Hugging Face tensor that is (part of) a GGUF tensor. */
export interface TensorPart {
  name: string
  /** GGUF rows in another order than these (rows.ts). A row is everything but the last dimension, of a vector one element;
   *  whole rows move, so packed rows can be moved without decoding. */
  order?: RowOrder
  /** First dimension, where several parts of unequal size are joined. */
  rows?: number
}

/** One tensor of a GGUF file and the Hugging Face tensors it is made of. Shapes are as Hugging Face writes them,
 *  outermost dimension first (GGUF files list them the other way round). */
export interface TensorRule {
  gguf: string // 'blk.3.attn_q.weight'
  /** Usually one. Several lie behind one another: their first dimensions add up, or, with `stacked` (all experts of a
   *  block), the GGUF tensor has one more dimension, [parts, ...shape]. */
  parts: readonly TensorPart[]
  stacked?: boolean
  /** Hugging Face holds the transposed matrix, [in, out] (GPT-2). Not possible on packed rows. */
  transposed?: boolean
  /** GGUF = Hugging Face + this (Gemma norms hold the difference to 1). */
  plus?: number
  /** Hugging Face has this many more rows in front, which nobody reads (RoBERTa positions). */
  skip?: number
  /** Hugging Face writes [1, n] for the vector [n]. */
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
