// Codebooks and low-rank corrections in a graph:
//
//   lr2vq     words int8 [k, d] -> Cast -> MatMul(lift [d, m]) -> Gather(codes) -> [rows, blocks m] -> cut to cols -> * scales
//   sidecar   the grid as emit-weight.ts writes one, * unit, + MatMul(left [rows, rank], right [rank, cols] * steps)
//   bipft     bytes of 8 signs -> Gather(table [256, 8] of bits) -> 2 x - 1 -> * scales * unit, + the same
//
// The weight is computed once, when the file is loaded. Pyramid vectors have no emitter: their numbers of up to 128 bits need
// a loop over whole numbers wider than any type of ONNX; Lathe's packed safetensors holds them.
import { unpackBits } from '../../kernels/bits.ts'
import { decodeScales } from '../../kernels/float16.ts'
import type { CodedForm, CodedMatrix } from '../../quantize/codings/define.ts'
import { codeBits } from '../../quantize/lr2vq/shape.ts'
import type { FactorType } from '../../quantize/sidecar/factors.ts'
import { groupsIn } from '../../quantize/sidecar/forms.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import { emitCodes, reshapeTo } from '../onnx/emit-codes.ts'
import { emitWeight, type WeightSlot } from '../onnx/emit-weight.ts'
import type { StoredMatrix, WeightForm } from '../onnx/form.ts'
import { castTo, chain, emptyPiece, later, type Link, type Piece, type Scope } from '../onnx/scope.ts'
import { byteTable } from '../onnx/tables.ts'
import type { OnnxCoding } from './onnx.ts'
import { emitFactors } from './onnx-low-rank.ts'
import { bytesOf, floats, toSlot } from './onnx-parts.ts'

/** [rows, blocks m] cut to [rows, cols]. */
function columns(scope: Scope, width: number, cols: number): Link[] {
  if (width === cols) return []
  const one = (value: number) => scope.constant('int64', [1], [value])
  return [{ op: 'Slice', inputs: [one(0), one(cols), one(1)] }]
}

function emitBook(scope: Scope, piece: Piece, slot: WeightSlot, form: CodedForm): void {
  const { rows, cols } = form
  const [k, m] = [Number(form.settings.k), Number(form.settings.m)]
  const blocks = Math.ceil(cols / m)
  const words = floats(scope, piece, form, 'words')
  const book = chain(scope, piece, words, [{ op: 'MatMul', inputs: [floats(scope, piece, form, 'lift')] }])
  const bits = codeBits({ k })
  const values = (q: CodedMatrix) => unpackBits(bytesOf('codes')(q), bits, rows * blocks)
  const codes = emitCodes<CodedMatrix>(scope, piece, { bits, shape: [rows, blocks], offset: 0, values })
  chain(
    scope,
    piece,
    codes,
    [
      castTo('int32'),
      { op: 'Gather', before: [book] },
      reshapeTo(scope, [rows, blocks * m]),
      ...columns(scope, blocks * m, cols),
      { op: 'Mul', inputs: [floats(scope, piece, form, 'scales')] },
      ...toSlot(scope, form, slot),
    ],
    slot.name,
  )
}

/** What is added to [rows, cols]: nothing where the rank is 0. */
function correction(scope: Scope, piece: Piece, form: CodedForm): Link[] {
  const rank = Number(form.settings.rank)
  if (rank === 0) return []
  const { left, right } = emitFactors(scope, piece, form, { rank, type: form.settings.factors as FactorType })
  return [{ op: 'Add', inputs: [chain(scope, piece, left, [{ op: 'MatMul', inputs: [right] }])] }]
}

function emitSigns(scope: Scope, piece: Piece, slot: WeightSlot, form: CodedForm): void {
  const { rows, cols } = form
  const width = Math.ceil(cols / 8)
  const signs = later<CodedMatrix>(scope, piece, 'uint8', [rows, width], bytesOf('signs'))
  const scales = chain(scope, piece, floats(scope, piece, form, 'scales'), [
    { op: 'Mul', inputs: [floats(scope, piece, form, 'unit')] },
  ])
  chain(
    scope,
    piece,
    signs,
    [
      castTo('int32'),
      { op: 'Gather', before: [byteTable(scope, { width: 1, shift: 1, offset: 1 })] },
      reshapeTo(scope, [rows, width * 8]),
      ...columns(scope, width * 8, cols),
      { op: 'Mul', inputs: [scales] },
      ...correction(scope, piece, form),
      ...toSlot(scope, form, slot),
    ],
    slot.name,
  )
}

/** The grid beside the correction, without its unit. */
function gridOf(m: CodedMatrix): QuantizedMatrix {
  const form = gridForm(m)
  const { rows, cols, bits, groups } = form
  const scales = decodeScales(bytesOf('scales')(m), 'float16')
  const zeros = form.symmetric ? new Uint8Array(rows * groups).fill(2 ** (bits - 1)) : bytesOf('zeros')(m)
  return { ...form, codes: unpackBits(bytesOf('codes')(m), bits, rows * cols), scales, zeros }
}

function gridForm({ rows, cols, settings }: CodedForm): WeightForm {
  const groupSize = Number(settings.groupSize)
  return {
    ...{ rows, cols, bits: Number(settings.bits), symmetric: settings.symmetric === true, scaleType: 'float16' },
    granularity: groupSize === 0 ? 'channel' : 'group',
    groupSize: groupSize === 0 ? cols : Math.min(groupSize, cols),
    groups: groupsIn(cols, groupSize),
  }
}

function emitSidecar(scope: Scope, piece: Piece, slot: WeightSlot, form: CodedForm): void {
  const { rows, cols } = form
  const own = emptyPiece()
  const name = scope.fresh()
  emitWeight(scope, own, { name, shape: [rows, cols], dtype: 'float32', order: 'rows' }, gridForm(form))
  piece.nodes.push(...own.nodes)
  piece.initializers.push(...own.initializers)
  for (const [tensor, payload] of own.payloads)
    piece.payloads.set(tensor, (m: StoredMatrix) => payload(gridOf(m as CodedMatrix)))
  const unit: Link = { op: 'Mul', inputs: [floats(scope, piece, form, 'unit')] }
  chain(scope, piece, name, [unit, ...correction(scope, piece, form), ...toSlot(scope, form, slot)], slot.name)
}

export const vectorEmitters: readonly OnnxCoding[] = [
  { id: 'lr2vq', emit: emitBook },
  { id: 'sidecar', emit: emitSidecar },
  { id: 'bipft', emit: emitSigns },
]
