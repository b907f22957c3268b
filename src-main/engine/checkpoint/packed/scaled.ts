// A weight as codes and grids:  w[r, c] = (code[r, c] - zero[r, g]) * scale[r, g]   in one float32 product; g is the group of
// column c. Everything but the order of the codes is the same for all methods.
import type { DerivedTensor } from '../derived.ts'
import type { TensorInfo } from '../network.ts'

export interface ScaledMatrix {
  rows: number // outputs
  cols: number // inputs
  groups: number // per row
  /** Columns of one group, or the group of every column (act order). */
  group: { size: number } | { of: () => Int32Array }
  /** Codes (or small floats) of rows [begin, end) in an array of their own, which the weights will replace. */
  codes(begin: number, end: number): Float32Array
  scales(begin: number, end: number): Float32Array // [end - begin, groups]
  zeros?(begin: number, end: number): Float32Array // [end - begin, groups]; absent: 0
}

/** Rows [begin, end) as weights. */
export function weightsOf(matrix: ScaledMatrix, begin: number, end: number): Float32Array {
  const { cols, groups, group } = matrix
  const weights = matrix.codes(begin, end)
  const scales = matrix.scales(begin, end)
  const zeros = matrix.zeros?.(begin, end)
  if ('of' in group) {
    const groupOf = group.of()
    for (let r = 0, at = 0; r < end - begin; r++) {
      for (let c = 0; c < cols; c++, at++) {
        const grid = r * groups + (groupOf[c] as number)
        weights[at] = ((weights[at] as number) - (zeros ? (zeros[grid] as number) : 0)) * (scales[grid] as number)
      }
    }
    return weights
  }
  for (let r = 0; r < end - begin; r++) {
    for (let g = 0; g < groups; g++) {
      const scale = scales[r * groups + g] as number
      const zero = zeros ? (zeros[r * groups + g] as number) : 0
      const last = r * cols + Math.min(cols, (g + 1) * group.size)
      for (let at = r * cols + g * group.size; at < last; at++) weights[at] = ((weights[at] as number) - zero) * scale
    }
  }
  return weights
}

/** The plain tensor [rows, cols] that such a weight is listed as. */
export function derivedWeight(
  name: string,
  { rows, cols }: { rows: number; cols: number },
  pieces: readonly TensorInfo[],
  type: string,
  decodeRows: (begin: number, end: number) => Float32Array,
): DerivedTensor {
  const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0)
  const file = pieces[0]?.file ?? ''
  return {
    info: {
      ...{ name, dtype: 'float32', shape: [rows, cols], bytes: rows * cols * 4, file },
      stored: { type, bytes },
    },
    decode(begin, end) {
      if (begin === end || cols === 0) return new Float32Array(0)
      const first = Math.floor(begin / cols)
      const weights = decodeRows(first, Math.ceil(end / cols))
      return weights.subarray(begin - first * cols, end - first * cols)
    },
  }
}
