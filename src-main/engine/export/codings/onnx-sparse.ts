// Sparse weights (quantize/codings/sparse.ts) in a graph. Everything below is of constants and computed once, at load:
//
//   mask       uint8 bits -> Gather(table [256, 8]) -> m [rows cols]           patterns: codes -> Gather(table of masks) -> m
//              m x CumSum(m) -> places in (0, values): 0 where left out        -> Gather
//   low, high  high bits -> CumSum -> places by arithmetic                     -> ScatterElements of the values into zeros
//   columns    bits -> CumSum -> ScatterElements of 0, 1, 2 ... -> c;  values are a dense [rows, kept]
//   values     float16 or float32, or codes as emit-codes.ts writes them; then x scale of the group, x unit
//
// ONNX Runtime does not fold NonZero, and would do all behind it at every run. The network then runs as the dense one does. Whole columns are different: where every reader is a product or a convolution,
// it reads Gather(x, c) and the dense rest, which is less to compute.
import { attributeInt, type Attribute, int, ints, node, type Node } from '../../graph/ir.ts'
import { unpackBits } from '../../kernels/bits.ts'
import type { CodedForm, CodedMatrix } from '../../quantize/codings/define.ts'
import { highBits } from '../../kernels/sparse/sparse.ts'
import { groupsIn } from '../../quantize/sidecar/forms.ts'
import { lowBitsOf, neighboursOf, patternBits, shapeOf } from '../../quantize/sparse/forms.ts'
import { patternWords } from '../../quantize/sparse/places.ts'
import { cutTo, emitCodes, reshapeTo } from '../onnx/emit-codes.ts'
import { isProduct } from '../onnx/emit-product.ts'
import { spread, type WeightSlot } from '../onnx/emit-weight.ts'
import { sameShape, viewOf } from '../onnx/form.ts'
import { castTo, chain, later, type Link, type Piece, type Scope } from '../onnx/scope.ts'
import { byteTable } from '../onnx/tables.ts'
import type { OnnxCoding, Place, Replaced } from './onnx.ts'
import { bytesOf, floats, toSlot } from './onnx-parts.ts'

const along = (axis: number): Record<string, Attribute> => ({ axis: int(axis) })
const scalar = (scope: Scope, value: number) => scope.constant('int64', [], [value])

/** Kept values in float32, [kept], codes without their scale; with a 0 before them where `led`. */
function keptValues(scope: Scope, piece: Piece, form: CodedForm, led: boolean): string {
  const { width, kept } = shapeOf(form)
  const count = kept + Number(led)
  const before = (bytes: Uint8Array, entry: number[]) => (led ? Uint8Array.from([...entry, ...bytes]) : bytes)
  if (width <= 8) {
    const half = 1 << (width - 1)
    const values = (m: CodedMatrix) => before(unpackBits(bytesOf('values')(m), width, kept), [half])
    return emitCodes<CodedMatrix>(scope, piece, { bits: width, shape: [count], offset: half, values })
  }
  const dtype = width === 16 ? 'float16' : 'float32'
  const zero = Array.from({ length: width / 8 }, () => 0)
  const stored = later<CodedMatrix>(scope, piece, dtype, [count], (m) => before(bytesOf('values')(m), zero))
  return width === 16 ? chain(scope, piece, stored, [castTo('float32')]) : stored
}

/** `count` bits of a part, as float32 0 and 1. */
function bitsOf(scope: Scope, piece: Piece, form: CodedForm, name: string, count: number): string {
  const { shape = [] } = form.parts[name] ?? {}
  const stored = later<CodedMatrix>(scope, piece, 'uint8', [...shape], bytesOf(name))
  const table = byteTable(scope, { width: 1, shift: 0, offset: 0 })
  const whole = count % 8 === 0 ? [reshapeTo(scope, [-1])] : cutTo(scope, count)
  return chain(scope, piece, stored, [castTo('int32'), { op: 'Gather', before: [table] }, ...whole])
}

/** 0 where a flag is 0, else its number among those that are 1, from 1 on. */
function places(scope: Scope, piece: Piece, flags: string): string {
  const whole = chain(scope, piece, flags, [castTo('int32')])
  return chain(scope, piece, whole, [
    { op: 'CumSum', inputs: [scalar(scope, 0)] },
    { op: 'Mul', inputs: [whole] },
  ])
}

function flagsOf(scope: Scope, piece: Piece, form: CodedForm): string {
  const { rows, cols } = form
  const neighbours = neighboursOf(shapeOf(form).pattern)
  if (!neighbours) return bitsOf(scope, piece, form, 'mask', rows * cols)
  const { m } = neighbours
  const bits = patternBits(neighbours)
  const groups = (rows * cols) / m
  const values = (q: CodedMatrix) => unpackBits(bytesOf('patterns')(q), bits, groups)
  const words = patternWords(neighbours)
  const table = scope.constant('uint8', [words.length, m], words.flatMap((word) => Array.from({ length: m }, (_, i) => (word >> i) & 1))) // prettier-ignore
  const codes = emitCodes<CodedMatrix>(scope, piece, { bits, shape: [groups], offset: 0, values })
  return chain(scope, piece, codes, [castTo('int32'), { op: 'Gather', before: [table] }, reshapeTo(scope, [-1])])
}

