// The weight, computed in the graph from its codes under its own name, so that whatever reads it stays untouched:
//   w = (code - zero) * scale, in float32, in that order: bit for bit what dequantize() gives.
// Only Cast, Gather, Reshape, Add, Sub and Mul of constants: ONNX Runtime folds them when it loads the file, and the
// network then runs like the float32 one (blocked convolution layouts, pre-packed products). DequantizeLinear
// (emit-qdq.ts) is never folded: see build/decisions/0006-export-forms.md.
import type { Layer } from '../../checkpoint/network.ts'
import { int } from '../../graph/ir.ts'
import { emitCodes, reshapeTo } from './emit-codes.ts'
import { sameShape, viewOf, type View, type WeightForm } from './form.ts'
import { codesInOrder, packScales, zerosInOrder } from './pack.ts'
import { castTo, chain, later, type Link, type Piece, type Scope } from './scope.ts'

export type WeightSlot = Pick<Layer, 'name' | 'shape' | 'dtype' | 'order'>

/** Fewer scales than this stay float32: a Cast node costs as many bytes as float16 saves. */
export const FEW_SCALES = 24
/** Fewer zero points than this stay whole bytes: unpacking costs nodes. */
const FEW_ZEROS = 512

/** Emits the nodes that end in the value `slot.name`. Needs opset 11 (BitShift, Range). */
export function emitWeight(scope: Scope, piece: Piece, slot: WeightSlot, form: WeightForm): void {
  const view = viewOf(form, slot.shape, slot.order)
  const links: Link[] = []
  if (!form.symmetric)
    links.push({ op: 'Sub', inputs: [spread(scope, piece, emitZeros(scope, piece, form, view), form, view)] })
  links.push({ op: 'Mul', inputs: [spread(scope, piece, emitScales(scope, piece, form, view), form, view)] })
  if (!sameShape(view.shape, slot.shape)) links.push(reshapeTo(scope, slot.shape))
  if (slot.dtype !== 'float32') links.push(castTo(slot.dtype))
  const codes = emitCodes(scope, piece, {
    bits: form.bits,
    shape: view.shape,
    offset: form.symmetric ? 1 << (form.bits - 1) : 0,
    values: (q) => codesInOrder(q, view.transposed),
  })
  chain(scope, piece, codes, links, slot.name)
}

/** Scales in float32, in the view's scale shape; float16 in the file where that is smaller and loses nothing. */
export function emitScales(
  scope: Scope,
  piece: Piece,
  form: WeightForm,
  view: Pick<View, 'scaleShape' | 'transposed'>,
) {
  const half = form.scaleType === 'float16' && countOf(view.scaleShape) >= FEW_SCALES
  const type = half ? 'float16' : 'float32'
  const scales = later(scope, piece, type, view.scaleShape, (q) => packScales(q, view.transposed, type))
  return half ? chain(scope, piece, scales, [castTo('float32')]) : scales
}

/** Width of the zero points in the file. */
export const zeroBits = (form: WeightForm, scaleShape: readonly number[]): number =>
  countOf(scaleShape) < FEW_ZEROS ? 8 : form.bits

const emitZeros = (scope: Scope, piece: Piece, form: WeightForm, view: View): string =>
  emitCodes(scope, piece, {
    bits: zeroBits(form, view.scaleShape),
    shape: view.scaleShape,
    offset: 0,
    values: (q) => zerosInOrder(q, view.transposed),
  })

/** Each group's value to each of its columns, where groups do not divide the columns: Gather by floor(column / size). */
export function spread(
  scope: Scope,
  piece: Piece,
  values: string,
  form: Pick<WeightForm, 'cols' | 'groupSize'>,
  view: View,
): string {
  if (view.spread === null) return values
  const groupOfColumn = scope.once(`group ${form.cols}/${form.groupSize}`, (shared) => {
    const scalar = (value: number) => scope.constant('int64', [], [value])
    return chain(scope, shared, scalar(0), [
      { op: 'Range', inputs: [scalar(form.cols), scalar(1)] },
      { op: 'Div', inputs: [scalar(form.groupSize)] },
    ])
  })
  return chain(scope, piece, values, [
    { op: 'Gather', inputs: [groupOfColumn], attributes: { axis: int(view.spread) } },
  ])
}

const countOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)
