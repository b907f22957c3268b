// Where the fields of the code-book types stand in a block of 256 weights. Facts from ggml's public block definitions.
//
//   IQ2_XXS | d 0-1 | 8 x ( 4 words of 8 bits | 4 x 7 sign bits, scale 4 bits ) |
//   IQ2_XS  | d 0-1 | 32 x ( word 9 bits, signs 7 bits ) 2-65 | scales 66-73 |
//   IQ2_S   | d 0-1 | words' low bytes 2-33 | signs 34-65 | words' upper 2 bits 66-73 | scales 74-81 |
//   IQ3_XXS | d 0-1 | 64 words of 8 bits 2-65 | 8 x ( 4 x 7 sign bits, scale 4 bits ) 66-97 |
//   IQ3_S   | d 0-1 | words' low bytes 2-65 | ninth bits 66-73 | signs 74-105 | scales 106-109 |
//
// weight = d * (base + step * scale) * sign * value. Seven sign bits: the eighth makes the number of minus signs even.
import type { Piece } from '../layout.ts'
import type { GgmlType } from '../types.ts'
import type { CodeBook } from './book.ts'
import { iq2s, iq2xs, iq2xxs, iq3s, iq3xxs } from './tables.ts'

export interface CodebookLayout {
  book: CodeBook
  run: 16 | 32 // weights that share a scale
  base: number
  step: number
  evenSigns: boolean // seven bits for eight weights
  word(i: number): Piece[] // i-th codeword
  signs(i: number): Piece[] // i-th eight weights
  scale(i: number): Piece[] // i-th run
}

/** `width` bits from bit `bit` of the little-endian number at `byte`. */
function bits(byte: number, bit: number, width: number): Piece[] {
  const pieces: Piece[] = []
  for (let at = bit, left = width; left > 0;) {
    const take = Math.min(left, 8 - (at % 8))
    pieces.push([byte + (at >> 3), at % 8, take])
    at += take
    left -= take
  }
  return pieces
}

const nibbles =
  (first: number) =>
  (i: number): Piece[] => [[first + (i >> 1), 4 * (i & 1), 4]]
const bytes =
  (first: number) =>
  (i: number): Piece[] => [[first + i, 0, 8]]

export const codebookLayouts = {
  IQ2_XXS: {
    ...{ book: iq2xxs, run: 32, base: 0.125, step: 0.25, evenSigns: true },
    word: (i) => [[2 + 8 * (i >> 2) + (i & 3), 0, 8]],
    signs: (i) => bits(6 + 8 * (i >> 2), 7 * (i & 3), 7),
    scale: (i) => [[9 + 8 * i, 4, 4]],
  },
  IQ2_XS: {
    ...{ book: iq2xs, run: 16, base: 0.125, step: 0.25, evenSigns: true },
    word: (i) => bits(2 + 2 * i, 0, 9),
    signs: (i) => bits(2 + 2 * i, 9, 7),
    scale: nibbles(66),
  },
  IQ2_S: {
    ...{ book: iq2s, run: 16, base: 0.125, step: 0.25, evenSigns: false },
    word: (i) => [
      [2 + i, 0, 8],
      [66 + (i >> 2), 2 * (i & 3), 2],
    ],
    signs: bytes(34),
    scale: nibbles(74),
  },
  IQ3_XXS: {
    ...{ book: iq3xxs, run: 32, base: 0.25, step: 0.5, evenSigns: true },
    word: bytes(2),
    signs: (i) => bits(66 + 4 * (i >> 2), 7 * (i & 3), 7),
    scale: (i) => [[69 + 4 * i, 4, 4]],
  },
  IQ3_S: {
    ...{ book: iq3s, run: 32, base: 1, step: 2, evenSigns: false },
    word: (i) => [
      [2 + i, 0, 8],
      [66 + (i >> 3), i & 7, 1],
    ],
    signs: bytes(74),
    scale: nibbles(106),
  },
} as const satisfies Partial<Record<GgmlType, CodebookLayout>>

export type CodebookType = keyof typeof codebookLayouts
export const codebookLayout = (type: CodebookType): CodebookLayout => codebookLayouts[type]
export const isCodebookType = (type: GgmlType): type is CodebookType => type in codebookLayouts
