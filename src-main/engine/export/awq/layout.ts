// A linear layer p of [outputs, inputs] in AWQ's "gemm" form (drawn in checkpoint/packed/awq.ts):
//
//   p.qweight  I32  [inputs, outputs / 8]    eight outputs a word, in the order 0 2 4 6 1 3 5 7 from the lowest bits up
//   p.qzeros   I32  [groups, outputs / 8]    in the same order
//   p.scales   F16  [groups, outputs]
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { awqOrder } from '../../checkpoint/packed/awq.ts'
import { encodeScales } from '../../kernels/float16.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import type { WeightForm } from '../onnx/form.ts'
import { entryOf } from '../packed/format.ts'
import { bytesOfWords, turnedScales } from '../packed/lines.ts'
import type { Entry } from '../safetensors/layout.ts'

export const entriesOf = (module: string, { rows, cols, groups }: WeightForm): Entry[] => [
  entryOf(`${module}.qweight`, 'int32', [cols, rows / 8], 4),
  entryOf(`${module}.qzeros`, 'int32', [groups, rows / 8], 4),
  entryOf(`${module}.scales`, 'float16', [groups, rows], 2),
]

export function pack(q: QuantizedMatrix, { name }: Entry, module: string): Uint8Array {
  const { rows, cols, groups } = q
  switch (name.slice(module.length + 1)) {
    case 'qweight':
      return bytesOfWords(interleave(q.codes, rows, cols))
    case 'qzeros':
      return bytesOfWords(interleave(q.zeros, rows, groups))
    case 'scales':
      return encodeScales(turnedScales(q.scales, rows, groups), 'float16')
    default:
      throw new Fault('internal', `${name} is no piece of an AWQ layer.`)
  }
}

/** Codes [outputs, width] as words [width, outputs / 8]. */
function interleave(codes: Uint8Array, outputs: number, width: number): Uint32Array {
  const perRow = outputs / 8
  const words = new Uint32Array(width * perRow)
  for (let j = 0; j < perRow; j++) {
    awqOrder.forEach((output, place) => {
      const from = (8 * j + output) * width
      for (let y = 0; y < width; y++) {
        const at = y * perRow + j
        words[at] = (words[at] as number) | ((codes[from + y] as number) << (4 * place))
      }
    })
  }
  return words
}
