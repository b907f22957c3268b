import { type CodedForm, type CodedMatrix, codedForm } from '../../quantize/codings/define.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'

/** A quantized weight without its values: all that decides which nodes and how many bytes the file needs. */
export type WeightForm = Omit<QuantizedMatrix, 'codes' | 'scales' | 'zeros'>

/** The bits of one code as planes of 4, 2 and 1 bits, lowest bits first; each width packs into bytes without a rest.
 *
 *      bits   planes (low .. high)        a code of 7 bits:   6 5 4 3 | 2 1 | 0
 *       2     2                                               p4      | p2  | p1
 *       3     1 2
 *       4     4                           byte of p1: 8 codes, p2: 4 codes, p4: 2 codes,
 *       5     1 4                         the first code in the lowest bits
 *       6     2 4
 *       7     1 2 4
 */
export function planesOf(bits: number): { width: number; shift: number }[] {
  const planes: { width: number; shift: number }[] = []
  let shift = 0
  for (const width of [1, 2, 4]) {
    if ((bits & width) === 0) continue
    planes.push({ width, shift })
    shift += width
  }
  return planes
}

/** Block size for com.microsoft MatMulNBits, or null where that operator cannot hold the weight. Its blocks run along a
 *  row, are a power of two >= 16, and the last one is padded. */
export function blockSizeOf(form: WeightForm): number | null {
  if (form.bits !== 2 && form.bits !== 4 && form.bits !== 8) return null
  if (form.granularity === 'tensor') return null
  const size = form.granularity === 'group' ? form.groupSize : form.cols
  return size >= 16 && (size & (size - 1)) === 0 ? size : null
}

/** How a weight tensor lies against its scales, seen in memory order. */
export interface View {
  shape: number[] // in which codes and scales meet by broadcasting
  scaleShape: number[]
  /** Axis of a [rows or cols, groups] scale that is spread to columns by Gather, because the last group is shorter. */
  spread: number | null
  transposed: boolean // scales lie [groups, rows] in the file: the tensor's memory order is [cols, rows]
}

/** Broadcast view for a weight of `shape` whose memory order is rows-first or columns-first. */
export function viewOf(form: WeightForm, shape: readonly number[], order: 'rows' | 'cols'): View {
  const { rows, cols, groups, groupSize } = form
  const transposed = order === 'cols'
  if (form.granularity === 'tensor') return { shape: [...shape], scaleShape: [1], spread: null, transposed }
  if (groups === 1) return channelView(rows, cols, shape, transposed)
  if (groups * groupSize === cols) {
    return transposed
      ? { shape: [groups, groupSize, rows], scaleShape: [groups, 1, rows], spread: null, transposed }
      : { shape: [rows, groups, groupSize], scaleShape: [rows, groups, 1], spread: null, transposed }
  }
  return transposed
    ? { shape: [cols, rows], scaleShape: [groups, rows], spread: 0, transposed }
    : { shape: [rows, cols], scaleShape: [rows, groups], spread: 1, transposed }
}

/** One scale per row, on the tensor's own shape where its leading (or last) axes are the rows. */
function channelView(rows: number, cols: number, shape: readonly number[], transposed: boolean): View {
  if (transposed) {
    const fits = shape.at(-1) === rows
    return { shape: fits ? [...shape] : [cols, rows], scaleShape: [rows], spread: null, transposed }
  }
  let product = 1
  for (let axis = 0; axis < shape.length; axis++) {
    product *= shape[axis] ?? 1
    if (product !== rows) continue
    const ones = shape.slice(axis + 1).map(() => 1)
    return { shape: [...shape], scaleShape: [...shape.slice(0, axis + 1), ...ones], spread: null, transposed }
  }
  return { shape: [rows, cols], scaleShape: [rows, 1], spread: null, transposed }
}

/** True where a view is the tensor's own shape, so that no Reshape is needed at the end. */
export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis])

/** What exporters are given: a grid, or a coding whose parts are written as they are. */
export type StoredMatrix = QuantizedMatrix | CodedMatrix
export type StoredForm = WeightForm | CodedForm

export const isCodedForm = (form: StoredForm): form is CodedForm => 'coding' in form

/** The form of a compressed weight. */
export function formOf(q: QuantizedMatrix): WeightForm
export function formOf(q: StoredMatrix): StoredForm
export function formOf(q: StoredMatrix): StoredForm {
  if ('coding' in q) return codedForm(q)
  const { codes: _codes, scales: _scales, zeros: _zeros, ...form } = q
  return form
}
