import type { Option } from '../../../../src-preload/contract/plan.ts'
import { bitsOf, type DataType } from '../../graph/ir.ts'

/** One stored part of a coded weight; all bytes count. */
export interface CodedPart {
  dtype: DataType
  shape: number[]
  data: Uint8Array // raw little-endian bytes
}

/** A weight in a coding of its own: named parts, and a coding (registry.ts) that knows what they stand for. */
export interface CodedMatrix {
  rows: number
  cols: number
  coding: string // id of the coding
  settings: Record<string, string | number | boolean>
  parts: Record<string, CodedPart>
}

/** A coded weight without its bytes: all that decides how much it takes in a file. */
export type CodedForm = Omit<CodedMatrix, 'parts'> & { parts: Record<string, Omit<CodedPart, 'data'>> }

/** How parts become weights. One file each, one line in the registry. */
export interface Coding {
  id: string
  title: string
  /** Rows [begin, end) as weights, row-major. */
  decode(matrix: CodedMatrix, begin: number, end: number): Float32Array
  /** What is wrong with parts and settings read from a file, in words; null when nothing. Everything `decode` relies on. */
  fault(matrix: CodedMatrix): string | null
  /** What a weight of this shape will be under an option, before it is made: exact to the byte, so that a plan is. Null for
   *  options that make something else. Without it no exporter offers the coding. */
  form?(option: Option, shape: { rows: number; cols: number }): CodedForm | null
}

export const codedBytes = ({ parts }: CodedMatrix): number =>
  Object.values(parts).reduce((sum, { data }) => sum + data.byteLength, 0)

/** The same before it is made. */
export const codedFormBytes = ({ parts }: CodedForm): number =>
  Object.values(parts).reduce(
    (sum, { dtype, shape }) =>
      sum + Math.ceil((shape.reduce((product, size) => product * size, 1) * bitsOf[dtype]) / 8),
    0,
  )

/** The form of a coded weight. */
export const codedForm = ({ parts, ...rest }: CodedMatrix): CodedForm => ({
  ...rest,
  parts: Object.fromEntries(Object.entries(parts).map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
})
