// A block type as error feedback sees it: a table of bit fields and a grid. The kernels read it as bytes; places of the
// fields come from ggml/layout.ts and ggml/codebook/layout.ts, so a type is described once.
//
//   grid types:  weight = S value + O     S = d or d (scale - scaleZero)     O = m, or -dmin min, or nothing
//   book types:  weight = d (base + step scale) sign value, values in words of 4 or 8 weights
//
// Bytes of the settings: header (int32 and float32, 128 bytes) | items of the fields, 8 bytes each:
// [u16 byte, u8 shift, u8 width] of the low bits, then of the high ones | tables (`valuesAt`, see pack functions below).
import { Fault } from '../../../../../src-preload/contract/fault.ts'
import { type CodebookType, codebookLayout, codebookLayouts } from '../codebook/layout.ts'
import { type BlockLayout, type LaidOutType, layoutOf, type Piece } from '../layout.ts'
import { type GgmlType, ggmlTypes, writableTypes } from '../types.ts'

/** Types whose codes this folder chooses. */
type Floats = 'F32' | 'F16' | 'BF16'
export type FeedbackType = Exclude<(typeof writableTypes)[number], Floats>
export const feedbackTypes = writableTypes.filter((type): type is FeedbackType => !/^B?F(16|32)$/.test(type))

export const isFeedbackType = (type: GgmlType): type is FeedbackType =>
  (feedbackTypes as readonly string[]).includes(type)
export const isBookType = (type: FeedbackType): type is FeedbackType & CodebookType =>
  Object.hasOwn(codebookLayouts, type)

/** Values of a grid type, in units of the scale, and how far its scales reach. */
export interface Grid {
  low: number // values are whole numbers low .. high, or those of the table
  high: number
  scaleLow: number // of scales as whole numbers, scaleZero taken off
  scaleHigh: number
  minHigh: number
}

const grid = (low: number, high: number, scaleLow = 0, scaleHigh = 0, minHigh = 0): Grid => ({
  low,
  high,
  scaleLow,
  scaleHigh,
  minHigh,
})

// Q8_0 leaves -128 out, as llama.cpp's own encoder does: some of its kernels negate codes as signed bytes.
const grids: Partial<Record<GgmlType, Grid>> = {
  Q8_0: grid(-127, 127),
  Q6_K: grid(-32, 31, -128, 127),
  Q5_K: grid(0, 31, 0, 63, 63),
  Q5_1: grid(0, 31),
  Q5_0: grid(-16, 15),
  Q4_K: grid(0, 15, 0, 63, 63),
  Q4_1: grid(0, 15),
  Q4_0: grid(-8, 7),
  IQ4_NL: grid(-127, 113),
  IQ4_XS: grid(-127, 113, -32, 31),
  MXFP4: grid(-12, 12),
  Q3_K: grid(-4, 3, -32, 31),
  Q2_K: grid(0, 3, 0, 15, 15),
  TQ2_0: grid(-1, 2),
}

export const gridOf = (type: FeedbackType): Grid => {
  const found = grids[type]
  if (found === undefined) throw new Fault('internal', `${type} is no grid type.`)
  return found
}

export interface FieldSettings {
  kernel: 'ggml-feedback' | 'ggml-feedback-book'
  blockSize: number
  blockBytes: number
  bytes: Uint8Array
}

const HEADER = 128
const ITEM = 8

/** Numbers by their index in the header, int32 unless said; assembly/shared/feedback reads them by the same. */
function header(bytes: Uint8Array, whole: readonly number[], floats: readonly number[] = []): void {
  const view = new DataView(bytes.buffer)
  whole.forEach((value, i) => view.setInt32(i * 4, value, true))
  floats.forEach((value, i) => view.setFloat32(64 + i * 4, value, true))
}

function items(bytes: Uint8Array, at: number, fields: readonly (readonly Piece[])[]): number {
  const view = new DataView(bytes.buffer)
  for (const pieces of fields) {
    if (pieces.length > 2) throw new Fault('internal', 'A field of a block stands in more than two pieces.')
    pieces.forEach(([byte, shift, width], i) => {
      view.setUint16(at + 4 * i, byte, true)
      view.setUint8(at + 4 * i + 2, shift)
      view.setUint8(at + 4 * i + 3, width)
    })
    at += ITEM
  }
  return at
}

const each = (count: number, pieces: ((i: number) => readonly Piece[]) | undefined) =>
  Array.from({ length: count }, (_, i) => pieces?.(i) ?? [])

