// A linear layer p of [outputs, inputs] in GPTQ form (drawn in checkpoint/packed/gptq.ts):
//
//   p.qweight  I32  [inputs * bits / 32, outputs]    every column one line of words, down the inputs
//   p.qzeros   I32  [groups, outputs * bits / 32]    every row one line; zero - 1 in v1 files, zero in v2
//   p.g_idx    I32  [inputs]                         input / group_size
//   p.scales   F16  [groups, outputs]
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { encodeScales } from '../../kernels/float16.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import type { WeightForm } from '../onnx/form.ts'
import { entryOf, type Forms } from '../packed/format.ts'
import { bytesOfWords, turnedScales, writeLine } from '../packed/lines.ts'
import type { Entry } from '../safetensors/layout.ts'

/** v1 takes one off every zero point, which a zero point of 0 does not survive in all programs: files with zero points of
 *  their own are v2. */
export const isV2 = (forms: Forms): boolean => [...forms.values()].some(({ symmetric }) => !symmetric)

export function entriesOf(module: string, { rows, cols, bits, groups }: WeightForm): Entry[] {
  return [
    entryOf(`${module}.qweight`, 'int32', [(cols * bits) / 32, rows], 4),
    entryOf(`${module}.qzeros`, 'int32', [groups, (rows * bits) / 32], 4),
    entryOf(`${module}.g_idx`, 'int32', [cols], 4),
    entryOf(`${module}.scales`, 'float16', [groups, rows], 2),
  ]
}

export function pack(q: QuantizedMatrix, { name }: Entry, module: string, forms: Forms): Uint8Array {
  const { rows, cols, bits, groups, groupSize } = q
  switch (name.slice(module.length + 1)) {
    case 'qweight': {
      const words = new Uint32Array(((cols * bits) / 32) * rows)
      for (let o = 0; o < rows; o++) writeLine(q.codes, o * cols, 1, bits, cols, words, o, rows)
      return bytesOfWords(words)
    }
    case 'qzeros': {
      const [mask, offset] = [2 ** bits - 1, isV2(forms) ? 0 : 1]
      const stored = q.zeros.map((zero) => (zero - offset) & mask)
      const width = (rows * bits) / 32
      const words = new Uint32Array(groups * width)
      for (let g = 0; g < groups; g++) writeLine(stored, g, groups, bits, rows, words, g * width, 1)
      return bytesOfWords(words)
    }
    case 'g_idx':
      return bytesOfWords(Int32Array.from({ length: cols }, (_, i) => Math.floor(i / groupSize)))
    case 'scales':
      return encodeScales(turnedScales(q.scales, rows, groups), 'float16')
    default:
      throw new Fault('internal', `${name} is no piece of a GPTQ layer.`)
  }
}
