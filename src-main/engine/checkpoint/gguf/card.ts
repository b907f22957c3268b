// What a person sees of a GGUF file: who made what, in which form.
import type { GgufHeader } from './header.ts'
import type { Metadata } from './metadata.ts'

/** `general.file_type` (llama_ftype of llama.cpp): what most matrices of the file are. */
const fileTypes = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [7, 'Q8_0'],
  [8, 'Q5_0'],
  [9, 'Q5_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K_S'],
  [12, 'Q3_K_M'],
  [13, 'Q3_K_L'],
  [14, 'Q4_K_S'],
  [15, 'Q4_K_M'],
  [16, 'Q5_K_S'],
  [17, 'Q5_K_M'],
  [18, 'Q6_K'],
  [19, 'IQ2_XXS'],
  [20, 'IQ2_XS'],
  [21, 'Q2_K_S'],
  [22, 'IQ3_XS'],
  [23, 'IQ3_XXS'],
  [24, 'IQ1_S'],
  [25, 'IQ4_NL'],
  [26, 'IQ3_S'],
  [27, 'IQ3_M'],
  [28, 'IQ2_S'],
  [29, 'IQ2_M'],
  [30, 'IQ4_XS'],
  [31, 'IQ1_M'],
  [32, 'BF16'],
  [36, 'TQ1_0'],
  [37, 'TQ2_0'],
  [38, 'MXFP4 experts'],
])

const shown: readonly (readonly [string, string])[] = [
  ['general.name', 'name'],
  ['general.license', 'licence'],
  ['general.license.name', 'licence name'],
  ['general.license.link', 'licence link'],
  ['general.organization', 'organization'],
  ['general.author', 'author'],
  ['general.size_label', 'size'],
  ['general.finetune', 'finetune'],
  ['general.quantized_by', 'quantized by'],
  ['general.description', 'description'],
  ['general.quantization_version', 'quantization version'],
  ['tokenizer.ggml.model', 'tokenizer'],
  ['tokenizer.ggml.pre', 'pre-tokenizer'],
]

export function cardOf({ version, metadata }: GgufHeader): Record<string, string> {
  const architecture = textOf(metadata, 'general.architecture') ?? 'none'
  const card: Record<string, string> = { architecture, container: `GGUF version ${version}` }
  for (const [key, label] of shown) {
    const text = textOf(metadata, key)
    if (text !== undefined) card[label] = text.slice(0, 200)
  }
  for (const [key, label] of [
    [`${architecture}.context_length`, 'context length'],
    [`${architecture}.vocab_size`, 'vocabulary'],
  ] as const) {
    const text = textOf(metadata, key)
    if (text !== undefined) card[label] = text
  }
  const tokens = metadata.get('tokenizer.ggml.tokens')
  if (tokens?.type === 'array') card.vocabulary = String(tokens.length)
  const type = textOf(metadata, 'general.file_type')
  if (type !== undefined) card['file type'] = fileTypes.get(Number(type) & 1023) ?? `number ${type}`
  return card
}

/** A single value as text; lists have none. */
export function textOf(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key)
  return value && value.type !== 'array' ? String(value.value) : undefined
}
