// Which entries a sparse weight keeps, as parts and as a mask of one byte an entry.
import { packBits, unpackBits } from '../../kernels/bits.ts'
import { eliasDecode, eliasEncode } from '../../kernels/sparse/sparse.ts'
import type { CodedMatrix } from '../codings/define.ts'
import { lowBitsOf, neighboursOf, patternBits, shapeOf, type SparseShape } from './forms.ts'

/** All masks of m entries that keep n, entry i in bit i, in rising order: a pattern's number is its place here. */
export function patternWords({ n, m }: { n: number; m: number }): number[] {
  const ones = (word: number): number => (word === 0 ? 0 : (word & 1) + ones(word >> 1))
  return Array.from({ length: 2 ** m }, (_, word) => word).filter((word) => ones(word) === n)
}

/** Parts that tell the places of a mask [rows, cols]. */
export function encodePlaces(mask: Uint8Array, shape: SparseShape, cols: number): Record<string, Uint8Array> {
  const { pattern, kept, unit } = shape
  const neighbours = neighboursOf(pattern)
  if (neighbours) return { patterns: packPatterns(mask, neighbours) }
  if (pattern === 'columns')
    return {
      columns: packBits(
        Uint8Array.from({ length: cols / unit }, (_, u) => mask[u * unit] ?? 0),
        1,
      ),
    }
  const low = lowBitsOf(shape, { rows: mask.length / cols, cols })
  if (low === 0) return { mask: packBits(mask, 1) }
  const code = eliasEncode(mask, kept, low)
  return { low: packBits(code.low, low), high: code.high }
}

function packPatterns(mask: Uint8Array, { n, m }: { n: number; m: number }): Uint8Array {
  const numbers = new Uint8Array(2 ** m)
  patternWords({ n, m }).forEach((word, number) => (numbers[word] = number))
  const codes = new Uint8Array(mask.length / m)
  for (let g = 0, at = 0; g < codes.length; g++) {
    let word = 0
    for (let i = 0; i < m; i++) word |= (mask[at++] ?? 0) << i
    codes[g] = numbers[word] ?? 0
  }
  return packBits(codes, patternBits({ n, m }))
}

const part = (matrix: CodedMatrix, name: string) => matrix.parts[name]?.data ?? new Uint8Array()

/** Mask of rows [begin, end) and how many entries the rows before keep. Null where the parts tell no such mask. */
export function readPlaces(
  matrix: CodedMatrix,
  begin: number,
  end: number,
): { mask: Uint8Array; before: number } | null {
  const { rows, cols } = matrix
  const shape = shapeOf(matrix)
  const neighbours = neighboursOf(shape.pattern)
  const perRow = shape.kept / rows
  if (neighbours) {
    const mask = readPatterns(
      part(matrix, 'patterns'),
      neighbours,
      (begin * cols) / neighbours.m,
      (end * cols) / neighbours.m,
    )
    return mask && { mask, before: begin * perRow }
  }
  if (shape.pattern === 'columns') {
    const flags = unpackBits(part(matrix, 'columns'), 1, cols / shape.unit)
    const mask = new Uint8Array((end - begin) * cols)
    for (let c = 0; c < cols; c++) mask[c] = flags[Math.floor(c / shape.unit)] ?? 0
    for (let r = 1; r < end - begin; r++) mask.copyWithin(r * cols, 0, cols)
    return { mask, before: begin * perRow }
  }
  const low = lowBitsOf(shape, matrix)
  if (low > 0) {
    const whole = eliasDecode(unpackBits(part(matrix, 'low'), low, shape.kept), part(matrix, 'high'), rows * cols, low)
    return whole && { mask: whole.subarray(begin * cols, end * cols), before: onesIn(whole, begin * cols) }
  }
  const first = Math.floor((begin * cols) / 8)
  const stored = part(matrix, 'mask')
  const mask = unpackBits(stored.subarray(first), 1, end * cols - first * 8)
  const skipped = begin * cols - first * 8
  return { mask: mask.subarray(skipped), before: bitsIn(stored, first) + onesIn(mask, skipped) }
}

function readPatterns(
  stored: Uint8Array,
  { n, m }: { n: number; m: number },
  from: number,
  to: number,
): Uint8Array | null {
  const words = patternWords({ n, m })
  const bits = patternBits({ n, m })
  const first = from - (from % 8) // a byte's edge
  const codes = unpackBits(stored.subarray((first / 8) * bits), bits, to - first)
  const mask = new Uint8Array((to - from) * m)
  for (let g = from - first, at = 0; g < codes.length; g++) {
    const word = words[codes[g] ?? 0]
    if (word === undefined) return null
    for (let i = 0; i < m; i++) mask[at++] = (word >> i) & 1
  }
  return mask
}

/** Ones among the first `count` entries of a mask. */
export function onesIn(mask: Uint8Array, count = mask.length): number {
  let sum = 0
  for (let i = 0; i < count; i++) sum += mask[i] ?? 0
  return sum
}

const onesOf = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)
function bitsIn(bytes: Uint8Array, count: number): number {
  let sum = 0
  for (let i = 0; i < count; i++) sum += onesOf[bytes[i] ?? 0] ?? 0
  return sum
}
