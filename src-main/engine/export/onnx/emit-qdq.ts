// The weight through one DequantizeLinear, the standard form that other tool chains look for as well:
//   8 bits       int8 (symmetric) or uint8 with zero points, as they lie in the file
//   4 bits       int4 or uint4 from opset 21 on, two codes a byte, the first in the low half
//   other widths planes of bytes (form.ts draws them), unpacked in the graph to int8 or uint8
// DequantizeLinear takes one scale a tensor or along one axis from opset 13 on, and blocks from opset 21 on. Before that,
// groups that divide the columns are rows of their own: [rows * groups, groupSize], one scale a row.
// Two forms ONNX Runtime 1.30 would change the numbers of are avoided:
//   - MatMul(x, DequantizeLinear(constant)) becomes MatMulNBits with activations rounded to 8 bits. A matrix therefore
//     gets a leading axis of 1 and a Reshape, which that fusion does not look through.
//   - int8 without a zero point and with one scale, before a Reshape or Transpose: the pair that is inserted behind it
//     takes the zero point for uint8 and cuts off negative numbers. A zero point is therefore always written there.
import { int, ints, type DataType } from '../../graph/ir.ts'
import { packBits } from '../../kernels/bits.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import { emitCodes, reshapeTo } from './emit-codes.ts'
import { emitScales, zeroBits, type WeightSlot } from './emit-weight.ts'
import { sameShape, type WeightForm } from './form.ts'
import { codesInOrder, signedCodes, zerosInOrder } from './pack.ts'
import { castTo, chain, later, type Link, type Piece, type Scope } from './scope.ts'

interface Blocks {
  shape: number[]
  scaleShape: number[]
  attributes: Record<string, ReturnType<typeof int>>
  transposed: boolean // codes and scales lie columns-first
}

/** Emits the nodes and tensors that end in `slot.name`; false, and nothing emitted, where DequantizeLinear cannot hold
 *  the weight at this opset. The weight is (code - zero) * scale in float32: bit for bit what dequantize() gives. */
export function emitDequantizeLinear(
  scope: Scope,
  piece: Piece,
  slot: WeightSlot,
  form: WeightForm,
  opset: number,
): boolean {
  const blocks = blocksOf(slot, form, opset)
  if (blocks === null) return false
  const { transposed, shape, scaleShape, attributes } = blocks
  const emit = form.bits === 8 || (form.bits === 4 && opset >= 21) ? emitWhole : emitUnpacked
  const codes = emit(scope, piece, form, shape, form.bits, (q) => codesInOrder(q, transposed))
  const inputs = [emitScales(scope, piece, form, { scaleShape, transposed })]
  if (!form.symmetric) {
    const bits = emit === emitWhole ? form.bits : zeroBits(form, scaleShape)
    inputs.push(emit(scope, piece, form, scaleShape, bits, (q) => zerosInOrder(q, transposed)))
  } else if (form.granularity === 'tensor') {
    inputs.push(emit === emitUnpacked || form.bits === 8 ? scope.constant('int8', [], [0]) : fourBitZero(scope, piece))
  }
  const links: Link[] = [{ op: 'DequantizeLinear', inputs, attributes }, ...inOrder(scope, slot, form, blocks)]
  if (slot.dtype !== 'float32') links.push(castTo(slot.dtype))
  chain(scope, piece, codes, links, slot.name)
  return true
}

const fourBitZero = (scope: Scope, piece: Piece): string => later(scope, piece, 'int4', [], () => new Uint8Array(1))

type Emit = (
  scope: Scope,
  piece: Piece,
  form: WeightForm,
  shape: number[],
  bits: number,
  values: (q: QuantizedMatrix) => Uint8Array,
) => string

/** Codes as a tensor of their own type. */
const emitWhole: Emit = (scope, piece, { symmetric }, shape, bits, values) => {
  const type: DataType = bits === 8 ? (symmetric ? 'int8' : 'uint8') : symmetric ? 'int4' : 'uint4'
  return later(scope, piece, type, shape, (q) => {
    const codes = symmetric ? signedCodes(values(q), bits) : values(q)
    return bits === 8 ? codes : packBits(symmetric ? codes.map((code) => code & 15) : codes, bits)
  })
}

/** Codes unpacked to bytes in the graph; ONNX Runtime does it once, when it loads the file. */
const emitUnpacked: Emit = (scope, piece, { symmetric }, shape, bits, values) => {
  if (bits === 8) return later(scope, piece, 'uint8', shape, values) // zero points, too few to pack
  const codes = emitCodes(scope, piece, { bits, shape, offset: symmetric ? 1 << (bits - 1) : 0, values })
  return chain(scope, piece, codes, [castTo(symmetric ? 'int8' : 'uint8')])
}

function blocksOf(slot: WeightSlot, form: WeightForm, opset: number): Blocks | null {
  const { rows, cols, groups, groupSize } = form
  const transposed = slot.order === 'cols'
  if (opset < 13) return null
  const lead = slot.shape.length === 2 ? [1] : []
  const flat = transposed ? [...lead, cols, rows] : [...lead, rows, cols]
  if (form.granularity === 'tensor') {
    return { shape: [...lead, ...slot.shape], scaleShape: [], attributes: {}, transposed }
  }
  if (groups === 1) {
    const last = slot.shape.length - 1
    const fits = slot.shape[transposed ? last : 0] === rows
    const axis = lead.length + (transposed ? (fits ? last : 1) : 0)
    const shape = fits ? [...lead, ...slot.shape] : flat
    return { shape, scaleShape: [rows], attributes: { axis: int(axis) }, transposed }
  }
  if (opset >= 21) {
    const scaleShape = [...lead, ...(transposed ? [groups, rows] : [rows, groups])]
    const attributes = { axis: int(lead.length + (transposed ? 0 : 1)), block_size: int(groupSize) }
    return { shape: flat, scaleShape, attributes, transposed }
  }
  if (groups * groupSize !== cols) return null
  const shape = [rows * groups, groupSize]
  return { shape, scaleShape: [rows * groups], attributes: { axis: int(0) }, transposed: false }
}

/** From the shape the scales need to the tensor's own. */
function inOrder(scope: Scope, slot: WeightSlot, { rows, cols }: WeightForm, blocks: Blocks): Link[] {
  const turn = slot.order === 'cols' && !blocks.transposed
  const links: Link[] = []
  let { shape } = blocks
  if (turn) {
    links.push(reshapeTo(scope, [rows, cols]), { op: 'Transpose', attributes: { perm: ints([1, 0]) } })
    shape = [cols, rows]
  }
  if (!sameShape(shape, slot.shape)) links.push(reshapeTo(scope, slot.shape))
  return links
}
