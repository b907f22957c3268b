import { z } from 'zod'
import { rtnOption } from '../../quantize/options.ts'
import { codedEntries, codedKey, misfitCoded, packCoded } from '../codings/compressed-tensors.ts'
import { fusedWarnings } from '../packed/fused.ts'
import { type PackedFormat, packedParameters, schemeOf } from '../packed/format.ts'
import { fittingSizes, nearestSize, rtnOptions, withTwins } from '../packed/options.ts'
import { moduleOf } from '../packed/linear.ts'
import { packedExporter } from '../packed/exporter.ts'
import { holdsRounding, withActivations } from './activations.ts'
import { entriesOf, pack } from './layout.ts'
import { settingsOf } from './settings.ts'

const kernelWidths = [4, 8] // what vLLM has kernels for; the format itself holds any

const format: PackedFormat = {
  id: 'compressed-tensors',
  title: 'compressed-tensors',
  optionsOf(layer, _network, asked) {
    const sizes = [...fittingSizes(layer), null]
    const offered = [...rtnOptions(kernelWidths, sizes, true), ...rtnOptions([4], sizes, false)]
    const more = asked ? [rtnOption(asked.bits, nearestSize(layer, asked.groupSize), asked.symmetric)] : []
    return withTwins([...offered, ...more])
  },
  choose: (layer, _network, { bits, groupSize, symmetric }) =>
    rtnOption(bits, nearestSize(layer, groupSize), symmetric),
  misfit({ cols, groups, groupSize }) {
    return groups > 1 && cols % groupSize !== 0 ? `groups of ${groupSize} do not divide ${cols} inputs` : null
  },
  entriesOf,
  pack,
  settings: (network, forms, coded) => ({ quantization: settingsOf(network, forms, coded) }),
  activations: { holds: holdsRounding, formatFor: withActivations },
  coded: { misfit: misfitCoded, entriesOf: codedEntries, pack: packCoded },
  warnings(forms, coded) {
    const odd = [...new Set([...forms.values()].map(({ bits }) => bits))].filter((bits) => !kernelWidths.includes(bits))
    const schemes = new Map([
      ...[...forms].map(([weight, form]) => [moduleOf(weight), schemeOf(form)] as const),
      ...[...coded].map(([weight, form]) => [moduleOf(weight), codedKey(form)] as const),
    ])
    return [
      ...(odd.length > 0
        ? [`Layers of ${odd.join(', ')} bits: vLLM has kernels for 4 and 8 only, transformers unpacks all`]
        : []),
      ...fusedWarnings(schemes),
    ]
  },
  loads: [
    { runtime: 'vLLM', line: 'vllm serve FOLDER' },
    { runtime: 'transformers (with compressed-tensors)', line: "AutoModelForCausalLM.from_pretrained('FOLDER')" },
  ],
}

export const compressedTensors = packedExporter(format, {
  summary: 'A Hugging Face folder for vLLM: linear layers at 4 or 8 bits, each with its own width and groups.',
  cite: 'compressed-tensors (vLLM project), format "pack-quantized"',
  formula: 'w = (code - zero) * scale',
  params: z.object({
    bits: z.int().min(2).max(8).default(4).describe('Bits per weight; vLLM runs 4 and 8'),
    groupSize: z.int().min(0).default(128).describe('Weights that share a scale; 0: a whole output'),
    symmetric: z.boolean().default(true).describe('No zero points'),
    ...packedParameters,
  }),
})