/** Elias and Fano's places: their values in zeros, [rows cols]. At place t of the high bits, the k-th 1 (from 1 on) stands for
 *  entry (t - k + 1) 2^l + low_k; a 0 for one behind the last, which is cut off. */
function scattered(scope: Scope, piece: Piece, form: CodedForm, low: number): string {
  const count = form.rows * form.cols
  const { kept } = shapeOf(form)
  const length = highBits(count, kept, low)
  const whole = chain(scope, piece, bitsOf(scope, piece, form, 'high', length), [castTo('int64')])
  const number = chain(scope, piece, whole, [
    { op: 'CumSum', inputs: [scalar(scope, 0)] },
    { op: 'Mul', inputs: [whole] },
  ])
  const values = (m: CodedMatrix) => Uint8Array.from([0, ...unpackBits(bytesOf('low')(m), low, kept)])
  const lows = emitCodes<CodedMatrix>(scope, piece, { bits: low, shape: [kept + 1], offset: 0, values })
  const low64 = chain(scope, piece, lows, [castTo('int64'), { op: 'Gather', inputs: [number] }])
  const index = chain(scope, piece, upTo(scope, 1, length), [
    { op: 'Sub', inputs: [number] },
    { op: 'Mul', inputs: [scalar(scope, 2 ** low)] },
    { op: 'Add', inputs: [low64] },
    { op: 'Sub', inputs: [scalar(scope, count)] },
    { op: 'Mul', inputs: [whole] },
    { op: 'Add', inputs: [scalar(scope, count)] },
  ])
  const given = chain(scope, piece, keptValues(scope, piece, form, true), [{ op: 'Gather', inputs: [number] }])
  return chain(scope, piece, zeros(scope, [count + 1]), [
    { op: 'ScatterElements', inputs: [index, given], attributes: along(0) },
    ...cutTo(scope, count).slice(1),
  ])
}

/** from, from + 1, ..., `count` of them, int64. */
const upTo = (scope: Scope, from: number, count: number): string =>
  scope.once(`${from} .. ${from + count}`, (shared) =>
    chain(scope, shared, scalar(scope, from), [
      { op: 'Range', inputs: [scalar(scope, from + count), scalar(scope, 1)] },
    ]),
  )

const zeros = (scope: Scope, shape: number[]): string =>
  scope.once(`zeros ${shape.join()}`, (shared) =>
    chain(scope, shared, scope.constant('int64', [shape.length], shape), [{ op: 'ConstantOfShape' }]),
  )

/** Which of `flags` [count] are 1, [kept], int64: each number is put at its place among them, from 1 on, the others to 0. */
function placesOf(scope: Scope, piece: Piece, flags: string, count: number, kept: number): string {
  const room = chain(scope, piece, zeros(scope, [kept + 1]), [castTo('int64')])
  return chain(scope, piece, room, [
    { op: 'ScatterElements', inputs: [places(scope, piece, flags), upTo(scope, 0, count)], attributes: along(0) },
    { op: 'Slice', inputs: [scope.constant('int64', [1], [1]), scope.constant('int64', [1], [kept + 1])] },
  ])
}

const unitLink = (scope: Scope, piece: Piece, form: CodedForm): Link => ({
  op: 'Mul',
  inputs: [floats(scope, piece, form, 'unit')],
})

/** [rows cols] to the tensor of the checkpoint: scales, unit, order. */
function finish(scope: Scope, piece: Piece, slot: WeightSlot, form: CodedForm, values: string): void {
  const { rows, cols } = form
  const { width, groupSize } = shapeOf(form)
  const links: Link[] = []
  if (width <= 8) {
    const groups = groupsIn(cols, groupSize)
    const size = groups === 1 ? cols : groupSize
    const grid = { rows, cols, groupSize: size, groups, granularity: groups === 1 ? 'channel' : 'group' } as const
    const view = viewOf({ ...grid, bits: width, symmetric: true, scaleType: 'float16' }, [rows, cols], 'rows')
    const scales = chain(scope, piece, floats(scope, piece, form, 'scales'), [reshapeTo(scope, view.scaleShape)])
    links.push(reshapeTo(scope, view.shape), { op: 'Mul', inputs: [spread(scope, piece, scales, grid, view)] })
    if (!sameShape(view.shape, [rows, cols])) links.push(reshapeTo(scope, [rows, cols]))
  } else links.push(reshapeTo(scope, [rows, cols]))
  chain(scope, piece, values, [...links, unitLink(scope, piece, form), ...toSlot(scope, form, slot)], slot.name)
}

interface Columns {
  channels: string // int64 [kept channels]
  rest: string // float32 [rows, kept columns]
  count: number // kept columns
}

