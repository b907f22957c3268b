import type { Role } from '../../../src-preload/contract/model.ts'
import type { DataType, Graph } from '../graph/ir.ts'

export interface TensorInfo {
  name: string
  dtype: DataType
  shape: number[]
  bytes: number
  file: string // absolute path of the file that holds it
}

/** Lazy tensors of a checkpoint: listing costs headers only, reading costs what is read. Reads are synchronous; the
 *  engine is its own process. Whoever opened it closes it. */
export interface TensorSource {
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /** Raw little-endian bytes [begin, end) of a tensor; the whole tensor without a range. Faults when the file changed. */
  read(name: string, range?: { begin: number; end: number }): Uint8Array
  close(): void
}

/** A weight that can be compressed, seen as a matrix of output channels x inputs. */
export interface Layer {
  name: string // tensor and initializer name
  role: Role
  block: number | null
  shape: number[]
  dtype: DataType
  bytes: number
  parameters: number
  compressible: boolean
  rows: number // output channels (embedding: vocabulary)
  cols: number // weights per output channel
  /** 'rows': memory order is [rows, cols] (Conv, Gemm transB=1, Gather). 'cols': memory order is [cols, rows] (MatMul, Gemm transB=0). */
  order: 'rows' | 'cols'
  op: string // operator that consumes it: Conv, Gemm, MatMul, Gather, LSTM ...; '' when tensors only
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
}

export interface Network {
  path: string
  name: string
  format: 'onnx' | 'safetensors'
  family: string
  task: 'causal-lm' | 'image-classification' | 'other' | 'none'
  fingerprint: string
  bytes: number
  graph: Graph | null // null: tensors only
  source: TensorSource
  layers: Layer[] // every tensor of the checkpoint with its role, in graph order
  blocks: Block[]
  head: LanguageHead | null
  notices: string[]
  card: Record<string, string>
  files: string[] // every file the checkpoint is made of, absolute
}
