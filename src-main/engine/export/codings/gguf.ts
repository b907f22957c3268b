// MXFP4 as GGUF blocks (kernels/ggml/layout.ts draws them): the same numbers, codes j and j + 16 of 32 in one byte, the scale's
// exponent before them. Nothing is rounded again.
//
//   | e: u8, 2^(e - 127) | 16 bytes: code j in bits 3..0, code j + 16 in bits 7..4 |
import type { Option } from '../../../../src-preload/contract/plan.ts'
import { type GgmlType, ggmlTypes } from '../../kernels/ggml/types.ts'
import type { CodedForm, CodedMatrix } from '../../quantize/codings/define.ts'
import { mxfp4Levels } from '../../quantize/codings/fp4.ts'
import { readLevels } from '../../quantize/codings/levels.ts'
import type { BlockMatrix } from '../../quantize/types.ts'

const BLOCK = 32

/** The block type that holds a weight of this form as it is; null where there is none. */
export const blockTypeOf = ({ coding, cols }: Pick<CodedForm, 'coding' | 'cols'>): GgmlType | null =>
  coding === 'mxfp4' && cols % BLOCK === 0 ? 'MXFP4' : null

/** The same of an option. */
export const blockTypeOfOption = ({ method }: Pick<Option, 'method'>, cols: number): GgmlType | null =>
  blockTypeOf({ coding: method, cols })

/** The weight as blocks; null where no type holds it. */
export function codedBlocks(m: CodedMatrix): BlockMatrix | null {
  const { rows, cols } = m
  const type = blockTypeOf(m)
  if (type === null) return null
  const { codes } = readLevels(m, mxfp4Levels)
  const exponents = m.parts.scales?.data ?? new Uint8Array()
  const { blockBytes } = ggmlTypes[type]
  const blocks = new Uint8Array(exponents.length * blockBytes)
  for (let b = 0, at = 0, from = 0; b < exponents.length; b++, from += BLOCK) {
    blocks[at++] = exponents[b] as number
    for (let j = 0; j < BLOCK / 2; j++)
      blocks[at++] = (codes[from + j] as number) | ((codes[from + j + BLOCK / 2] as number) << 4)
  }
  return { rows, cols, type, blocks }
}
