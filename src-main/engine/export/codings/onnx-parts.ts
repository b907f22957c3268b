import { ints } from '../../graph/ir.ts'
import type { CodedForm, CodedMatrix } from '../../quantize/codings/define.ts'
import { reshapeTo } from '../onnx/emit-codes.ts'
import type { WeightSlot } from '../onnx/emit-weight.ts'
import { sameShape } from '../onnx/form.ts'
import { castTo, chain, later, type Link, type Piece, type Scope } from '../onnx/scope.ts'

export const bytesOf = (name: string) => (m: CodedMatrix) => m.parts[name]?.data ?? new Uint8Array()

/** A part as it is stored, in float32. */
export function floats(scope: Scope, piece: Piece, form: CodedForm, name: string): string {
  const { dtype = 'float32', shape = [] } = form.parts[name] ?? {}
  const value = later<CodedMatrix>(scope, piece, dtype, [...shape], bytesOf(name))
  return dtype === 'float32' ? value : chain(scope, piece, value, [castTo('float32')])
}

/** From [rows, cols] in float32 to the tensor of the checkpoint. */
export function toSlot(scope: Scope, { rows, cols }: Pick<CodedForm, 'rows' | 'cols'>, slot: WeightSlot): Link[] {
  const turned = slot.order === 'cols'
  const shape = turned ? [cols, rows] : [rows, cols]
  return [
    ...(turned ? [{ op: 'Transpose', attributes: { perm: ints([1, 0]) } }] : []),
    ...(sameShape(shape, slot.shape) ? [] : [reshapeTo(scope, slot.shape)]),
    ...(slot.dtype === 'float32' ? [] : [castTo(slot.dtype)]),
  ]
}
