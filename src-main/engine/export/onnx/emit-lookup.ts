// Gather(W, ids) on a packed table: the rows of the codes, of the scales and of the zero points are gathered first, and
// only these rows are unpacked and dequantized. The table never exists in float32.
//
//   plane of width w   uint8 [rows, bytes] -> Gather(ids) -> Cast -> Gather(table [256, 8 / w]) -> [ids * bytes, 8 / w]
//   code               sum of its planes, cut to the columns, as int8 or uint8 [ids * groups, groupSize]
//   row                DequantizeLinear(codes, scales [ids * groups], zeros [ids * groups]) -> [...ids, cols]
import { attributeInt, int, node, type Node } from '../../graph/ir.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import { reshapeTo } from './emit-codes.ts'
import { emitScales, type WeightSlot } from './emit-weight.ts'
import { planesOf, type WeightForm } from './form.ts'
import { packPlane, padRows, signedCodes } from './pack.ts'
import { castTo, chain, emptyPiece, later, type Link, type Piece, type Scope } from './scope.ts'
import { byteTable } from './tables.ts'

const SMALLEST_OPSET = 13 // DequantizeLinear with one scale a row

/** Codes of which each row starts on a byte. */
export interface RowCodes {
  planes: { value: string; width: number; shift: number }[] // [rows, bytes], or [rows, blocks, bytes a block]
  stored: number // codes a row takes in the file
  count: number // codes a row has
  offset: number // subtracted from each code
  signed: boolean // one int8 a code, the offset already subtracted
}

/** A table whose rows are looked up. */
export interface RowTable {
  codes: RowCodes
  scales: string // float32 [rows, groups]; scalar per tensor
  zeros: RowCodes | null
}

/** True where the node only picks rows of the weight. */
export const isLookup = (slot: WeightSlot, consumer: Node): boolean => {
  const { op, domain, inputs } = consumer
  const plain = op === 'Gather' && domain === '' && inputs[0] === slot.name && inputs[1] !== slot.name
  return plain && attributeInt(consumer, 'axis', 0) === 0
}

/** True where rows of the weight can be dequantized by themselves. */
export const hasOwnRows = (slot: WeightSlot, { granularity, cols, groupSize }: WeightForm, opset: number): boolean =>
  opset >= SMALLEST_OPSET &&
  slot.order === 'rows' &&
  slot.shape.length === 2 &&
  (granularity !== 'group' || cols % groupSize === 0)

/** Emits the tensors of a table that nothing but lookups reads. */
export function emitRowTable(scope: Scope, piece: Piece, form: WeightForm): RowTable {
  const { rows, cols, groups, bits, symmetric } = form
  const perTensor = form.granularity === 'tensor'
  const offset = symmetric ? 1 << (bits - 1) : 0
  const codes = emitRows(scope, piece, { rows, count: cols, bits, offset, values: (q) => q.codes })
  const scaleShape = perTensor ? [] : [rows, groups]
  const scales = emitScales(scope, piece, form, { scaleShape, transposed: false })
  if (symmetric) return { codes, scales, zeros: null }
  const packedBytes = (storedOf(groups, bits) * bits) / 8
  const zeros = { rows: perTensor ? 1 : rows, count: groups, offset: 0, values: (q: QuantizedMatrix) => q.zeros }
  return { codes, scales, zeros: emitRows(scope, piece, { ...zeros, bits: packedBytes < groups ? bits : 8 }) }
}

/** Codes a row of `count` takes so that every plane of it fills whole bytes. */
const storedOf = (count: number, bits: number): number => {
  const planes = planesOf(bits)
  const perByte = bits === 8 ? 1 : planes.length > 1 ? 8 : 8 / bits
  return Math.ceil(count / perByte) * perByte
}

interface Rows {
  rows: number
  count: number
  bits: number
  offset: number
  values: (q: QuantizedMatrix) => Uint8Array // [rows, count]
}

