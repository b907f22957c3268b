// A weight of which only some entries are kept (sparsify/): w = unit x value, or unit x scale[row, group] x (code - 2^(b-1)),
// where kept, 0 elsewhere. Values stand in the order of the matrix, row after row.
//
//   places   one of   mask      U8 [ceil(rows cols / 8)]   a bit an entry, bit i % 8 of byte i / 8
//                     low, high U8                         Elias and Fano's code (kernels/assembly/sparse.ts): l low bits of
//                                                          each place as one stream, high bits as another; where smaller
//                     patterns  U8   n of m: the number of each group's mask (sparse/places.ts), one stream
//                     columns   U8 [ceil(cols / unit / 8)] a bit for each column, or channel of `unit` columns
//   values   F16 or F32 [kept]; U8, codes of b bits as one stream
//   scales   F16 [rows, groups]   with codes only; groups of columns, kept or not
//   unit     F32 [1]              a power of two
//   settings: pattern, kept, width (2..8 bits, 16, 32: floats), groupSize (0: one scale a row), unit (columns a channel)
import type { Option } from '../../../../src-preload/contract/plan.ts'
import { toFloat32 } from '../../checkpoint/convert.ts'
import { unpackBits } from '../../kernels/bits.ts'
import { decodeScales } from '../../kernels/float16.ts'
import { expandCodes, expandFloats } from '../../kernels/sparse/sparse.ts'
import { partsFault } from '../sidecar/check.ts'
import { groupsIn } from '../sidecar/forms.ts'
import { isValueWidth, keptOf, neighboursOf, type Pattern, patterns, shapeOf, sparseForm } from '../sparse/forms.ts'
import { onesIn, readPlaces } from '../sparse/places.ts'
import type { CodedMatrix, Coding } from './define.ts'
import { gridValues } from './grid-values.ts'

const part = (matrix: CodedMatrix, name: string) => matrix.parts[name]?.data ?? new Uint8Array()
const unitOf = (matrix: CodedMatrix) => decodeScales(part(matrix, 'unit'), 'float32')[0] ?? 1

/** Methods whose options are stored so. */
const methods = ['magnitude', 'wanda', 'sparsegpt']

export const sparseCoding: Coding = {
  id: 'sparse',
  title: 'Sparse',
  decode(matrix, begin, end) {
    const { width, groupSize } = shapeOf(matrix)
    const unit = unitOf(matrix)
    const places = readPlaces(matrix, begin, end)
    if (places === null) throw new Error('places that tell no mask') // `fault` was not asked
    const { mask, before } = places
    const count = onesIn(mask)
    const values = part(matrix, 'values')
    if (width <= 8) {
      const first = before - (before % 8) // a byte's edge
      const codes = unpackBits(values.subarray((first / 8) * width), width, before + count - first).subarray(
        before - first,
      )
      const groups = groupsIn(matrix.cols, groupSize)
      const scales = decodeScales(part(matrix, 'scales'), 'float16').subarray(begin * groups, end * groups)
      const grid = {
        codes: expandCodes(codes, mask, 2 ** (width - 1)),
        scales: scales.map((s) => s * unit),
        zeros: null,
      }
      return gridValues({ ...grid, bits: width }, { rows: end - begin, cols: matrix.cols, groupSize })
    }
    const [type, size] = width === 16 ? (['float16', 2] as const) : (['float32', 4] as const)
    const kept = toFloat32(values.subarray(before * size, (before + count) * size), type)
    return expandFloats(unit === 1 ? kept : kept.map((value) => value * unit), mask)
  },
  fault(matrix) {
    const { rows, cols } = matrix
    const shape = shapeOf(matrix)
    const { pattern, kept, width, groupSize, unit } = shape
    const neighbours = neighboursOf(pattern)
    if (!patterns.includes(pattern)) return `there is no pattern ${pattern}`
    if (!isValueWidth(width)) return `there are no values of ${width} bits`
    if (!Number.isInteger(kept) || kept < 0 || kept > rows * cols) return `it cannot keep ${kept} of its entries`
    if (!Number.isInteger(groupSize) || groupSize < 0) return `there are no groups of ${groupSize}`
    if (!Number.isInteger(unit) || unit < 1 || cols % unit !== 0) return `its columns are no channels of ${unit}`
    if (neighbours && (cols % neighbours.m !== 0 || kept * neighbours.m !== rows * cols * neighbours.n))
      return `${kept} entries of rows of ${cols} are not ${pattern}`
    if (pattern === 'columns' && kept % (rows * unit) !== 0) return `${kept} entries are no whole columns`
    const fault = partsFault(matrix, sparseForm(shape, matrix))
    if (fault !== null) return fault
    const places = readPlaces(matrix, 0, rows)
    if (places === null) return 'its places lie outside the weight or out of order'
    const found = onesIn(places.mask)
    return found === kept ? null : `its places are ${found}, not ${kept}`
  },
  form({ method, parameters }: Option, shape) {
    if (!methods.includes(method)) return null
    const { sparsity, width, groupSize = 0, unit = 1, pattern = 'unstructured', per = 'row' } = parameters as Record<string, unknown> // prettier-ignore
    if (!patterns.includes(pattern as Pattern) || !isValueWidth(width)) return null
    const how = {
      pattern: pattern as Pattern,
      sparsity: Number(sparsity),
      unit: Number(unit),
      per: per as 'row' | 'layer',
    }
    return sparseForm({ ...how, kept: keptOf(how, shape), width, groupSize: Number(groupSize) }, shape)
  },
}
