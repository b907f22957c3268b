import type { GgmlType } from '../kernels/ggml/types.ts'
import type { CodedMatrix } from './codings/define.ts'

// The canonical form of a quantized weight: what every quantizer makes, every artifact stores, every exporter packs.

/** [rows, cols], rows = output channels, row-major. */
export interface WeightMatrix {
  data: Float32Array
  rows: number
  cols: number
}

export type Granularity = 'tensor' | 'channel' | 'group'

/** w[r, c] ~ (codes[r, c] - zeros[r, g]) * scales[r, g], g = floor(c / groupSize).
 *  Scales are already rounded to the stored type, so dequantizing is exact everywhere. */
export interface QuantizedMatrix {
  rows: number
  cols: number
  bits: number // 2..8
  symmetric: boolean // zeros are all 2^(bits - 1)
  granularity: Granularity
  groupSize: number // cols for 'channel' and 'tensor'
  groups: number // per row: ceil(cols / groupSize); the last may be shorter
  scaleType: 'float16' | 'float32'
  codes: Uint8Array // [rows, cols], one code a byte, 0 .. 2^bits - 1
  scales: Float32Array // [rows, groups]; [1] for 'tensor'
  zeros: Uint8Array // [rows, groups]; [1] for 'tensor'
}

/** A weight in blocks of a GGUF type, row after row; `cols` is a multiple of the type's block size. */
export interface BlockMatrix {
  rows: number
  cols: number
  type: GgmlType
  blocks: Uint8Array // [rows, rowBytes(type, cols)]
}

/** What a quantizer makes, an artifact stores and an exporter packs. */
export type CompressedMatrix = QuantizedMatrix | BlockMatrix | CodedMatrix

export const isBlocks = (matrix: CompressedMatrix): matrix is BlockMatrix => 'blocks' in matrix
export const isCoded = (matrix: CompressedMatrix): matrix is CodedMatrix => 'coding' in matrix
