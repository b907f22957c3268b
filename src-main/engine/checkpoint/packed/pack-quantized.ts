// compressed-tensors "pack-quantized": a linear layer p of [outputs, inputs] at 1 to 8 bits.
//
//   p.weight_packed      I32  [outputs, words]          code + 2^(bits - 1) of a row, one line of words (words.ts)
//   p.weight_scale       F16 / BF16 / F32  [outputs, groups], or [outputs, 1], or [1]
//   p.weight_zero_point  I32  [words, groups]           packed down the outputs, with the same offset; absent: 0 (symmetric)
//   p.weight_shape       I64  [2]                       outputs, inputs
//   p.weight_g_idx       I32  [inputs]                  group of every input (act order); absent: input / group_size
//
//   w[o, i] = (code[o, i] - zero[o, g]) * scale[o, g]   the offsets cancel
//
// words = ceil(inputs * bits / 32) in dense files, ceil(inputs / floor(32 / bits)) in older ones (only 3, 5, 6, 7 differ).
// Source: compressed-tensors compressors/pack_quantized (pack_to_int32, packed_dim).
import { toFloat32 } from '../convert.ts'
import type { DerivedTensor } from '../derived.ts'
import type { TensorInfo, TensorSource } from '../network.ts'
import { groupSizeOf, turned } from './gptq.ts'
import { badValue, misfit, need, needAny, pieceCache, readScales } from './pieces.ts'
import { derivedWeight, type ScaledMatrix, weightsOf } from './scaled.ts'
import type { Scheme } from './schemes.ts'
import { shapeIn } from './shape.ts'
import { type LineForm, lineWords, readLine, wordsOf } from './words.ts'

const scaleTypes = ['float16', 'bfloat16', 'float32'] as const
const forms: readonly LineForm[] = ['dense', 'aligned']

export function packedWeight(
  prefix: string,
  source: TensorSource,
  codes: TensorInfo,
  schemes: readonly Scheme[],
): DerivedTensor {
  const name = `${prefix}.weight`
  const { shape, info: shapeInfo } = shapeIn(source, `${prefix}.weight_shape`, 'for pack-quantized')
  const [rows, cols] = shape
  const about = `for ${rows} x ${cols} weights`
  const scale = needAny(source, `${prefix}.weight_scale`, scaleTypes, about)
  const [height = 1, groups = 1] = scale.shape
  const perTensor = scale.shape.every((size) => size === 1)
  if (!perTensor) need(source, scale.name, scaleTypes, scale.shape.length === 1 ? [rows] : [rows, groups], about)
  const { bits, form, groupSize } = widthOf(prefix, codes, { rows, cols, groups }, schemes)
  const size = groupSizeOf(cols, groups, groupSize ?? -1)
  const order = source.tensors.has(`${prefix}.weight_g_idx`)
    ? need(source, `${prefix}.weight_g_idx`, ['int32', 'int64'], [cols], about)
    : null
  if (order === null && size === null) throw misfit(scale, `[${rows}, inputs / group_size]`, about)
  const zero = source.tensors.has(`${prefix}.weight_zero_point`)
    ? need(source, `${prefix}.weight_zero_point`, ['int32'], [lineWords(rows, bits, form), groups], about)
    : null

  const cached = pieceCache(source)
  const wordsPerRow = lineWords(cols, bits, form)
  const middle = 2 ** (bits - 1)
  const zeroPoints = (info: TensorInfo) =>
    cached(name, info.name, (bytes) => {
      const out = new Uint8Array(groups * rows)
      const words = wordsOf(bytes)
      for (let g = 0; g < groups; g++) readLine({ words, start: g, stride: groups }, bits, rows, form, out, g * rows)
      return out
    })
  const groupOf = (info: TensorInfo) => () =>
    cached(name, info.name, (bytes) => {
      const listed = toFloat32(bytes, info.dtype)
      const bad = listed.findIndex((group) => !(group >= 0 && group < groups))
      if (bad >= 0) throw badValue(info, `input ${bad} is in group ${listed[bad]}`, `0 to ${groups - 1}`)
      return Int32Array.from(listed)
    })
  const matrix: ScaledMatrix = {
    ...{ rows, cols, groups },
    group: order ? { of: groupOf(order) } : { size: size ?? cols },
    codes(begin, end) {
      const words = wordsOf(source.read(codes.name, { begin: begin * wordsPerRow * 4, end: end * wordsPerRow * 4 }))
      const out = new Float32Array((end - begin) * cols)
      for (let r = 0; r < end - begin; r++)
        readLine({ words, start: r * wordsPerRow, stride: 1 }, bits, cols, form, out, r * cols)
      return out
    },
    scales(begin, end) {
      if (!perTensor || height === rows) return readScales(source, scale, begin, end, groups)
      return new Float32Array(end - begin).fill(readScales(source, scale, 0, 1, 1)[0] as number)
    },
    zeros: (begin, end) =>
      zero ? turned(zeroPoints(zero), groups, rows, begin, end) : new Float32Array((end - begin) * groups).fill(middle),
  }
  const pieces = [codes, scale, shapeInfo, ...(zero ? [zero] : []), ...(order ? [order] : [])]
  const grouped = perTensor ? 'tensor' : groups === 1 ? 'channel' : `g${size ?? Math.ceil(cols / groups)}`
  const type = `compressed-tensors ${bits}-bit ${grouped}${order ? ' act-order' : ''}`
  return derivedWeight(name, matrix, pieces, type, (begin, end) => weightsOf(matrix, begin, end))
}

/** The scheme whose width fits the packed row; the one that names the layer where several do. */
function widthOf(
  prefix: string,
  codes: TensorInfo,
  { rows, cols, groups }: { rows: number; cols: number; groups: number },
  schemes: readonly Scheme[],
): { bits: number; form: LineForm; groupSize: number | null } {
  const fitting = schemes
    .filter(({ bits }) => bits <= 8)
    .flatMap((scheme) => forms.map((form) => ({ ...scheme, form })))
    .filter(({ bits, form }) => codes.shape.join() === [rows, lineWords(cols, bits, form)].join())
  const grouped = fitting.filter(
    ({ groupSize }) => groupSizeOf(cols, groups, groupSize ?? cols) === (groupSize ?? cols),
  )
  const chosen = fitting.find(({ targets }) => targets.includes(prefix)) ?? grouped[0] ?? fitting[0]
  if (chosen) return chosen
  const widths = [...new Set(schemes.map(({ bits }) => bits))].join(', ') || 'no'
  throw misfit(codes, `int32 [${rows}, words of ${cols} codes]`, `of ${widths} bits (config_groups)`)
}
