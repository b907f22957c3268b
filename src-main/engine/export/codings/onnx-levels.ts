// Codings of levels (quantize/codings/levels.ts) in a graph:
//
//   codes of 1, 2, 4 bits   uint8 [bytes] -> Cast -> Gather(table [256, 8 / b] of levels)      the table once for all weights
//   codes of 3 bits         planes of bytes (emit-codes.ts) -> Cast -> Gather(levels [8])
//   three levels            uint8 [bytes] -> Cast -> Gather(table [243, 5] of levels)
//   8-bit floats            uint8 -> Cast -> Gather(values [256]); style 'packed' from opset 19 on: one DequantizeLinear of the
//                           floats as they are, which ONNX Runtime does not fold: a byte a weight in memory, some slower
//   scales                  float16 or float32; one byte of an 8-bit float -> Cast -> Gather(values [256]), / divisor
//
//   w = level * scale, in float32: bit for bit what the coding decodes to.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { toFloat32 } from '../../checkpoint/convert.ts'
import { int } from '../../graph/ir.ts'
import { packBits, packedBytes } from '../../kernels/bits.ts'
import { packTrits, tritBytes } from '../../kernels/levels.ts'
import type { CodedForm, CodedMatrix } from '../../quantize/codings/define.ts'
import {
  codeBits,
  decodeForm,
  type Levels,
  type LevelsOf,
  readLevels,
  valuesOf,
} from '../../quantize/codings/levels.ts'
import { denseShiftCoding } from '../../quantize/codings/denseshift.ts'
import { mxfp4Coding, nvfp4Coding } from '../../quantize/codings/fp4.ts'
import { fp8Coding } from '../../quantize/codings/fp8.ts'
import { luqCoding } from '../../quantize/codings/luq.ts'
import { nf4Coding } from '../../quantize/codings/nf4.ts'
import { cutTo, emitCodes, reshapeTo } from '../onnx/emit-codes.ts'
import { FEW_SCALES, spread, type WeightSlot } from '../onnx/emit-weight.ts'
import { sameShape, type View, viewOf } from '../onnx/form.ts'
import { transpose } from '../onnx/pack.ts'
import { castTo, chain, later, type Link, type Piece, type Scope } from '../onnx/scope.ts'
import { byteTable } from '../onnx/tables.ts'
import type { OnnxCoding, Place } from './onnx.ts'

/** Fewer one-byte scales than this are written as float32: their table takes 1 KiB. */
const FEW_BYTES = 512

/** DequantizeLinear takes 8-bit floats from here on. */
const FLOAT8_OPSET = 19

const countOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

function emitLevels(
  scope: Scope,
  piece: Piece,
  slot: WeightSlot,
  form: CodedForm,
  levelsOf: LevelsOf,
  place: Place,
): void {
  const levels = levelsOf(form.settings)
  if (levels === null) throw new Fault('internal', `${form.coding} with unknown settings`)
  if (place.style === 'packed' && place.opset >= FLOAT8_OPSET && emitFloat8(scope, piece, slot, form, levels)) return
  const shape = decodeForm(form)
  const grid = { ...shape, bits: 8, symmetric: true, scaleType: 'float16' as const }
  const view = viewOf(grid, slot.shape, slot.order)
  const codes = emitLevelCodes(scope, piece, levels, view, form)
  const scales = spread(scope, piece, emitScales(scope, piece, levels, view, form), shape, view)
  const links: Link[] = [{ op: 'Mul', inputs: [scales] }]
  if (!sameShape(view.shape, slot.shape)) links.push(reshapeTo(scope, slot.shape))
  if (slot.dtype !== 'float32') links.push(castTo(slot.dtype))
  chain(scope, piece, codes, links, slot.name)
}

/** 8-bit floats through DequantizeLinear; false, and nothing emitted, for other codings and for groups. The leading axis keeps
 *  ONNX Runtime from looking through to a product (emit-qdq.ts). */
function emitFloat8(scope: Scope, piece: Piece, slot: WeightSlot, form: CodedForm, levels: Levels): boolean {
  const { granularity, rows, cols } = decodeForm(form)
  const type = levels.codes
  if ((type !== 'float8e4m3fn' && type !== 'float8e5m2') || granularity === 'group') return false
  const transposed = slot.order === 'cols'
  const bytes = later<CodedMatrix>(scope, piece, type, transposed ? [1, cols, rows] : [1, rows, cols], (m) => {
    const { codes } = readLevels(m, levels)
    return transposed ? transpose(codes, new Uint8Array(codes.length), rows, cols) : codes
  })
  const tensor = granularity === 'tensor'
  const scales = later<CodedMatrix>(scope, piece, 'float32', tensor ? [] : [rows], (m) => m.parts.scales?.data ?? new Uint8Array()) // prettier-ignore
  const attributes = tensor ? undefined : { axis: int(transposed ? 2 : 1) }
  const links: Link[] = [{ op: 'DequantizeLinear', inputs: [scales], ...(attributes && { attributes }) }, reshapeTo(scope, slot.shape)] // prettier-ignore
  if (slot.dtype !== 'float32') links.push(castTo(slot.dtype))
  chain(scope, piece, bytes, links, slot.name)
  return true
}

