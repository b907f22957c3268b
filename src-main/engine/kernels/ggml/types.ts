// The element types of GGUF files. Numbers, block sizes and block bytes: ggml's public header (enum ggml_type) and the
// struct sizes of its block formats.

export interface GgmlTypeInfo {
  id: number // in the file
  blockSize: number // weights per block
  blockBytes: number
}

const row = (id: number, blockSize: number, blockBytes: number): GgmlTypeInfo => ({ id, blockSize, blockBytes })

export const ggmlTypes = {
  F32: row(0, 1, 4),
  F16: row(1, 1, 2),
  Q4_0: row(2, 32, 18),
  Q4_1: row(3, 32, 20),
  Q5_0: row(6, 32, 22),
  Q5_1: row(7, 32, 24),
  Q8_0: row(8, 32, 34),
  Q8_1: row(9, 32, 36),
  Q2_K: row(10, 256, 84),
  Q3_K: row(11, 256, 110),
  Q4_K: row(12, 256, 144),
  Q5_K: row(13, 256, 176),
  Q6_K: row(14, 256, 210),
  Q8_K: row(15, 256, 292),
  IQ2_XXS: row(16, 256, 66),
  IQ2_XS: row(17, 256, 74),
  IQ3_XXS: row(18, 256, 98),
  IQ1_S: row(19, 256, 50),
  IQ4_NL: row(20, 32, 18),
  IQ3_S: row(21, 256, 110),
  IQ2_S: row(22, 256, 82),
  IQ4_XS: row(23, 256, 136),
  I8: row(24, 1, 1),
  I16: row(25, 1, 2),
  I32: row(26, 1, 4),
  I64: row(27, 1, 8),
  F64: row(28, 1, 8),
  IQ1_M: row(29, 256, 56),
  BF16: row(30, 1, 2),
  TQ1_0: row(34, 256, 54),
  TQ2_0: row(35, 256, 66),
  MXFP4: row(39, 32, 17),
} as const satisfies Record<string, GgmlTypeInfo>

export type GgmlType = keyof typeof ggmlTypes

/** Types a weight can be written in. */
export const writableTypes = [
  'F32',
  'F16',
  'BF16',
  'Q8_0',
  'Q6_K',
  'Q5_K',
  'Q5_1',
  'Q5_0',
  'Q4_K',
  'Q4_1',
  'Q4_0',
  'IQ4_NL',
  'IQ4_XS',
  'MXFP4',
  'Q3_K',
  'IQ3_S',
  'IQ3_XXS',
  'Q2_K',
  'IQ2_S',
  'IQ2_XS',
  'IQ2_XXS',
  'TQ2_0',
] as const satisfies readonly GgmlType[]

export const bitsPerWeight = (type: GgmlType): number => {
  const { blockBytes, blockSize } = ggmlTypes[type]
  return (blockBytes * 8) / blockSize
}

/** Bytes of a row of `cols` weights, which must be whole blocks. */
export const rowBytes = (type: GgmlType, cols: number): number => {
  const { blockBytes, blockSize } = ggmlTypes[type]
  return (cols / blockSize) * blockBytes
}
