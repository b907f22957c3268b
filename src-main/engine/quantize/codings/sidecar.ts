// A uniform grid beside a low-rank correction (quantize/sidecar.ts): w = unit x (code - zero) x scale + (L diag(steps) R).
//
//   codes   U8   one little-endian bit stream as in kernels/bits.ts      scales  F16  [rows, groups]     unit  F32  [1]
//   zeros   U8   [rows, groups], only if affine                          left, right, steps: sidecar/factors.ts
//   settings: bits, groupSize (0: one scale a row), symmetric, rank, factors
import type { Option } from '../../../../src-preload/contract/plan.ts'
import { unpackBits } from '../../kernels/bits.ts'
import { decodeScales } from '../../kernels/float16.ts'
import { isRank, partsFault } from '../sidecar/check.ts'
import { addFactors, type FactorType, factorTypes, readFactors } from '../sidecar/factors.ts'
import { groupsIn, sidecarForm, type SidecarShape } from '../sidecar/forms.ts'
import type { CodedMatrix, Coding } from './define.ts'
import { gridValues } from './grid-values.ts'

const shapeOf = ({ settings }: Pick<CodedMatrix, 'settings'>): SidecarShape => ({
  bits: Number(settings.bits),
  groupSize: Number(settings.groupSize),
  symmetric: settings.symmetric === true,
  rank: Number(settings.rank),
  factors: settings.factors as FactorType,
})
const part = (matrix: CodedMatrix, name: string) => matrix.parts[name]?.data ?? new Uint8Array()

export const sidecarCoding: Coding = {
  id: 'sidecar',
  title: 'Grid with low-rank correction',
  decode(matrix, begin, end) {
    const { factors, rank } = shapeOf(matrix)
    const { left, right, steps } = readFactors(matrix, factors)
    const own = { left: left.subarray(begin * rank, end * rank), right, steps }
    return addFactors(gridRows(matrix, begin, end), own, matrix.cols)
  },
  fault(matrix) {
    const shape = shapeOf(matrix)
    const { bits, groupSize, rank, factors } = shape
    if (!Number.isInteger(bits) || bits < 2 || bits > 8 || !Number.isInteger(groupSize) || groupSize < 0)
      return `no grid of ${bits} bits in groups of ${groupSize}`
    if (!isRank(rank) || !factorTypes.includes(factors)) return `no factors of rank ${rank} in ${factors}`
    const fault = partsFault(matrix, sidecarForm(shape, matrix))
    if (fault !== null || shape.symmetric) return fault
    return part(matrix, 'zeros').every((zero) => zero < 2 ** bits) ? null : `a zero point needs more than ${bits} bits`
  },
  form(option: Option, shape) {
    if (option.method !== 'sidecar') return null
    return sidecarForm({ ...(option.parameters as unknown as SidecarShape), bits: option.bits }, shape)
  },
}

function gridRows(matrix: CodedMatrix, begin: number, end: number): Float32Array {
  const { cols } = matrix
  const { bits, groupSize, symmetric } = shapeOf(matrix)
  const groups = groupsIn(cols, groupSize)
  const first = Math.floor((begin * cols) / 8) * 8 // a byte's edge
  const stream = part(matrix, 'codes').subarray((first * bits) / 8)
  const unpacked = unpackBits(stream, bits, end * cols - first).subarray(begin * cols - first)
  const [unit = 1] = decodeScales(part(matrix, 'unit'), 'float32')
  const scale = decodeScales(part(matrix, 'scales'), 'float16').subarray(begin * groups, end * groups)
  const zeros = symmetric ? null : part(matrix, 'zeros').subarray(begin * groups, end * groups)
  const scales = scale.map((value) => value * unit)
  return gridValues({ codes: unpacked, scales, zeros, bits }, { rows: end - begin, cols, groupSize })
}
