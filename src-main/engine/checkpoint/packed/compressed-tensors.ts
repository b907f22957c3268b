// compressed-tensors checkpoints (vLLM, llm-compressor, Neural Magic): per layer p one of
//
//   p.weight_packed I32  pack-quantized (pack-quantized.ts)      p.weight_packed U8   NVFP4 or MXFP4 (fp4.ts)
//   p.weight I8 or F8    int-, float- or naive-quantized (scales.ts)
//   p.compressed         2:4 bitmask (sparse24.ts)
//
// config.json says which schemes there are: config_groups.*.weights { num_bits, type, strategy, group_size, ... } with the
// modules they are for. A layer's scheme is the one whose sizes fit its pieces: the patterns of a stranger's file are not run.
// Source: compressed-tensors, compressors/* and quantization/quant_args.py.
import type { TensorSource } from '../network.ts'
import { definePacked, nothingUnpacked, type Unpacked } from './define.ts'
import { fp4Weight } from './fp4.ts'
import { isFloat8, scaleTypes } from './fp8.ts'
import { needAny } from './pieces.ts'
import { packedWeight } from './pack-quantized.ts'
import { scaledWeight } from './scales.ts'
import { readSchemes, type Scheme } from './schemes.ts'
import { sparse24Weight } from './sparse24.ts'

const readable = new Set([
  'pack-quantized',
  'int-quantized',
  'float-quantized',
  'naive-quantized',
  'nvfp4-pack-quantized',
  'mxfp4-pack-quantized',
  'sparse-24-bitmask',
  'mixed-precision',
  'dense',
])
/** Scales of activations and of the key-value cache: not needed to know the weights. */
const activationPiece = /\.((input|output|q|k|v)_(scale|zero_point|global_scale)|input_g_idx)$/

export const compressedTensors = definePacked({
  id: 'compressed-tensors',
  title: 'compressed-tensors',
  unpack(config, source) {
    const { schemes, formats } = readSchemes(config)
    const strange = formats.find((format) => !readable.has(format))
    if (strange !== undefined) throw config.unsupported('format', `weights in the layout ${JSON.stringify(strange)}`)
    const found = nothingUnpacked()
    for (const name of source.tensors.keys()) addLayer(found, name, source, schemes)
    const activations = [...source.tensors.keys()].filter((name) => activationPiece.test(name))
    for (const name of activations) found.hidden.add(name)
    if (schemes.some(({ activations: quantized }) => quantized))
      found.notices.push('The checkpoint is made for quantized activations; Lathe runs its weights with float ones.')
    return found
  },
})

function addLayer(found: Unpacked, name: string, source: TensorSource, schemes: readonly Scheme[]): void {
  const prefix = name.slice(0, name.lastIndexOf('.'))
  const end = name.slice(prefix.length + 1)
  const weight = `${prefix}.weight`
  const hide = (...ends: string[]) => {
    for (const each of ends) if (source.tensors.has(`${prefix}.${each}`)) found.hidden.add(`${prefix}.${each}`)
  }
  const info = needAny(source, name, [source.tensors.get(name)?.dtype ?? 'undefined'], '')
  const optional = (piece: string) => source.tensors.get(`${prefix}.${piece}`) ?? null
  if (end === 'weight_packed' && info.dtype === 'int32') {
    found.weights.set(weight, packedWeight(prefix, source, info, schemes))
    hide('weight_packed', 'weight_scale', 'weight_zero_point', 'weight_shape', 'weight_g_idx')
  } else if (end === 'weight_packed') {
    const codes = needAny(source, name, ['uint8'], 'for 4-bit floats')
    const scale = needAny(source, `${prefix}.weight_scale`, ['float8e4m3fn', 'uint8', 'float8e8m0'], 'for 4-bit floats')
    const global = optional('weight_global_scale')
    const pieces = { codes, scale, global: global && { info: global, divides: true }, others: [] }
    found.weights.set(weight, fp4Weight(weight, source, pieces))
    hide('weight_packed', 'weight_scale', 'weight_global_scale', 'input_global_scale', 'weight_shape')
  } else if (end === 'compressed') {
    found.weights.set(weight, sparse24Weight(prefix, source, info))
    hide('compressed', 'bitmask', 'shape', 'weight_scale')
  } else if (end === 'weight' && (info.dtype === 'int8' || isFloat8(info))) {
    const scale = needAny(source, `${prefix}.weight_scale`, scaleTypes, `beside ${name}`)
    const zero = optional('weight_zero_point')
    const block = schemes.find((scheme) => scheme.block !== null)?.block ?? null
    found.weights.set(
      weight,
      scaledWeight(weight, 'compressed-tensors', source, { codes: info, scale, zero, block, others: [] }),
    )
    hide('weight_scale', 'weight_zero_point', 'weight_shape')
  }
}
