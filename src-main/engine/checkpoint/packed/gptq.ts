// GPTQ checkpoints: a linear layer p of [outputs, inputs] as AutoGPTQ and GPTQModel write it.
//
//   p.qweight  I32  [inputs * bits / 32, outputs]   codes packed down the inputs: the words of column o are one line (words.ts)
//   p.qzeros   I32  [groups, outputs * bits / 32]   zero points packed along the outputs, each row one line
//   p.scales   F16  [groups, outputs]
//   p.g_idx    I32  [inputs]                        group of every input; absent: input / group_size
//
//   w[o, i] = (code[i, o] - zero[g, o]) * scale[g, o]   g = g_idx[i]
//   zero = (stored + 1) mod 2^bits  in "gptq" files (v1),  zero = stored  in "gptq_v2"
//
// v1 writes zero - 1. A zero point of 0 wraps there to 2^bits - 1; the modulus takes it back, as AutoGPTQ's reference does.
// Width and groups are taken from the shapes, so that files with other settings for some modules ("dynamic") read as well.
// Sources: AutoGPTQ nn_modules/qlinear (pack, forward), GPTQModel utils/model.py (v1 to v2), Frantar et al. 2022.
import { toFloat32 } from '../convert.ts'
import type { Settings } from '../../graph/families/config.ts'
import type { TensorSource } from '../network.ts'
import { definePacked, nothingUnpacked, type Unpacked } from './define.ts'
import { badValue, misfit, need, needAny, pieceCache, requireFinite } from './pieces.ts'
import { derivedWeight, type ScaledMatrix, weightsOf } from './scaled.ts'
import { readLine, wordsOf } from './words.ts'

const scaleTypes = ['float16', 'bfloat16', 'float32'] as const
const widths = [2, 3, 4, 8]

export const gptq = definePacked({
  id: 'gptq',
  title: 'GPTQ',
  unpack(config, source) {
    const form = config.text('checkpoint_format', config.text('format', 'gptq'))
    if (form !== 'gptq' && form !== 'gptq_v2')
      throw config.unsupported('checkpoint_format', `GPTQ weights in the layout ${JSON.stringify(form.slice(0, 40))}`)
    const found = nothingUnpacked()
    const cached = pieceCache(source)
    for (const name of source.tensors.keys())
      if (name.endsWith('.qweight'))
        addLayer(found, name.slice(0, -'.qweight'.length), { config, source, cached, offset: form === 'gptq' ? 1 : 0 })
    return found
  },
})

interface Reading {
  config: Settings
  source: TensorSource
  cached: ReturnType<typeof pieceCache>
  offset: 0 | 1
}

function addLayer(found: Unpacked, prefix: string, { config, source, cached, offset }: Reading): void {
  const weight = `${prefix}.weight`
  const codes = needAny(source, `${prefix}.qweight`, ['int32'], 'for GPTQ')
  const [lines = 0, outputs = 0] = codes.shape
  if (codes.shape.length !== 2 || lines === 0 || outputs === 0)
    throw misfit(codes, 'int32 [inputs * bits / 32, outputs]', 'for GPTQ')
  const zeros = needAny(source, `${prefix}.qzeros`, ['int32'], 'for GPTQ')
  const bits = ((zeros.shape[1] ?? 0) * 32) / outputs
  const inputs = (lines * 32) / bits
  if (!widths.includes(bits) || !Number.isInteger(inputs))
    throw misfit(
      zeros,
      `int32 [groups, ${outputs} * bits / 32] with 2, 3, 4 or 8 bits`,
      `beside qweight [${lines}, ${outputs}]`,
    )
  const [groups = 0] = needAny(source, `${prefix}.scales`, scaleTypes, 'for GPTQ').shape
  const about = `for ${outputs} x ${inputs} weights of ${bits} bits`
  const scales = need(source, `${prefix}.scales`, scaleTypes, [groups, outputs], about)
  need(source, zeros.name, ['int32'], [groups, (outputs * bits) / 32], about)
  const order = source.tensors.has(`${prefix}.g_idx`)
    ? need(source, `${prefix}.g_idx`, ['int32', 'int64'], [inputs], about)
    : null
  const configured = config.integer('group_size', { min: -1, max: 2 ** 31 }, -1)
  const size = groupSizeOf(inputs, groups, configured)
  if (order === null && size === null) throw misfit(scales, `[inputs / group_size, ${outputs}]`, `for ${inputs} inputs`)

  const halves = () => {
    const values = cached(weight, scales.name, (bytes) => toFloat32(bytes, scales.dtype))
    requireFinite(scales, values)
    return values
  }
  const mask = 2 ** bits - 1
  const zeroPoints = () =>
    cached(weight, zeros.name, (bytes) => {
      const out = new Uint8Array(groups * outputs)
      const words = wordsOf(bytes)
      const perRow = words.length / groups
      for (let g = 0; g < groups; g++)
        readLine({ words, start: g * perRow, stride: 1 }, bits, outputs, 'dense', out, g * outputs)
      return out.map((stored) => (stored + offset) & mask)
    })
  const groupOf = () => {
    if (order === null) return Int32Array.from({ length: inputs }, (_, i) => Math.floor(i / (size ?? inputs)))
    return cached(weight, order.name, (bytes) => {
      const listed = toFloat32(bytes, order.dtype)
      const bad = listed.findIndex((group) => !(group >= 0 && group < groups))
      if (bad >= 0) throw badValue(order, `input ${bad} is in group ${listed[bad]}`, `0 to ${groups - 1}`)
      return Int32Array.from(listed)
    })
  }
  const matrix: ScaledMatrix = {
    ...{ rows: outputs, cols: inputs, groups },
    group: order === null && size !== null ? { size } : { of: groupOf },
    codes(begin, end) {
      const words = cached(weight, codes.name, wordsOf)
      const out = new Float32Array((end - begin) * inputs)
      for (let o = begin; o < end; o++)
        readLine({ words, start: o, stride: outputs }, bits, inputs, 'dense', out, (o - begin) * inputs)
      return out
    },
    scales: (begin, end) => turned(halves(), groups, outputs, begin, end),
    zeros: (begin, end) => turned(zeroPoints(), groups, outputs, begin, end),
  }
  const pieces = [codes, zeros, scales, ...(order ? [order] : [])]
  const grouped = groups === 1 ? 'channel' : `g${size ?? Math.ceil(inputs / groups)}`
  const type = `GPTQ ${bits}-bit ${grouped}${config.flag('desc_act', false) ? ' act-order' : ''}`
  found.weights.set(
    weight,
    derivedWeight(weight, matrix, pieces, type, (begin, end) => weightsOf(matrix, begin, end)),
  )
  for (const piece of pieces) found.hidden.add(piece.name)
}

/** Inputs of one group: the configured size where it gives this many groups, else equal shares; null where none do. */
export function groupSizeOf(inputs: number, groups: number, configured: number): number | null {
  if (configured > 0 && Math.ceil(inputs / configured) === groups) return configured
  return groups > 0 && inputs % groups === 0 ? inputs / groups : null
}

/** Columns [begin, end) of a matrix [height, width] as rows. */
export function turned(
  matrix: Float32Array | Uint8Array,
  height: number,
  width: number,
  begin: number,
  end: number,
): Float32Array {
  const out = new Float32Array((end - begin) * height)
  for (let y = 0; y < height; y++)
    for (let x = begin; x < end; x++) out[(x - begin) * height + y] = matrix[y * width + x] as number
  return out
}
