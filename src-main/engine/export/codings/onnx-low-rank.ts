// Factors in a graph: L [rows, rank] and R [rank, cols] as tensors of their own, float16, bytes or planes of 4 bits, cast and
// scaled at load. Where every reader allows it, it multiplies by one and then by the other, which is less to compute
// whenever the factors are smaller than the weight:
//
//   x W         (x R^T) L^T            MatMul, Gemm (its bias last)
//   conv(x, W)  conv1x1(conv(x, R), L) the first with the window, strides and pads, the second with the bias
//   W[ids]      L[ids] R               lookups in a table
//
// Elsewhere W = L R is computed once, at load.
import { attributeInt, type Attribute, ints, node, type Node } from '../../graph/ir.ts'
import { unpackBits } from '../../kernels/bits.ts'
import type { CodedForm, CodedMatrix } from '../../quantize/codings/define.ts'
import { factorTypeOf, rankShapeOf } from '../../quantize/codings/low-rank.ts'
import type { FactorType } from '../../quantize/sidecar/factors.ts'
import { emitCodes, reshapeTo } from '../onnx/emit-codes.ts'
import { isLookup } from '../onnx/emit-lookup.ts'
import { isProduct } from '../onnx/emit-product.ts'
import type { WeightSlot } from '../onnx/emit-weight.ts'
import { chain, type Link, type Piece, type Scope } from '../onnx/scope.ts'
import type { OnnxCoding, Place, Replaced } from './onnx.ts'
import { bytesOf, floats, toSlot } from './onnx-parts.ts'

/** L [rows, rank] and diag(steps) R [rank, cols], in float32. */
export function emitFactors(
  scope: Scope,
  piece: Piece,
  form: CodedForm,
  { rank, type }: { rank: number; type: FactorType },
): { left: string; right: string } {
  const numbers = (name: 'left' | 'right', shape: [number, number]) => {
    if (type !== 'int4') return floats(scope, piece, form, name)
    const values = (m: CodedMatrix) => unpackBits(bytesOf(name)(m), 4, shape[0] * shape[1])
    return emitCodes<CodedMatrix>(scope, piece, { bits: 4, shape, offset: 8, values })
  }
  const left = numbers('left', [form.rows, rank])
  const steps = chain(scope, piece, floats(scope, piece, form, 'steps'), [reshapeTo(scope, [rank, 1])])
  const right = chain(scope, piece, numbers('right', [rank, form.cols]), [{ op: 'Mul', inputs: [steps] }])
  return { left, right }
}

const turn: Link = { op: 'Transpose', attributes: { perm: ints([1, 0]) } }

/** A convolution of all channels of its input by one weight. */
function isWhole(slot: WeightSlot, { op, domain, inputs, attributes }: Node): boolean {
  return (
    op === 'Conv' &&
    domain === '' &&
    inputs[1] === slot.name &&
    inputs[0] !== slot.name &&
    inputs[2] !== slot.name &&
    slot.dtype === 'float32' &&
    slot.order === 'rows' &&
    slot.shape.length > 2 &&
    attributeInt({ attributes } as Node, 'group', 1) === 1
  )
}

const isTable = (slot: WeightSlot, reader: Node): boolean =>
  slot.dtype === 'float32' && slot.shape.length === 2 && slot.order === 'rows' && isLookup(slot, reader)

function emitLowRank(scope: Scope, piece: Piece, slot: WeightSlot, form: CodedForm, { uses }: Place): Replaced | void {
  const { rank, width } = rankShapeOf(form)
  const { left, right } = emitFactors(scope, piece, form, { rank, type: factorTypeOf(width) })
  const readers = uses === undefined || uses.elsewhere ? [] : uses.nodes
  const kinds = [isProduct, isWhole, isTable]
  const fewer = rank * (form.rows + form.cols) < form.rows * form.cols
  if (!fewer || readers.length === 0 || !readers.every((reader) => kinds.some((fits) => fits(slot, reader)))) {
    chain(scope, piece, left, [{ op: 'MatMul', inputs: [right] }, ...toSlot(scope, form, slot)], slot.name)
    return
  }
  // Each turned or shaped once, whoever reads it.
  const made = new Map<string, string>()
  const shaped = (key: string, value: string, link: Link): string => {
    const found = made.get(key) ?? chain(scope, piece, value, [link])
    made.set(key, found)
    return found
  }
  const inTurn = (reader: Node): Node[] => {
    const between = scope.fresh()
    const [x = '', index = '', ...others] = reader.inputs
    if (isTable(slot, reader))
      return [
        node('Gather', [left, index], [between], Object.fromEntries(reader.attributes), { name: '' }),
        node('MatMul', [between, right], [...reader.outputs], {}, { name: reader.name }),
      ]
    if (reader.op === 'Conv') {
      const window = slot.shape.slice(1)
      const point = slot.shape.slice(2).map(() => 1)
      const r = shaped('window', right, reshapeTo(scope, [rank, ...window]))
      const l = shaped('point', left, reshapeTo(scope, [form.rows, rank, ...point]))
      return [
        { ...reader, name: '', inputs: [x, r], outputs: [between] },
        node('Conv', [between, l, ...others], [...reader.outputs], pointwise(reader), { name: reader.name }),
      ]
    }
    const r = shaped('right turned', right, turn)
    const l = slot.order === 'cols' ? shaped('left turned', left, turn) : left
    return [node('MatMul', [x, r], [between], {}, { name: '' }), { ...reader, inputs: [between, l, ...others] }]
  }
  return new Map(readers.map((reader) => [reader, inTurn(reader)]))
}

const pointwise = ({ attributes }: Node): Record<string, Attribute> => {
  const shape = attributes.get('kernel_shape')
  return shape?.kind === 'ints' ? { kernel_shape: ints(shape.value.map(() => 1)) } : {}
}

export const lowRankEmitter: OnnxCoding = { id: 'low-rank', emit: emitLowRank }
