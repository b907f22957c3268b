// A linear layer p of [outputs, inputs] in compressed-tensors "pack-quantized" (drawn in checkpoint/packed/pack-quantized.ts):
//
//   p.weight_packed      I32  [outputs, ceil(inputs * bits / 32)]      every row one dense line of words
//   p.weight_zero_point  I32  [ceil(outputs * bits / 32), groups]      affine only: every column one line
//   p.weight_scale       F16 or F32  [outputs, groups]
//   p.weight_shape       I64  [2]                                      outputs, inputs
//
// Codes and zero points are the unsigned ones of a QuantizedMatrix: what the format calls code + 2^(bits - 1).
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { encodeScales } from '../../kernels/float16.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import type { WeightForm } from '../onnx/form.ts'
import { entryOf } from '../packed/format.ts'
import { bytesOfWords, writeLine } from '../packed/lines.ts'
import type { Entry } from '../safetensors/layout.ts'

const wordsFor = (count: number, bits: number): number => Math.ceil((count * bits) / 32)

export function entriesOf(module: string, form: WeightForm): Entry[] {
  const { rows, cols, bits, groups, symmetric, scaleType } = form
  return [
    entryOf(`${module}.weight_packed`, 'int32', [rows, wordsFor(cols, bits)], 4),
    entryOf(`${module}.weight_scale`, scaleType, [rows, groups], scaleType === 'float16' ? 2 : 4),
    entryOf(`${module}.weight_shape`, 'int64', [2], 8),
    ...(symmetric ? [] : [entryOf(`${module}.weight_zero_point`, 'int32', [wordsFor(rows, bits), groups], 4)]),
  ]
}

export function pack(q: QuantizedMatrix, { name }: Entry, module: string): Uint8Array {
  const { rows, cols, bits, groups } = q
  switch (name.slice(module.length + 1)) {
    case 'weight_packed': {
      const width = wordsFor(cols, bits)
      const words = new Uint32Array(rows * width)
      for (let r = 0; r < rows; r++) writeLine(q.codes, r * cols, 1, bits, cols, words, r * width, 1)
      return bytesOfWords(words)
    }
    case 'weight_zero_point': {
      const words = new Uint32Array(wordsFor(rows, bits) * groups)
      for (let g = 0; g < groups; g++) writeLine(q.zeros, g, groups, bits, rows, words, g, groups)
      return bytesOfWords(words)
    }
    case 'weight_scale':
      return encodeScales(q.scales, q.scaleType)
    case 'weight_shape':
      return bytesOfWords(BigInt64Array.of(BigInt(rows), BigInt(cols)))
    default:
      throw new Fault('internal', `${name} is no piece of a packed layer.`)
  }
}
