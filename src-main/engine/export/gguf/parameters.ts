import { z } from 'zod'
import type { Option } from '../../../../src-preload/contract/plan.ts'
import type { Network } from '../../checkpoint/network.ts'
import { type GgmlType, writableTypes } from '../../kernels/ggml/types.ts'
import { keptPart } from './choose.ts'
import { layoutOf, type GgufTensor } from './layout.ts'
import { fits, fittingType, ggmlOption, isFloat } from './types.ts'

const typeNames = z.enum(writableTypes)

export const ggufParameters = z.object({
  type: z
    .enum(['keep', ...writableTypes])
    .default('keep')
    .describe(
      'What the weight matrices are written in. keep: as they are. Rows that are no whole blocks of 256 weights get the same stand-in that llama.cpp chooses (Q4_K: Q5_0; Q2_K: Q4_0; IQ types: IQ4_NL; ...)',
    ),
  output: typeNames
    .optional()
    .describe('Type of the output matrix (or of the embedding, where both are one). Without it: see pure'),
  embedding: typeNames.optional().describe('Type of the token embedding. Without it: see pure'),
  pure: z
    .boolean()
    .default(false)
    .describe(
      'Every matrix in exactly this type. Otherwise the output matrix gets at least Q6_K (Q5_K for the 2-bit IQ types) and the embedding of the 2-bit types a wider one, as llama.cpp’s own quantizer does: they decide over every token and cost few bytes in a large model',
    ),
  splitBytes: z
    .int()
    .min(0)
    .default(0)
    .describe(
      'Largest size of one file in bytes; what is larger becomes several files, name-00001-of-00002.gguf; 0: one file',
    ),
  preTokenizer: z
    .string()
    .regex(/^[\w.-]{1,40}$/)
    .optional()
    .describe('Name of llama.cpp’s pre-tokenizer (tokenizer.ggml.pre), for a tokenizer that Lathe does not recognise'),
})
export type GgufParameters = z.output<typeof ggufParameters>

/** What a plain conversion makes of each layer. Layers that already are what they would become are left out. (Where
 *  importance is known, tasks/convert.ts takes the weighted form of each option.) */
export function convertOptions(network: Network, parameters: GgufParameters): Map<string, Option> {
  const { tensors } = layoutOf(network)
  const tied = !tensors.some(({ name }) => name === 'output.weight')
  const options = new Map<string, Option>()
  for (const tensor of tensors) {
    if (!tensor.free) continue
    const wanted = wantedType(tensor, tied, parameters)
    if (wanted === null) continue
    const type = fittingType(wanted, tensor.cols)
    // Parts of one tensor share a type: what one of them needs, all of them get.
    if (tensor.parts.every((part) => keptPart(tensor, part, network) === type)) continue
    for (const { info } of tensor.parts) options.set(info.name, ggmlOption(type))
  }
  return options
}

/** As llama.cpp's quantizer chooses for its types without suffix (src/llama-quant.cpp, llama_tensor_get_type_impl). */
function wantedType({ name, cols }: GgufTensor, tied: boolean, parameters: GgufParameters): GgmlType | null {
  const { type, output, embedding, pure } = parameters
  const base = type === 'keep' ? null : type
  const plain = pure || base === null || isFloat(base)
  if (name === 'output.weight' || (tied && name === 'token_embd.weight')) {
    const asked = name === 'output.weight' ? output : (embedding ?? output)
    return asked ?? (plain ? base : outputType(base, cols))
  }
  if (name === 'token_embd.weight') return embedding ?? (plain ? base : (embeddingTypes[base] ?? base))
  return base
}

const embeddingTypes: Partial<Record<GgmlType, GgmlType>> = {
  IQ2_XXS: 'Q2_K',
  IQ2_XS: 'Q2_K',
  IQ2_S: 'IQ3_S',
  IQ3_XXS: 'IQ3_S',
  TQ2_0: 'Q4_K',
}

function outputType(type: GgmlType, cols: number): GgmlType {
  if (type === 'Q8_0' || type === 'MXFP4' || !fits(type, cols)) return 'Q8_0'
  return type === 'IQ2_XXS' || type === 'IQ2_XS' || type === 'IQ2_S' || type === 'IQ3_XXS' ? 'Q5_K' : 'Q6_K'
}
