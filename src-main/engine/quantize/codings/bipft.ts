// Signs beside a low-rank estimate of what they lose (quantize/bipft.ts): w = unit x scale[row] x (+-1) + (L diag(steps) R).
//
//   signs   U8   [rows, ceil(cols / 8)]   bit c % 8 of byte c / 8: 1 for plus       scales  F16  [rows, 1]     unit  F32  [1]
//   left, right, steps: sidecar/factors.ts                                          settings: rank, factors
import type { Option } from '../../../../src-preload/contract/plan.ts'
import { decodeScales } from '../../kernels/float16.ts'
import { isRank, partsFault } from '../sidecar/check.ts'
import { addFactors, type FactorType, factorTypes, readFactors, signRows } from '../sidecar/factors.ts'
import { bipftForm, type BipftShape } from '../sidecar/forms.ts'
import type { CodedMatrix, Coding } from './define.ts'

const shapeOf = ({ settings }: Pick<CodedMatrix, 'settings'>): BipftShape => ({
  rank: Number(settings.rank),
  factors: settings.factors as FactorType,
})
const part = (matrix: CodedMatrix, name: string) => matrix.parts[name]?.data ?? new Uint8Array()

export const bipftCoding: Coding = {
  id: 'bipft',
  title: 'Signs with low-rank estimate',
  decode(matrix, begin, end) {
    const { cols } = matrix
    const { factors, rank } = shapeOf(matrix)
    const { left, right, steps } = readFactors(matrix, factors)
    const [unit = 1] = decodeScales(part(matrix, 'unit'), 'float32')
    const scales = decodeScales(part(matrix, 'scales'), 'float16').subarray(begin, end)
    const width = Math.ceil(cols / 8)
    const signs = part(matrix, 'signs').subarray(begin * width, end * width)
    const values = signRows(
      signs,
      scales.map((scale) => scale * unit),
      cols,
    )
    return addFactors(values, { left: left.subarray(begin * rank, end * rank), right, steps }, cols)
  },
  fault(matrix) {
    const shape = shapeOf(matrix)
    if (!isRank(shape.rank) || !factorTypes.includes(shape.factors))
      return `no factors of rank ${shape.rank} in ${shape.factors}`
    return partsFault(matrix, bipftForm(shape, matrix))
  },
  form(option: Option, shape) {
    return option.method === 'bipft' ? bipftForm(option.parameters as unknown as BipftShape, shape) : null
  },
}