function emitRows(scope: Scope, piece: Piece, { rows, count, bits, offset, values }: Rows): RowCodes {
  const stored = storedOf(count, bits)
  if (bits === 8) {
    const signed = offset > 0
    const value = later(scope, piece, signed ? 'int8' : 'uint8', [rows, count], (q) =>
      signed ? signedCodes(values(q), bits) : values(q),
    )
    return { planes: [{ value, width: 8, shift: 0 }], stored, count, offset, signed }
  }
  const planes = planesOf(bits).map(({ width, shift }) => ({
    width,
    shift,
    value: later(scope, piece, 'uint8', [rows, (stored * width) / 8], (q) =>
      packPlane(padRows(values(q), rows, count, stored), width, shift),
    ),
  }))
  return { planes, stored, count, offset, signed: false }
}

/** What takes the place of the lookups. */
export function emitLookups(
  scope: Scope,
  slot: WeightSlot,
  form: WeightForm,
  table: RowTable,
  lookups: readonly Node[],
): Map<Node, Node[]> {
  return new Map(lookups.map((lookup) => [lookup, emitLookup(scope, slot, form, table, lookup)]))
}

function emitLookup(scope: Scope, slot: WeightSlot, form: WeightForm, table: RowTable, lookup: Node): Node[] {
  const piece = emptyPiece()
  const [, ids = ''] = lookup.inputs
  const perTensor = form.granularity === 'tensor'
  const codes = chain(scope, piece, pick(scope, piece, table.codes, ids), [reshapeTo(scope, [-1, form.groupSize])])
  const flat = reshapeTo(scope, [-1])
  const inputs = [perTensor ? table.scales : chain(scope, piece, table.scales, [{ op: 'Gather', inputs: [ids] }, flat])]
  if (table.zeros !== null) {
    inputs.push(
      perTensor
        ? chain(scope, piece, table.zeros.planes[0]?.value ?? '', [reshapeTo(scope, [])])
        : chain(scope, piece, pick(scope, piece, table.zeros, ids), [flat]),
    )
  } else if (perTensor) inputs.push(scope.constant('int8', [], [0])) // emit-qdq.ts tells why
  const shape = scope.fresh()
  const idsShape = chain(scope, piece, ids, [{ op: 'Shape' }])
  const cols = scope.constant('int64', [1], [form.cols])
  piece.nodes.push(node('Concat', [idsShape, cols], [shape], { axis: int(0) }, { name: '' }))
  const links: Link[] = [
    { op: 'DequantizeLinear', inputs, attributes: perTensor ? {} : { axis: int(0) } },
    { op: 'Reshape', inputs: [shape] },
  ]
  if (slot.dtype !== 'float32') links.push(castTo(slot.dtype))
  chain(scope, piece, codes, links, lookup.outputs[0])
  return piece.nodes
}

/** The rows of some ids: int8 or uint8, row after row; padding is cut off. */
function pick(scope: Scope, piece: Piece, codes: RowCodes, ids: string): string {
  const { planes, stored, count, offset } = codes
  const gather: Link = { op: 'Gather', inputs: [ids] }
  const [first, ...others] = planes
  if (first === undefined) return ''
  const type = castTo(offset > 0 ? 'int8' : 'uint8')
  if (first.width === 8) {
    const subtract: Link = { op: 'Sub', inputs: [scope.constant('float32', [], [offset])] }
    const shifted = offset > 0 && !codes.signed ? [castTo('float32'), subtract, type] : []
    return chain(scope, piece, first.value, [gather, ...shifted])
  }
  const inEights = others.length === 0 ? [] : [reshapeTo(scope, [-1, 8])]
  const unpack = ({ value, width, shift }: (typeof planes)[number], subtracted: number): string => {
    const table = byteTable(scope, { width, shift, offset: subtracted })
    return chain(scope, piece, value, [gather, castTo('int32'), { op: 'Gather', before: [table] }, ...inEights])
  }
  const sum = others.reduce(
    (total, plane) => chain(scope, piece, total, [{ op: 'Add', inputs: [unpack(plane, 0)] }]),
    unpack(first, offset),
  )
  const cut = stored === count ? [] : cutColumns(scope, stored, count)
  return chain(scope, piece, sum, [...cut, type])
}

const cutColumns = (scope: Scope, stored: number, count: number): Link[] => {
  const list = (value: number) => scope.constant('int64', [1], [value])
  return [reshapeTo(scope, [-1, stored]), { op: 'Slice', inputs: [list(0), list(count), list(1)] }]
}
