import { z } from 'zod'
import { rtnOption } from '../../quantize/options.ts'
import { packedExporter } from '../packed/exporter.ts'
import { type PackedFormat, packedParameters, schemeOf } from '../packed/format.ts'
import { fusedWarnings } from '../packed/fused.ts'
import { moduleOf } from '../packed/linear.ts'
import { fittingSizes, nearestSize, rtnOptions, withTwins } from '../packed/options.ts'
import type { Layer } from '../../checkpoint/network.ts'
import { entriesOf, pack } from './layout.ts'
import { settingsOf } from './settings.ts'

const widths = [2, 3, 4, 8]

/** Words hold whole lines only: 32 codes of 3 bits, 32 / bits of the others. */
const fitsWords = (count: number, bits: number): boolean =>
  (count * bits) % 32 === 0 && (bits !== 3 || count % 32 === 0)
const fits = ({ rows, cols }: Layer, bits: number): boolean => fitsWords(rows, bits) && fitsWords(cols, bits)

const format: PackedFormat = {
  id: 'gptq',
  title: 'GPTQ',
  optionsOf(layer, _network, asked) {
    const sizes = [...fittingSizes(layer), null]
    const offered = rtnOptions(widths, sizes, true)
    return withTwins(asked?.symmetric === false ? [...offered, ...rtnOptions(widths, sizes, false)] : offered)
  },
  choose: (layer, _network, { bits, groupSize, symmetric }) =>
    fits(layer, bits) ? rtnOption(bits, nearestSize(layer, groupSize), symmetric) : null,
  misfit({ rows, cols, bits, groups, groupSize, scaleType }) {
    if (!widths.includes(bits)) return `it knows 2, 3, 4 and 8 bits, not ${bits}`
    if (!fitsWords(cols, bits)) return `${cols} inputs of ${bits} bits do not fill whole words`
    if (!fitsWords(rows, bits)) return `${rows} outputs of ${bits} bits do not fill whole words`
    if (groups > 1 && cols % groupSize !== 0) return `groups of ${groupSize} do not divide ${cols} inputs`
    return scaleType === 'float16' ? null : 'its scales lie outside float16'
  },
  entriesOf,
  pack,
  settings: settingsOf,
  warnings: (forms) => fusedWarnings(new Map([...forms].map(([weight, form]) => [moduleOf(weight), schemeOf(form)]))),
  loads: [
    { runtime: 'vLLM', line: 'vllm serve FOLDER' },
    { runtime: 'transformers (with GPTQModel)', line: "AutoModelForCausalLM.from_pretrained('FOLDER')" },
    { runtime: 'GPTQModel', line: "GPTQModel.load('FOLDER')" },
  ],
}

export const gptq = packedExporter(format, {
  summary: 'A Hugging Face folder in the layout of GPTQ files: linear layers at 2, 3, 4 or 8 bits with float16 scales.',
  cite: 'Frantar et al. 2022, GPTQ; file layout of AutoGPTQ and GPTQModel',
  formula: 'w = (code - zero) * scale',
  params: z.object({
    bits: z
      .int()
      .min(2)
      .max(8)
      .refine((bits) => widths.includes(bits), 'expected 2, 3, 4 or 8')
      .default(4)
      .describe('Bits per weight'),
    groupSize: z.int().min(0).default(128).describe('Weights that share a scale; 0: a whole output'),
    symmetric: z.boolean().default(true).describe('Zero points in the middle, which fast kernels need'),
    ...packedParameters,
  }),
})
