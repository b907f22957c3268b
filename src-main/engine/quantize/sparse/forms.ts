// What a sparse weight takes, before it is made.
import { highBits } from '../../kernels/sparse/sparse.ts'
import { packedBytes } from '../../kernels/bits.ts'
import { groupsIn } from '../sidecar/forms.ts'
import type { CodedForm } from '../codings/define.ts'

export const patterns = ['unstructured', '2:4', '4:8', '1:4', '2:8', 'columns'] as const
export type Pattern = (typeof patterns)[number]

/** Kept values are float16, float32, or codes of 2 to 8 bits on a symmetric grid. */
export type ValueWidth = 2 | 3 | 4 | 5 | 6 | 7 | 8 | 16 | 32
export const isValueWidth = (width: unknown): width is ValueWidth =>
  (Number.isInteger(width) && Number(width) >= 2 && Number(width) <= 8) || width === 16 || width === 32

export interface SparseShape {
  pattern: Pattern
  kept: number // entries of the whole matrix that are kept
  width: ValueWidth
  groupSize: number // columns that share a scale, kept or not; 0: one scale a row
  unit: number // of 'columns': columns that are kept or left out together (a channel of a convolution); else 1
}

export interface Size {
  rows: number
  cols: number
}

/** n of every m neighbours; null for other patterns. */
export function neighboursOf(pattern: Pattern): { n: number; m: number } | null {
  const [n = NaN, m = NaN] = pattern.split(':').map(Number)
  return Number.isInteger(n) && Number.isInteger(m) ? { n, m } : null
}

/** Entries that are kept at a share of zeros: rounded to whole entries of a row or of the layer, or to whole columns. */
export function keptOf(
  { pattern, sparsity, unit, per }: { pattern: Pattern; sparsity: number; unit: number; per: 'row' | 'layer' },
  { rows, cols }: Size,
): number {
  const neighbours = neighboursOf(pattern)
  if (neighbours) return (rows * cols * neighbours.n) / neighbours.m
  if (pattern === 'columns') return rows * unit * Math.round((1 - sparsity) * (cols / unit))
  return per === 'row' ? rows * Math.round((1 - sparsity) * cols) : Math.round((1 - sparsity) * rows * cols)
}

/** Bits of the number of a pattern of n in m. */
export const patternBits = ({ n, m }: { n: number; m: number }): number => Math.ceil(Math.log2(choose(m, n)))

function choose(m: number, n: number): number {
  let count = 1
  for (let i = 0; i < n; i++) count = (count * (m - i)) / (i + 1)
  return Math.round(count)
}

const MOST_LOW_BITS = 8

/** Low bits of the places in Elias and Fano's code where that is smaller than a bit an entry; 0 where it is not. */
export function lowBitsOf({ pattern, kept }: SparseShape, { rows, cols }: Size): number {
  if (pattern !== 'unstructured') return 0
  let [best, bytes] = [0, packedBytes(rows * cols, 1)]
  for (let low = 1; low <= MOST_LOW_BITS; low++) {
    const own = packedBytes(kept, low) + packedBytes(highBits(rows * cols, kept, low), 1)
    if (own < bytes) [best, bytes] = [low, own]
  }
  return best
}

const bytes = (length: number) => ({ dtype: 'uint8' as const, shape: [length] })

function placeParts(shape: SparseShape, size: Size): CodedForm['parts'] {
  const { pattern, kept, unit } = shape
  const { rows, cols } = size
  const neighbours = neighboursOf(pattern)
  if (neighbours) return { patterns: bytes(packedBytes((rows * cols) / neighbours.m, patternBits(neighbours))) }
  if (pattern === 'columns') return { columns: bytes(packedBytes(cols / unit, 1)) }
  const low = lowBitsOf(shape, size)
  if (low === 0) return { mask: bytes(packedBytes(rows * cols, 1)) }
  return { low: bytes(packedBytes(kept, low)), high: bytes(packedBytes(highBits(rows * cols, kept, low), 1)) }
}

export function sparseForm(shape: SparseShape, { rows, cols }: Size): CodedForm {
  const { pattern, kept, width, groupSize, unit } = shape
  const coded = width <= 8
  return {
    ...{ rows, cols, coding: 'sparse', settings: { pattern, kept, width, groupSize: coded ? groupSize : 0, unit } },
    parts: {
      ...placeParts(shape, { rows, cols }),
      values: coded ? bytes(packedBytes(kept, width)) : { dtype: width === 16 ? 'float16' : 'float32', shape: [kept] },
      ...(coded ? { scales: { dtype: 'float16', shape: [rows, groupsIn(cols, groupSize)] } } : {}),
      unit: { dtype: 'float32', shape: [1] },
    },
  }
}

export const shapeOf = ({ settings }: Pick<CodedForm, 'settings'>): SparseShape => ({
  pattern: settings.pattern as Pattern,
  kept: Number(settings.kept),
  width: Number(settings.width) as ValueWidth,
  groupSize: Number(settings.groupSize),
  unit: Number(settings.unit),
})
