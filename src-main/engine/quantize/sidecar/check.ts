import { decodeScales } from '../../kernels/float16.ts'
import type { CodedForm, CodedMatrix } from '../codings/define.ts'

const sizes: Partial<Record<string, number>> = { float32: 4, float16: 2, uint8: 1, int8: 1 }

/** Whether the parts are those of a form, and every float of theirs is finite: null, or what is wrong. */
export function partsFault({ parts }: CodedMatrix, form: CodedForm): string | null {
  for (const [name, { dtype, shape }] of Object.entries(form.parts)) {
    const found = parts[name]
    const size = shape.reduce((product, n) => product * n, sizes[dtype] ?? NaN)
    if (found?.dtype !== dtype || found.data.byteLength !== size) return `part ${name} is not ${size} bytes of ${dtype}`
    if (dtype !== 'float16' && dtype !== 'float32') continue
    if (!decodeScales(found.data, dtype).every(Number.isFinite)) return `a number of ${name} is not finite`
  }
  return null
}

export const isRank = (rank: unknown): rank is number =>
  Number.isInteger(rank) && Number(rank) >= 0 && Number(rank) <= 4096