/** value of each code; unused ones repeat the last. */
export function codeValues(layout: BlockLayout): number[] {
  return Array.from({ length: 256 }, (_, code) => {
    if (layout.table) return layout.table[code & 15] ?? 0
    return layout.signed ? (code << 24) >> 24 : code - layout.zero
  })
}

/** Trials of a group's scale and offset around where they stand: steps of the whole numbers, or of one scale a factor and
 *  a shift in units of the scale. The first changes nothing. */
export function movesOf(layout: BlockLayout): [number, number][] {
  const steps = (list: readonly number[]): [number, number][] => list.map((a) => [a, 0])
  if (layout.dType === 'exponent') return [[1, 0], [2, 0], [0.5, 0]] // prettier-ignore
  if (layout.min) return [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1], [2, 1], [-2, -1]] // prettier-ignore
  if (layout.scale) return steps([0, 1, -1, 2, -2, 3, -3])
  if (layout.m !== undefined) return [[1, 0], [0.96, 0], [1.04, 0], [1, 0.3], [1, -0.3], [0.92, 0], [1.08, 0], [1.04, -0.6], [0.96, 0.6]] // prettier-ignore
  return steps([1, 0.96, 1.04, 0.92, 1.08, 0.86, 1.14, 0.8, -1])
}

function gridSettings(type: LaidOutType & FeedbackType): FieldSettings {
  const layout = layoutOf(type)
  const { blockSize, blockBytes } = ggmlTypes[type]
  const { low, high, scaleLow, scaleHigh, minHigh } = gridOf(type)
  const values = codeValues(layout)
  const levels = layout.table ? [...new Set(layout.table)].sort((a, b) => a - b) : []
  const moves = movesOf(layout)
  const itemCount = blockSize + 2 * layout.groups
  const tables = HEADER + itemCount * ITEM
  // values float32 [256] | codes u8 [256], by value + 128 | levels float32 [16] | moves float32 [count, 2]
  const bytes = new Uint8Array(tables + 1024 + 256 + 64 + moves.length * 8)
  const whole = [blockSize, layout.groups, layout.dType === 'exponent' ? 1 : 0, layout.d, layout.m ?? -1]
  const kinds = [Number(layout.scale !== undefined), Number(layout.min !== undefined), layout.scaleZero]
  header(bytes, [...whole, ...kinds, Number(layout.scaleSigned ?? false), levels.length, moves.length, tables],
    [low, high, scaleLow, scaleHigh, minHigh]) // prettier-ignore
  let at = items(bytes, HEADER, each(blockSize, layout.code))
  at = items(bytes, at, each(layout.groups, layout.scale))
  items(bytes, at, each(layout.groups, layout.min))
  const view = new DataView(bytes.buffer)
  values.forEach((value, code) => view.setFloat32(tables + code * 4, value, true))
  const widest = layout.table ? 16 : 2 ** layout.code(0).reduce((sum, [, , width]) => sum + width, 0)
  for (let code = widest - 1; code >= 0; code--) bytes[tables + 1024 + ((values[code] ?? 0) + 128)] = code
  levels.forEach((value, i) => view.setFloat32(tables + 1280 + i * 4, value, true))
  moves.flat().forEach((value, i) => view.setFloat32(tables + 1344 + i * 4, value, true))
  return { kernel: 'ggml-feedback', blockSize, blockBytes, bytes }
}

function bookSettings(type: CodebookType): FieldSettings {
  const { book, run, base, step, evenSigns, word, signs, scale } = codebookLayout(type)
  const { blockSize, blockBytes } = ggmlTypes[type]
  const { words, dims, values } = book
  const slots = blockSize / dims
  const tables = Math.ceil((HEADER + (slots + 32 + blockSize / run) * ITEM) / 16) * 16
  const bytes = new Uint8Array(tables + words * dims) // values int8 [words, dims]
  header(bytes, [words, dims, run, Number(evenSigns), tables], [base, step])
  let at = items(bytes, HEADER, each(slots, word))
  at = items(bytes, at, each(32, signs))
  items(bytes, at, each(blockSize / run, scale))
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.length), tables)
  return { kernel: 'ggml-feedback-book', blockSize, blockBytes, bytes }
}

const known = new Map<FeedbackType, FieldSettings>()

export function fieldSettings(type: FeedbackType): FieldSettings {
  const standing = known.get(type)
  if (standing) return standing
  const made = isBookType(type) ? bookSettings(type) : gridSettings(type as LaidOutType & FeedbackType)
  known.set(type, made)
  return made
}

export const bookWords = (type: FeedbackType): number => (isBookType(type) ? codebookLayout(type).book.words : 0)
