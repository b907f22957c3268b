import { packedBytes } from '../../kernels/bits.ts'
import type { CodedForm } from '../codings/define.ts'
import { factorForm, type FactorType } from './factors.ts'

export interface SidecarShape {
  bits: number
  groupSize: number // 0: one scale a row
  symmetric: boolean
  rank: number
  factors: FactorType
}

export const groupsIn = (cols: number, groupSize: number): number =>
  groupSize === 0 ? 1 : Math.ceil(cols / Math.min(groupSize, cols))

export function sidecarForm(p: SidecarShape, { rows, cols }: { rows: number; cols: number }): CodedForm {
  const { bits, groupSize, symmetric, rank, factors } = p
  const scaleShape = [rows, groupsIn(cols, groupSize)]
  return {
    ...{ rows, cols, coding: 'sidecar', settings: { bits, groupSize, symmetric, rank, factors } },
    parts: {
      codes: { dtype: 'uint8', shape: [packedBytes(rows * cols, bits)] },
      scales: { dtype: 'float16', shape: scaleShape },
      unit: { dtype: 'float32', shape: [1] },
      ...(symmetric ? {} : { zeros: { dtype: 'uint8', shape: scaleShape } }),
      ...factorForm({ rows, cols, rank, type: factors }),
    },
  }
}

export interface BipftShape {
  rank: number
  factors: FactorType
}

export function bipftForm({ rank, factors }: BipftShape, { rows, cols }: { rows: number; cols: number }): CodedForm {
  return {
    ...{ rows, cols, coding: 'bipft', settings: { rank, factors } },
    parts: {
      signs: { dtype: 'uint8', shape: [rows, Math.ceil(cols / 8)] },
      scales: { dtype: 'float16', shape: [rows, 1] },
      unit: { dtype: 'float32', shape: [1] },
      ...factorForm({ rows, cols, rank, type: factors }),
    },
  }
}
