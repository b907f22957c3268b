// Where every field of a block stands, as data: packing, unpacking and the plain twins of the kernels all follow it.
// Facts from ggml's public block definitions (ggml-common.h) and from the OCP Microscaling Formats specification 1.0 (MXFP4).
//
// A block of 32 (numbers are bytes; each code's bits lie at [byte, shift, width], lowest bits first):
//   Q4_0   | d 0-1 | codes 2-17 |                  byte j of the codes: low half = code j, high half = code j + 16
//   Q4_1   | d 0-1 | m 2-3 | codes 4-19 |
//   Q5_0   | d 0-1 | fifth bits 2-5 | codes 6-21 |         Q5_1   | d 0-1 | m 2-3 | fifth bits 4-7 | codes 8-23 |
//   Q8_0   | d 0-1 | codes 2-33 |                          Q8_1   | d 0-1 | sum 2-3 | codes 4-35 |
//   IQ4_NL | d 0-1 | codes 2-17 |                          MXFP4  | exponent 0 | codes 1-16 |
// A block of 256:
//   Q2_K   | scale, min halves 0-15 | codes 16-79 | d 80-81 | dmin 82-83 |
//   Q3_K   | third bits 0-31 | low bits 32-95 | scales 96-107 | d 108-109 |
//   Q4_K   | d 0-1 | dmin 2-3 | scales, mins 4-15 | codes 16-143 |
//   Q5_K   | d 0-1 | dmin 2-3 | scales, mins 4-15 | fifth bits 16-47 | codes 48-175 |
//   Q6_K   | low 4 bits 0-127 | high 2 bits 128-191 | scales 192-207 | d 208-209 |
//   Q8_K   | d 0-3 (float32) | codes 4-259 | sums 260-291 |
//   IQ4_XS | d 0-1 | high bits of scales 2-3 | low bits 4-7 | codes 8-135 |
//   TQ2_0  | codes 0-63 | d 64-65 |
//   TQ1_0  | five trits a byte 0-47 | four trits a byte 48-51 | d 52-53 |   base 3, see unpack.ref.ts
import type { GgmlType } from './types.ts'

/** Some bits of a field: they stand in this byte from bit `shift` on. */
export type Piece = readonly [byte: number, shift: number, width: number]

/** weight = d * (scale - scaleZero) * value + (m or -dmin * min), value = table[code] or code - zero. */
export interface BlockLayout {
  groups: number // runs of weights with a scale of their own
  d: number // byte of the block's scale
  dType: 'float16' | 'float32' | 'exponent'
  m?: number // byte of the float16 offset (or of the factor of the mins)
  code(i: number): Piece[]
  scale?(group: number): Piece[]
  min?(group: number): Piece[]
  zero: number
  scaleZero: number
  signed?: boolean // codes are two's complement bytes
  scaleSigned?: boolean
  table?: Int8Array
}

/** Values of the 16 codes of IQ4_NL and IQ4_XS, and of MXFP4 (twice the E2M1 float, its scale is half the power of two). */
export const nonlinearValues = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
export const microscalingValues = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)

const nibble =
  (first: number) =>
  (i: number): Piece[] => [[first + (i % 16), 4 * (i >> 4), 4]]
const simple = { groups: 1, d: 0, dType: 'float16', zero: 0, scaleZero: 0 } as const

/** 6-bit scales and mins of Q4_K and Q5_K: four whole bytes of each, whose upper two bits complete the other four. */
const scaleSixes = (g: number): Piece[] =>
  g < 4
    ? [[4 + g, 0, 6]]
    : [
        [8 + g, 0, 4],
        [g, 6, 2],
      ]
const minSixes = (g: number): Piece[] =>
  g < 4
    ? [[8 + g, 0, 6]]
    : [
        [8 + g, 4, 4],
        [4 + g, 6, 2],
      ]

const nibblePairs =
  (first: number) =>
  (i: number): Piece => [first + 32 * (i >> 6) + (i % 32), 4 * ((i >> 5) & 1), 4]
const crumbs =
  (first: number) =>
  (i: number): Piece => [first + 32 * (i >> 7) + (i % 32), 2 * ((i >> 5) & 3), 2]

/** Bit-field layouts by type. TQ1_0 packs base 3 and stands in unpack.ref.ts. */
export const layouts = {
  Q4_0: { ...simple, code: nibble(2), zero: 8 },
  Q4_1: { ...simple, m: 2, code: nibble(4) },
  Q5_0: { ...simple, code: (i) => [...nibble(6)(i), [2 + (i >> 3), i & 7, 1]], zero: 16 },
  Q5_1: { ...simple, m: 2, code: (i) => [...nibble(8)(i), [4 + (i >> 3), i & 7, 1]] },
  Q8_0: { ...simple, code: (i) => [[2 + i, 0, 8]], signed: true },
  Q8_1: { ...simple, code: (i) => [[4 + i, 0, 8]], signed: true },
  IQ4_NL: { ...simple, code: nibble(2), table: nonlinearValues },
  MXFP4: { ...simple, dType: 'exponent', code: nibble(1), table: microscalingValues },
  Q2_K: {
    ...simple,
    groups: 16,
    d: 80,
    m: 82,
    code: (i) => [crumbs(16)(i)],
    scale: (g) => [[g, 0, 4]],
    min: (g) => [[g, 4, 4]],
  },
  Q3_K: {
    ...simple,
    groups: 16,
    d: 108,
    code: (i) => [crumbs(32)(i), [i % 32, i >> 5, 1]],
    scale: (g) => [
      [96 + (g % 8), 4 * (g >> 3), 4],
      [104 + (g % 4), 2 * (g >> 2), 2],
    ],
    zero: 4,
    scaleZero: 32,
  },
  Q4_K: { ...simple, groups: 8, m: 2, code: (i) => [nibblePairs(16)(i)], scale: scaleSixes, min: minSixes },
  Q5_K: {
    ...simple,
    groups: 8,
    m: 2,
    code: (i) => [nibblePairs(48)(i), [16 + (i % 32), i >> 5, 1]],
    scale: scaleSixes,
    min: minSixes,
  },
  Q6_K: {
    ...simple,
    groups: 16,
    d: 208,
    code: (i) => [
      [64 * (i >> 7) + (i % 64), 4 * ((i >> 6) & 1), 4],
      [128 + 32 * (i >> 7) + (i % 32), 2 * ((i >> 5) & 3), 2],
    ],
    scale: (g) => [[192 + g, 0, 8]],
    scaleSigned: true,
    zero: 32,
  },
  Q8_K: { ...simple, dType: 'float32', code: (i) => [[4 + i, 0, 8]], signed: true },
  IQ4_XS: {
    ...simple,
    groups: 8,
    code: (i) => [[8 + 16 * (i >> 5) + (i % 16), 4 * ((i >> 4) & 1), 4]],
    scale: (g) => [
      [4 + (g >> 1), 4 * (g & 1), 4],
      [2 + (g >> 2), 2 * (g & 3), 2],
    ],
    scaleZero: 32,
    table: nonlinearValues,
  },
  TQ2_0: { ...simple, d: 64, code: (i) => [crumbs(0)(i)], zero: 1 },
} as const satisfies Partial<Record<GgmlType, BlockLayout>>

export type LaidOutType = keyof typeof layouts
export const layoutOf = (type: LaidOutType): BlockLayout => layouts[type]
