import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Option } from '../../../../src-preload/contract/plan.ts'
import type { CodedForm, CodedMatrix, Coding } from './define.ts'
import { denseShiftCoding } from './denseshift.ts'
import { mxfp4Coding, nvfp4Coding } from './fp4.ts'
import { fp8Coding } from './fp8.ts'
import { luqCoding } from './luq.ts'
import { nf4Coding } from './nf4.ts'
import { bipftCoding } from './bipft.ts'
import { lowRankCoding } from './low-rank.ts'
import { lr2vqCoding } from './lr2vq.ts'
import { pvqCoding } from './pvq.ts'
import { sidecarCoding } from './sidecar.ts'
import { sparseCoding } from './sparse.ts'

/** Every coding Lathe knows. Adding one costs a file and a line here. */
export const codings: readonly Coding[] = [
  nf4Coding,
  fp8Coding,
  mxfp4Coding,
  nvfp4Coding,
  denseShiftCoding,
  luqCoding,
  pvqCoding,
  lr2vqCoding,
  bipftCoding,
  sidecarCoding,
  sparseCoding,
  lowRankCoding,
]

export function codingOf({ coding }: Pick<CodedMatrix, 'coding'>): Coding {
  const found = codings.find(({ id }) => id === coding)
  if (found) return found
  throw new Fault('bad-input', `There is no coding "${coding}" in this Lathe.`, {
    hint: 'The file was made by a newer Lathe; use that one.',
    data: { found: coding },
  })
}

/** The coded form that an option gives a weight of this shape; null for options whose result is a grid or blocks. */
export function codedFormOf(option: Option, shape: { rows: number; cols: number }): CodedForm | null {
  for (const coding of codings) {
    const found = coding.form?.(option, shape)
    if (found) return found
  }
  return null
}
