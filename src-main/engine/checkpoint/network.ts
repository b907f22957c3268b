import type { CheckpointSummary, Role } from '../../../src-preload/contract/model.ts'
import type { DataType, Graph } from '../graph/ir.ts'
import type { JsonMap } from './json.ts'

/** How a tensor lies in its file where that is not as plain elements of `dtype`. */
export interface StoredForm {
  type: string // as the format calls it: 'Q4_K', 'GPTQ 4-bit g128', 'QDQ int8'
  bytes: number // in the file, scales and zero points counted
}

export interface TensorInfo {
  name: string
  dtype: DataType
  shape: number[]
  bytes: number
  file: string // absolute path of the file that holds it
  /** Packed in the file: dtype, shape and bytes are then those of the decoded numbers, which is what `read` gives. */
  stored?: StoredForm
}

/** Lazy tensors of a checkpoint: listing costs headers only, reading costs what is read. Reads are synchronous; the
 *  engine is its own process. Whoever opened it closes it. */
export interface TensorSource {
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /** Raw little-endian bytes [begin, end) of a tensor; the whole tensor without a range. Faults when the file changed. */
  read(name: string, range?: { begin: number; end: number }): Uint8Array
  /** `read` into memory that is used again and again: fresh memory for every piece of a large file costs as much as reading
   *  it. Absent where bytes are computed anyway. */
  readInto?(name: string, begin: number, out: Uint8Array): void
  /** Bytes [begin, end) of a packed tensor as they lie in the file, for formats where that is one run (GGUF blocks). Absent,
   *  or null for a tensor that has no such form. */
  readStored?(name: string, range?: { begin: number; end: number }): Uint8Array | null
  close(): void
}

/** A weight that can be compressed, seen as a matrix of output channels x inputs. */
export interface Layer {
  name: string // tensor and initializer name
  role: Role
  block: number | null
  shape: number[]
  dtype: DataType
  bytes: number // decoded; see `stored`
  stored?: StoredForm
  parameters: number
  compressible: boolean
  rows: number // output channels (embedding: vocabulary)
  cols: number // weights per output channel
  /** 'rows': memory order is [rows, cols] (Conv, Gemm transB=1, Gather). 'cols': memory order is [cols, rows] (MatMul, Gemm transB=0). */
  order: 'rows' | 'cols'
  op: string // operator that consumes it: Conv, Gemm, MatMul, Gather, LSTM ...; '' when tensors only
  expert?: number // of a mixture: which expert of the block it belongs to
}

export interface Block {
  index: number
  name: string // 'model.layers.3', '/layer1/layer1.0'
  layers: string[]
  /** Graph values that, together with graph inputs, are all that later nodes need from what lies before this block. */
  inputs: string[]
}

/** How a causal language model ends: kept apart from the body so that the logit matrix need not exist (SYSTEMS.md V2). */
export interface LanguageHead {
  hidden: string // graph value [batch * time, width], after the last norm
  weight: string // initializer [vocabulary, width], rows order; the embedding's own when tied
  vocabulary: number
  width: number
  context: number // longest window the checkpoint is made for
  beginToken: number | null // BOS
  softCap?: number // logits are softCap * tanh(hidden weight^T / softCap)
}

/** The vocabulary and rules that come with a language model, as a tokenizer.json document: the file's own, or made from a
 *  GGUF file's metadata. */
export interface TokenizerDocument {
  file: string // where it comes from, for messages and fingerprints
  read(): JsonMap // parsed when asked for; not yet checked (data/text/tokenizer.ts does that)
}

export interface TokenFacts {
  vocabulary: number
  context: number | null // longest row of tokens it was made for
  image?: { token: number; count: number } // the number that stands for an image, and how often it must
}

/** Shorter side to `size`, centre `crop`, `resize` to a square, in this order; then (pixel - mean) / scale, pixels 0 .. 255. */
export interface ImagePreprocess {
  size?: number
  crop?: number
  resize?: number
  channels: 'RGB'
  mean: number[]
  scale: number[]
}

/** What a graph rounds beside its weights, where a rewriting of family 'activate' made it so. */
export interface Rounding {
  method: string
  title: string
  what: 'activations' | 'attention' | 'cache'
  type: 'int' | 'float'
  bits: number
  float?: string // of floats: 'e4m3'
  scale: 'token' | 'tensor' | 'channel' | 'group' | 'cross' // what shares one
  dynamic: boolean // found while running, not calibrated
  symmetric: boolean
  layers: string[] // whose inputs are rounded
}

/** What was left out of a network (graph/rewrites/remove-blocks.ts). */
export interface LeftOut {
  /** As they were numbered and named; the blocks that remain keep their numbers and names. */
  blocks: readonly Pick<Block, 'index' | 'name'>[]
  /** Configuration and tensors before anything was left out. */
  whole: { config: JsonMap | null; source: TensorSource }
  /** Why `config` cannot say what the remaining blocks compute once they are numbered anew, in words; null where it can. */
  misfit(): string | null
  /** The remaining blocks are numbered anew, as a file has them (export/close-up.ts). */
  closed?: boolean
}

export interface Network {
  path: string
  name: string
  format: CheckpointSummary['format']
  family: string
  task: CheckpointSummary['task']
  fingerprint: string
  bytes: number
  graph: Graph | null // null: tensors only
  source: TensorSource
  layers: Layer[] // every tensor of the checkpoint with its role, in graph order
  blocks: Block[]
  head: LanguageHead | null
  /** Hugging Face configuration: config.json as it is, or made from a GGUF file's metadata; null where there is none. */
  config: JsonMap | null
  tokenizer: TokenizerDocument | null
  chatTemplate: string | null // Jinja text; never rendered on opening
  /** Texts of special tokens where the checkpoint names them: bos_token, eos_token ... */
  specialTokens?: Readonly<Record<string, string>>
  /** What it takes as token numbers, where its family tells. */
  tokens?: TokenFacts
  /** What is done to images before this network sees them, where its folder says so (preprocessor_config.json). */
  images?: ImagePreprocess
  /** The same language model with key-value cache inputs and outputs, as generators want it (families/cached.ts); absent
   *  where the family has no such form. */
  cached?: () => Graph
  rounding?: readonly Rounding[]
  leftOut?: LeftOut
  notices: string[]
  card: Record<string, string>
  files: string[] // every file the checkpoint is made of, absolute
}