/** The columns that are kept and what stands in them. */
function keptColumns(scope: Scope, piece: Piece, form: CodedForm, flags: string): Columns {
  const { rows } = form
  const { kept, width, groupSize, unit } = shapeOf(form)
  const count = kept / rows
  const channels = placesOf(scope, piece, flags, form.cols / unit, count / unit)
  const within = scope.constant(
    'int64',
    [unit],
    Array.from({ length: unit }, (_, i) => i),
  )
  const index = () =>
    unit === 1
      ? channels
      : chain(scope, piece, channels, [
          { op: 'Mul', inputs: [scalar(scope, unit)] },
          reshapeTo(scope, [-1, 1]),
          { op: 'Add', inputs: [within] },
          reshapeTo(scope, [-1]),
        ])
  const links: Link[] = [reshapeTo(scope, [rows, count])]
  if (width <= 8) {
    const scales = floats(scope, piece, form, 'scales')
    const groups = groupsIn(form.cols, groupSize)
    const group = () => chain(scope, piece, index(), [{ op: 'Div', inputs: [scalar(scope, groupSize)] }])
    const own = groups === 1 ? scales : chain(scope, piece, scales, [{ op: 'Gather', inputs: [group()], attributes: along(1) }]) // prettier-ignore
    links.push({ op: 'Mul', inputs: [own] })
  }
  const values = keptValues(scope, piece, form, false)
  return { channels, count, rest: chain(scope, piece, values, [...links, unitLink(scope, piece, form)]) }
}

/** A convolution that reads whole channels of its input, all of them by one weight. */
function isConvolution(slot: WeightSlot, consumer: Node, unit: number): boolean {
  const { op, domain, inputs } = consumer
  const window = slot.shape.slice(2).reduce((product, size) => product * size, 1)
  return (
    op === 'Conv' &&
    domain === '' &&
    inputs[1] === slot.name &&
    inputs[0] !== slot.name &&
    inputs[2] !== slot.name &&
    slot.dtype === 'float32' &&
    slot.order === 'rows' &&
    slot.shape.length > 2 &&
    window === unit &&
    attributeInt(consumer, 'group', 1) === 1
  )
}

function emitColumns(scope: Scope, piece: Piece, slot: WeightSlot, form: CodedForm, { uses }: Place): Replaced | void {
  const { rows, cols } = form
  const { unit } = shapeOf(form)
  const flags = bitsOf(scope, piece, form, 'columns', cols / unit)
  const columns = keptColumns(scope, piece, form, flags)
  const readers = uses === undefined || uses.elsewhere ? [] : uses.nodes
  const fits = (reader: Node) => (unit === 1 && isProduct(slot, reader)) || isConvolution(slot, reader, unit)
  if (readers.length > 0 && readers.every(fits)) return onFewer(scope, piece, slot, form, columns, readers)
  const spreadFlags =
    unit === 1
      ? flags
      : chain(scope, piece, flags, [
          reshapeTo(scope, [-1, 1]),
          { op: 'Expand', inputs: [scope.constant('int64', [2], [cols / unit, unit])] },
          reshapeTo(scope, [-1]),
        ])
  const index = places(scope, piece, spreadFlags)
  chain(
    scope,
    piece,
    zeros(scope, [rows, 1]),
    [
      { op: 'Concat', inputs: [columns.rest], attributes: along(1) },
      { op: 'Gather', inputs: [index], attributes: along(1) },
      ...toSlot(scope, form, slot),
    ],
    slot.name,
  )
}

/** The readers over the inputs that are kept. */
function onFewer(
  scope: Scope,
  piece: Piece,
  slot: WeightSlot,
  form: CodedForm,
  { channels, rest, count }: Columns,
  readers: readonly Node[],
): Replaced {
  const { rows } = form
  const { unit } = shapeOf(form)
  const shape = slot.shape.length > 2 ? [rows, count / unit, ...slot.shape.slice(2)] : null
  const weight =
    slot.order === 'cols'
      ? chain(scope, piece, rest, [{ op: 'Transpose', attributes: { perm: ints([1, 0]) } }])
      : shape && !sameShape(shape, [rows, count])
        ? chain(scope, piece, rest, [reshapeTo(scope, shape)])
        : rest
  return new Map(
    readers.map((reader) => {
      const fewer = scope.fresh()
      const [x = '', , ...others] = reader.inputs
      const axis = reader.op === 'Conv' ? 1 : -1
      return [
        reader,
        [
          node('Gather', [x, channels], [fewer], along(axis), { name: '' }),
          { ...reader, inputs: [fewer, weight, ...others] },
        ],
      ]
    }),
  )
}

function emitSparse(scope: Scope, piece: Piece, slot: WeightSlot, form: CodedForm, place: Place): Replaced | void {
  const shape = shapeOf(form)
  if (shape.pattern === 'columns') return emitColumns(scope, piece, slot, form, place)
  const low = lowBitsOf(shape, form)
  if (low > 0) return finish(scope, piece, slot, form, scattered(scope, piece, form, low))
  const index = places(scope, piece, flagsOf(scope, piece, form))
  const values = keptValues(scope, piece, form, true)
  finish(scope, piece, slot, form, chain(scope, piece, values, [{ op: 'Gather', inputs: [index] }]))
}

export const sparseEmitter: OnnxCoding = { id: 'sparse', emit: emitSparse }
