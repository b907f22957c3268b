import { z } from 'zod'
import type { Layer, Network } from '../../checkpoint/network.ts'
import { rtnOption } from '../../quantize/options.ts'
import { packedExporter } from '../packed/exporter.ts'
import { type PackedFormat, packedParameters, schemeOf } from '../packed/format.ts'
import { fusedWarnings } from '../packed/fused.ts'
import { keptModules, moduleOf, packableLayers } from '../packed/linear.ts'
import { groupSizes, withTwins } from '../packed/options.ts'
import { entriesOf, pack } from './layout.ts'

const fits = ({ rows, cols }: Layer, size: number): boolean => rows % 8 === 0 && cols % size === 0

/** A file has one group size: the largest that packs the most weights, at most the one asked for. */
function fileSize(network: Network, most: number): number {
  const layers = packableLayers(network)
  const packed = (size: number) => layers.reduce((sum, layer) => sum + (fits(layer, size) ? layer.parameters : 0), 0)
  const sizes = groupSizes.filter((size) => size <= most)
  return sizes.reduce((best, size) => (packed(size) > packed(best) ? size : best), sizes[0] ?? 32)
}

const format: PackedFormat = {
  id: 'awq',
  title: 'AWQ',
  optionsOf(layer, network, asked) {
    const size = fileSize(network, asked?.groupSize ?? 128)
    if (!fits(layer, size)) return []
    return withTwins([rtnOption(4, size, false), rtnOption(4, size, true)])
  },
  choose(layer, network, { groupSize, symmetric }) {
    const size = fileSize(network, groupSize)
    return fits(layer, size) ? rtnOption(4, size, symmetric) : null
  },
  misfit({ rows, cols, bits, groupSize, scaleType }) {
    if (bits !== 4) return `it knows 4 bits only, not ${bits}`
    if (rows % 8 !== 0) return `${rows} outputs are no multiple of 8`
    if (cols % groupSize !== 0) return `groups of ${groupSize} do not divide ${cols} inputs`
    return scaleType === 'float16' ? null : 'its scales lie outside float16'
  },
  misfits(forms) {
    const sizes = new Set([...forms.values()].map(({ groupSize }) => groupSize))
    return sizes.size > 1
      ? `its layers have groups of ${[...sizes].join(' and ')}, and a file has one group size`
      : null
  },
  entriesOf,
  pack,
  settings(network, forms) {
    const [form] = forms.values()
    const kept = keptModules(network, forms)
    return {
      quantization: {
        quant_method: 'awq',
        bits: 4,
        group_size: form?.groupSize ?? 128,
        zero_point: true,
        version: 'gemm',
        modules_to_not_convert: kept.length > 0 ? kept : null,
      },
    }
  },
  warnings: (forms) =>
    fusedWarnings(
      new Map([...forms].map(([weight, form]) => [moduleOf(weight), schemeOf({ ...form, symmetric: false })])),
    ),
  loads: [
    { runtime: 'vLLM', line: 'vllm serve FOLDER' },
    { runtime: 'transformers (with AutoAWQ or GPTQModel)', line: "AutoModelForCausalLM.from_pretrained('FOLDER')" },
  ],
}

export const awq = packedExporter(format, {
  summary:
    'A Hugging Face folder in the layout of AWQ files: linear layers at 4 bits with zero points, one group size.',
  cite: 'Lin et al. 2023, AWQ; file layout of AutoAWQ, version "gemm"',
  formula: 'w = (code - zero) * scale',
  params: z.object({
    groupSize: z
      .int()
      .min(32)
      .max(128)
      .refine((size) => groupSizes.some((each) => each === size), 'expected 32, 64 or 128')
      .default(128)
      .describe('Weights that share a scale'),
    symmetric: z.boolean().default(false).describe('Zero points in the middle (they are stored all the same)'),
    ...packedParameters,
  }),
})
