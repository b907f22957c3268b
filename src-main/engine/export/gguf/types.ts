// Which type a tensor is written in.
import type { Option } from '../../../../src-preload/contract/plan.ts'
import type { Network, TensorInfo } from '../../checkpoint/network.ts'
import { bitsPerWeight, type GgmlType, ggmlTypes, type writableTypes } from '../../kernels/ggml/types.ts'

export type WritableType = (typeof writableTypes)[number]
export type FloatType = 'F32' | 'F16' | 'BF16'

/** Their element types in the graph's words. */
export const floatTypes = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const
export const isFloat = (type: GgmlType): type is FloatType => type === 'F32' || type === 'F16' || type === 'BF16'
export const fits = (type: GgmlType, cols: number): boolean => cols % ggmlTypes[type].blockSize === 0

/** What stands in for a type whose blocks of 256 do not fit a row: as llama.cpp's quantizer chooses (src/llama-quant.cpp,
 *  tensor_type_fallback). */
const substitutes: Partial<Record<GgmlType, GgmlType>> = {
  Q6_K: 'Q8_0',
  Q5_K: 'Q5_1',
  Q4_K: 'Q5_0',
  Q3_K: 'Q4_0',
  Q2_K: 'Q4_0',
  TQ1_0: 'Q4_0',
  TQ2_0: 'Q4_0',
  IQ4_XS: 'IQ4_NL',
  IQ3_S: 'IQ4_NL',
  IQ3_XXS: 'IQ4_NL',
  IQ2_S: 'IQ4_NL',
  IQ2_XS: 'IQ4_NL',
  IQ2_XXS: 'IQ4_NL',
  IQ1_M: 'IQ4_NL',
  IQ1_S: 'IQ4_NL',
}

/** The type that is written where `type` is asked for: itself, its substitute, or F16 where not even blocks of 32 fit
 *  (llama.cpp: "must use F16 due to unusual shape"). */
export function fittingType(type: GgmlType, cols: number): GgmlType {
  if (fits(type, cols)) return type
  const substitute = substitutes[type]
  return substitute !== undefined && fits(substitute, cols) ? substitute : 'F16'
}

/** The type that holds a tensor as it is: packed rows stay packed, floats keep their width. */
export function keptType({ dtype, stored }: TensorInfo, { format }: Pick<Network, 'format'>): GgmlType {
  if (stored && format === 'gguf' && Object.hasOwn(ggmlTypes, stored.type)) return stored.type as GgmlType
  if (dtype === 'float16') return 'F16'
  return dtype === 'bfloat16' ? 'BF16' : 'F32'
}

/** The option of a type; `weighted`: with measured importance of the input channels. Ids: 'gguf-q4_k', 'gguf-q4_k-w'. */
export const ggmlOption = (type: GgmlType, weighted = false): Option => ({
  id: `gguf-${type.toLowerCase()}${weighted ? '-w' : ''}`,
  method: 'ggml',
  bits: bitsPerWeight(type),
  parameters: { type, ...(weighted ? { weighted } : {}) },
})

/** The type an option asks for, whichever quantizer chooses the codes; null for 'keep' and for options of other forms. */
export function typeOfOption({ method, parameters }: Option): GgmlType | null {
  const { type } = parameters
  return method !== 'keep' && typeof type === 'string' && Object.hasOwn(ggmlTypes, type) ? (type as GgmlType) : null
}
