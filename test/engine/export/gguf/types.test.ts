import { expect, test } from 'vitest'
import { fittingType, ggmlOption, typeOfOption } from '../../../../src-main/engine/export/gguf/types.ts'
import { type GgmlType, writableTypes } from '../../../../src-main/engine/kernels/ggml/types.ts'

// llama.cpp, src/llama-quant.cpp, tensor_type_fallback.
const shortRows: [GgmlType, GgmlType][] = [
  ['Q6_K', 'Q8_0'],
  ['Q5_K', 'Q5_1'],
  ['Q4_K', 'Q5_0'],
  ['Q3_K', 'Q4_0'],
  ['Q2_K', 'Q4_0'],
  ['TQ2_0', 'Q4_0'],
  ['IQ4_XS', 'IQ4_NL'],
  ['IQ3_S', 'IQ4_NL'],
  ['IQ3_XXS', 'IQ4_NL'],
  ['IQ2_S', 'IQ4_NL'],
  ['IQ2_XS', 'IQ4_NL'],
  ['IQ2_XXS', 'IQ4_NL'],
]

test.each(shortRows)('rows of 64 weights asked for as %s become %s', (asked, written) => {
  expect(fittingType(asked, 64)).toBe(written)
  expect(fittingType(asked, 512)).toBe(asked)
})

test.each(writableTypes)('%s: rows of 172 weights, no whole blocks of anything, become F16', (type) => {
  const plain = type === 'F32' || type === 'F16' || type === 'BF16'
  expect(fittingType(type, 172)).toBe(plain ? type : 'F16')
})

test('an option names its type, and only options of this method do', () => {
  for (const type of writableTypes) expect(typeOfOption(ggmlOption(type, true))).toBe(type)
  expect(ggmlOption('Q4_K')).toEqual({ id: 'gguf-q4_k', method: 'ggml', bits: 4.5, parameters: { type: 'Q4_K' } })
  expect(ggmlOption('Q4_K', true).id).toBe('gguf-q4_k-w')
  expect(typeOfOption({ id: 'keep', method: 'keep', bits: 32, parameters: {} })).toBeNull()
  expect(typeOfOption({ id: 'x', method: 'ggml', bits: 4, parameters: { type: 'toString' } })).toBeNull()
})