/** Levels in float32, of the view's shape. */
function emitLevelCodes(scope: Scope, piece: Piece, levels: Levels, view: View, form: CodedForm): string {
  const bits = codeBits(levels)
  const count = countOf(view.shape)
  const values = (m: CodedMatrix): Uint8Array => {
    const { codes } = readLevels(m, levels)
    return view.transposed ? transpose(codes, new Uint8Array(codes.length), form.rows, form.cols) : codes
  }
  const gather = (table: string): Link[] => [castTo('int32'), { op: 'Gather', before: [table] }]
  if (bits === 3) {
    const codes = emitCodes<CodedMatrix>(scope, piece, { bits, shape: view.shape, offset: 0, values })
    return chain(scope, piece, codes, gather(levelTable(scope, levels, 8)))
  }
  if (bits === null && levels.codes !== 3) {
    const bytes = later<CodedMatrix>(scope, piece, 'uint8', view.shape, values)
    return chain(scope, piece, bytes, gather(levelTable(scope, levels, 256)))
  }
  const [perByte, length] = bits === null ? [5, tritBytes(count)] : [8 / bits, packedBytes(count, bits)]
  const packed = later<CodedMatrix>(scope, piece, 'uint8', [length], (m) => bits === null ? packTrits(values(m)) : packBits(values(m), bits)) // prettier-ignore
  const table = scope.once(`levels of a byte ${keyOf(levels)}`, (shared) => {
    const codes = bits === null ? tritTable(scope) : byteTable(scope, { width: bits, shift: 0, offset: 0 })
    return chain(scope, shared, codes, gather(levelTable(scope, levels, bits === null ? 3 : 2 ** bits)))
  })
  const cut = count % perByte === 0 ? [] : cutTo(scope, count)
  return chain(scope, piece, packed, [...gather(table), ...cut, reshapeTo(scope, view.shape)])
}

const keyOf = (levels: Levels): string => valuesOf(levels).slice(0, 16).join()

/** The value of each code. */
const levelTable = (scope: Scope, levels: Levels, count: number): string =>
  scope.constant('float32', [count], [...valuesOf(levels).slice(0, count)])

/** The five codes of each byte below 243, as float32. */
const tritTable = (scope: Scope): string =>
  scope.once('five of three', (shared) =>
    chain(
      scope,
      shared,
      scope.constant(
        'uint8',
        [243, 1],
        Array.from({ length: 243 }, (_, byte) => byte),
      ),
      [
        castTo('int64'), // ONNX Runtime divides no bytes
        { op: 'Div', inputs: [scope.constant('int64', [5], [1, 3, 9, 27, 81])] },
        { op: 'Mod', inputs: [scope.constant('int64', [1], [3])] },
        castTo('float32'),
      ],
    ),
  )

function emitScales(scope: Scope, piece: Piece, levels: Levels, view: View, form: CodedForm): string {
  const [count, type] = [countOf(view.scaleShape), form.parts.scales?.dtype ?? 'float32']
  const inOrder = (m: CodedMatrix, bytes: Uint8Array, width: number): Uint8Array => {
    const { rows, groups, granularity } = decodeForm(m)
    if (!view.transposed || granularity === 'tensor' || groups === 1) return bytes
    const out = new Uint8Array(bytes.length)
    for (let r = 0; r < rows; r++)
      for (let g = 0; g < groups; g++)
        out.set(bytes.subarray((r * groups + g) * width, (r * groups + g + 1) * width), (g * rows + r) * width)
    return out
  }
  const stored = (m: CodedMatrix): Uint8Array => m.parts.scales?.data ?? new Uint8Array()
  const asFloats = (m: CodedMatrix): Uint8Array => {
    const scales = readLevels(m, levels).scales.slice()
    return inOrder(m, new Uint8Array(scales.buffer), 4)
  }
  const isByte = type === 'float8e8m0' || type === 'float8e4m3fn'
  if (type === 'float32' || count < (isByte ? FEW_BYTES : FEW_SCALES))
    return later<CodedMatrix>(scope, piece, 'float32', view.scaleShape, asFloats)
  if (!isByte) {
    const halves = later<CodedMatrix>(scope, piece, 'float16', view.scaleShape, (m) => inOrder(m, stored(m), 2))
    return chain(scope, piece, halves, [castTo('float32')])
  }
  const values = scope.constant('float32', [256], [...toFloat32(Uint8Array.from({ length: 256 }, (_, code) => code), type)]) // prettier-ignore
  const codes = later<CodedMatrix>(scope, piece, 'uint8', view.scaleShape, (m) => inOrder(m, stored(m), 1))
  const links: Link[] = [castTo('int32'), { op: 'Gather', before: [values], attributes: { axis: int(0) } }]
  if (form.parts.divisor)
    links.push({
      op: 'Div',
      inputs: [later<CodedMatrix>(scope, piece, 'float32', [], (m) => m.parts.divisor?.data ?? new Uint8Array())],
    })
  return chain(scope, piece, codes, links)
}

/** One emitter for each coding of levels. */
export const levelEmitters: readonly OnnxCoding[] = [
  nf4Coding,
  fp8Coding,
  mxfp4Coding,
  nvfp4Coding,
  denseShiftCoding,
  luqCoding,
].map(({ id, levelsOf }) => ({
  id,
  emit: (scope, piece, slot, form, place) => emitLevels(scope, piece, slot, form, levelsOf, place),
}))
