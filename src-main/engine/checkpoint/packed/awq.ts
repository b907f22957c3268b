// AWQ checkpoints in the "gemm" form: a linear layer p of [outputs, inputs] as AutoAWQ writes it, 4 bits.
//
//   p.qweight  I32  [inputs, outputs / 8]    eight outputs a word, interleaved:
//                 bits of word j   31..28  27..24  23..20  19..16  15..12  11..8  7..4  3..0
//                 output 8 j +        7       5       3       1       6      4     2     0
//   p.qzeros   I32  [groups, outputs / 8]    in the same order
//   p.scales   F16  [groups, outputs]
//
//   w[o, i] = (code[i, o] - zero[g, o]) * scale[g, o]   g = floor(i / group_size)
//
// Sources: AutoAWQ utils/packing_utils.py (AWQ_ORDER), Lin et al. 2023 "AWQ".
import { toFloat32 } from '../convert.ts'
import { definePacked, nothingUnpacked, type Unpacked } from './define.ts'
import { groupSizeOf, turned } from './gptq.ts'
import { misfit, need, needAny, pieceCache, requireFinite } from './pieces.ts'
import { derivedWeight, type ScaledMatrix, weightsOf } from './scaled.ts'
import type { Settings } from '../../graph/families/config.ts'
import type { TensorSource } from '../network.ts'
import { wordsOf } from './words.ts'

/** Output of the word that lies at bits 4 k of it. */
export const awqOrder = [0, 2, 4, 6, 1, 3, 5, 7] as const
/** Shift of output k of the word. */
const shifts = awqOrder.map((_, output) => 4 * awqOrder.findIndex((each) => each === output))

const scaleTypes = ['float16', 'bfloat16', 'float32'] as const

export const awq = definePacked({
  id: 'awq',
  title: 'AWQ',
  unpack(config, source) {
    const bits = config.integer(config.has('w_bit') ? 'w_bit' : 'bits', { min: 1, max: 32 }, 4)
    if (bits !== 4) throw config.unsupported('bits', `AWQ of ${bits} bits`)
    const version = config.text('version', 'gemm').toLowerCase()
    if (version !== 'gemm')
      throw config.unsupported('version', `AWQ in the form ${JSON.stringify(version.slice(0, 40))}`)
    const found = nothingUnpacked()
    const cached = pieceCache(source)
    for (const name of source.tensors.keys())
      if (name.endsWith('.qweight')) addLayer(found, name.slice(0, -'.qweight'.length), config, source, cached)
    return found
  },
})

function addLayer(
  found: Unpacked,
  prefix: string,
  config: Settings,
  source: TensorSource,
  cached: ReturnType<typeof pieceCache>,
): void {
  const weight = `${prefix}.weight`
  const codes = needAny(source, `${prefix}.qweight`, ['int32'], 'for AWQ')
  const [inputs = 0, width = 0] = codes.shape
  if (codes.shape.length !== 2 || inputs === 0 || width === 0)
    throw misfit(codes, 'int32 [inputs, outputs / 8]', 'for AWQ')
  const outputs = width * 8
  const [groups = 0] = needAny(source, `${prefix}.scales`, scaleTypes, 'for AWQ').shape
  const about = `for ${outputs} x ${inputs} weights of 4 bits`
  const scales = need(source, `${prefix}.scales`, scaleTypes, [groups, outputs], about)
  const zeros = need(source, `${prefix}.qzeros`, ['int32'], [groups, width], about)
  const field = config.has('q_group_size') ? 'q_group_size' : 'group_size'
  const size = groupSizeOf(inputs, groups, config.integer(field, { min: -1, max: 2 ** 31 }, -1))
  if (size === null) throw misfit(scales, `[inputs / group_size, ${outputs}]`, `for ${inputs} inputs`)

  const matrix: ScaledMatrix = {
    ...{ rows: outputs, cols: inputs, groups, group: { size } },
    codes: (begin, end) => interleaved(cached(weight, codes.name, wordsOf), inputs, width, begin, end),
    scales(begin, end) {
      const values = cached(weight, scales.name, (bytes) => toFloat32(bytes, scales.dtype))
      requireFinite(scales, values)
      return turned(values, groups, outputs, begin, end)
    },
    zeros: (begin, end) => interleaved(cached(weight, zeros.name, wordsOf), groups, width, begin, end),
  }
  const type = `AWQ 4-bit ${groups === 1 ? 'channel' : `g${size}`}`
  const pieces = [codes, zeros, scales]
  found.weights.set(
    weight,
    derivedWeight(weight, matrix, pieces, type, (begin, end) => weightsOf(matrix, begin, end)),
  )
  for (const piece of pieces) found.hidden.add(piece.name)
}

/** Outputs [begin, end) of words [height, width], each a row of `height` codes. */
function interleaved(words: Uint32Array, height: number, width: number, begin: number, end: number): Float32Array {
  const out = new Float32Array((end - begin) * height)
  for (let o = begin; o < end; o++) {
    const shift = shifts[o & 7] as number
    for (let y = 0, word = o >>> 3, at = (o - begin) * height; y < height; y++, word += width)
      out[at++] = ((words[word] as number) >>> shift) & 15
  }
  return out
}
