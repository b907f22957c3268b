// A weight as two factors (factorize/): w = L diag(steps) R.
//
//   left    F16, I8 [rows, rank]    right   F16, I8 [rank, cols]    steps   F32 [rank]    4 bits: sidecar/factors.ts draws them
//   settings: rank, width (16: float16; 8, 4: whole numbers over a step for each component)
import type { Option } from '../../../../src-preload/contract/plan.ts'
import { isRank, partsFault } from '../sidecar/check.ts'
import { addFactors, factorForm, type FactorType, readFactors } from '../sidecar/factors.ts'
import type { CodedForm, CodedMatrix, Coding } from './define.ts'

export interface RankShape {
  rank: number
  width: number // 4, 8 or 16
}

const types: Partial<Record<number, FactorType>> = { 4: 'int4', 8: 'int8', 16: 'float16' }
export const factorTypeOf = (width: number): FactorType => types[width] ?? 'float16'

export const rankShapeOf = ({ settings }: Pick<CodedMatrix, 'settings'>): RankShape => ({
  rank: Number(settings.rank),
  width: Number(settings.width),
})

export const lowRankForm = ({ rank, width }: RankShape, { rows, cols }: { rows: number; cols: number }): CodedForm => ({
  ...{ rows, cols, coding: 'low-rank', settings: { rank, width } },
  parts: factorForm({ rows, cols, rank, type: factorTypeOf(width) }),
})

/** Methods whose options are stored so. */
const methods = ['svd', 'asvd', 'welore']

export const lowRankCoding: Coding = {
  id: 'low-rank',
  title: 'Low rank',
  decode(matrix, begin, end) {
    const { rank, width } = rankShapeOf(matrix)
    const { left, right, steps } = readFactors(matrix, factorTypeOf(width))
    const own = { left: left.subarray(begin * rank, end * rank), right, steps }
    return addFactors(new Float32Array((end - begin) * matrix.cols), own, matrix.cols)
  },
  fault(matrix) {
    const shape = rankShapeOf(matrix)
    if (!isRank(shape.rank) || shape.rank < 1 || types[shape.width] === undefined)
      return `no factors of rank ${shape.rank} in ${shape.width} bits`
    return partsFault(matrix, lowRankForm(shape, matrix))
  },
  form({ method, parameters }: Option, shape) {
    const { rank, width } = parameters
    if (!methods.includes(method) || !isRank(rank) || rank < 1 || types[Number(width)] === undefined) return null
    return lowRankForm({ rank, width: Number(width) }, shape)
  },
}
