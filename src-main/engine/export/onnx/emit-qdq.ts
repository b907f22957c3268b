// The weight through one DequantizeLinear, the form other tool chains (TensorRT, OpenVINO, QNN) look for:
//   8 bits  int8 (symmetric) or uint8 with zero points; opset 13, grouped opset 21
//   4 bits  int4 or uint4, two codes a byte, the first in the low half; opset 21
import { int, type DataType } from '../../graph/ir.ts'
import { packBits } from '../../kernels/bits.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import { emitScales, type WeightSlot } from './emit-weight.ts'
import { sameShape, type WeightForm } from './form.ts'
import { codesInOrder, signedCodes, zerosInOrder } from './pack.ts'
import { castTo, chain, later, type Link, type Piece, type Scope } from './scope.ts'

interface Blocks {
  shape: number[]
  scaleShape: number[]
  attributes: Record<string, ReturnType<typeof int>>
}

/** Emits the node and its tensors; false, and nothing emitted, where DequantizeLinear cannot hold the weight here. */
export function emitDequantizeLinear(
  scope: Scope,
  piece: Piece,
  slot: WeightSlot,
  form: WeightForm,
  opset: number,
): boolean {
  const blocks = blocksOf(slot, form, opset)
  if (blocks === null || !(form.bits === 8 || (form.bits === 4 && opset >= 21)) || opset < 13) return false
  const transposed = slot.order === 'cols'
  const type: DataType = form.bits === 8 ? (form.symmetric ? 'int8' : 'uint8') : form.symmetric ? 'int4' : 'uint4'
  const pack = (values: Uint8Array, q: QuantizedMatrix): Uint8Array => {
    const signed = q.symmetric ? signedCodes(values, q.bits) : values
    return q.bits === 8
      ? signed
      : packBits(
          signed.map((code) => code & 15),
          4,
        )
  }
  const codes = later(scope, piece, type, blocks.shape, (q) => pack(codesInOrder(q, transposed), q))
  const inputs = [emitScales(scope, piece, form, { scaleShape: blocks.scaleShape, transposed })]
  if (!form.symmetric) {
    inputs.push(later(scope, piece, type, blocks.scaleShape, (q) => pack(zerosInOrder(q, transposed), q)))
  }
  const links: Link[] = [{ op: 'DequantizeLinear', inputs, attributes: blocks.attributes }]
  if (!sameShape(blocks.shape, slot.shape)) {
    links.push({ op: 'Reshape', inputs: [scope.constant('int64', [slot.shape.length], slot.shape)] })
  }
  if (slot.dtype !== 'float32') links.push(castTo(slot.dtype))
  chain(scope, piece, codes, links, slot.name)
  return true
}

function blocksOf(slot: WeightSlot, form: WeightForm, opset: number): Blocks | null {
  const { rows, cols, groups, groupSize } = form
  const transposed = slot.order === 'cols'
  if (form.granularity === 'tensor') return { shape: [...slot.shape], scaleShape: [], attributes: {} }
  const flat = transposed ? [cols, rows] : [rows, cols]
  if (groups === 1) {
    const axis = transposed ? slot.shape.length - 1 : 0
    const fits = slot.shape[axis] === rows
    return {
      shape: fits ? [...slot.shape] : flat,
      scaleShape: [rows],
      attributes: { axis: int(fits ? axis : transposed ? 1 : 0) },
    }
  }
  if (opset < 21) return null
  return {
    shape: flat,
    scaleShape: transposed ? [groups, rows] : [rows, groups],
    attributes: { axis: int(transposed ? 0 : 1), block_size: int(groupSize) },
  }
}
