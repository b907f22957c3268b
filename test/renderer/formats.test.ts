import { expect, test } from 'vitest'
import { blockBytes, roleShares, storedShares } from '../../src-renderer/features/card/shares.ts'
import { convertName, folderOf } from '../../src-renderer/features/convert/convertName.ts'
import { typeShares } from '../../src-renderer/features/convert/typeShares.ts'
import { changedValues, conversionOnly, fieldsOf } from '../../src-renderer/features/formats/fields.ts'
import { conversionChoices, formatChoices } from '../../src-renderer/features/formats/formatChoices.ts'
import { bitRange, optionFigure, optionNote, optionTitle, planName } from '../../src-renderer/features/plan/planRows.ts'
import { onScale, widthScale } from '../../src-renderer/features/plan/widthScale.ts'
import { methods } from './helpers/methods.ts'
import { checkpoint, frontPoint, layers, options, solve } from './helpers/network.ts'

const gguf = methods.find(({ id }) => id === 'gguf')

test('a form is made from the method’s own schema', () => {
  const fields = fieldsOf(gguf ?? { parameters: {} })
  expect(fields.map(({ name, kind }) => [name, kind])).toEqual([
    ['type', 'choice'],
    ['pure', 'switch'],
    ['weighted', 'switch'],
    ['splitBytes', 'number'],
  ])
  expect(fields[3]).toMatchObject({ title: 'Split bytes', min: 0, max: null, isWhole: true, preset: 0 })
  expect(fieldsOf(gguf ?? { parameters: {} }, conversionOnly).map(({ name }) => name)).toEqual(['splitBytes'])
  expect(fieldsOf({ parameters: null })).toEqual([])
  expect(fieldsOf({ parameters: { properties: { deep: { type: 'object' }, odd: 7 } } })).toEqual([])
})

test('only what differs from the presets is sent', () => {
  const fields = fieldsOf(gguf ?? { parameters: {} })
  expect(changedValues(fields, {})).toEqual({})
  expect(changedValues(fields, { type: 'Q4_K', pure: false, splitBytes: 0, stray: 1 })).toEqual({ type: 'Q4_K' })
  expect(changedValues(fields, { type: 'keep', pure: true, splitBytes: 5 })).toEqual({ pure: true, splitBytes: 5 })
})

test('formats: those that fit first, the others with their reason; a conversion leaves out what only plans fill', () => {
  expect(formatChoices(methods, checkpoint).map(({ id, reason }) => [id, reason])).toEqual([
    ['onnx', null],
    ['gguf', null],
    ['safetensors', null],
    ['gptq', 'Layer widths must be multiples of 128.'],
  ])
  const choices = conversionChoices(methods, checkpoint)
  expect(choices.map(({ id }) => id)).toEqual(['onnx', 'gguf', 'safetensors', 'gptq'])
  expect(choices[2]?.reason).toContain('Only for variants of a plan')
})

test('names say what will be in the file', () => {
  const onnx = { id: 'onnx', extension: '.onnx' }
  expect(convertName({ name: 'novels 5m.safetensors' }, 'int8', onnx)).toBe('novels-5m-int8.onnx')
  expect(convertName({ name: 'a.gguf' }, null, onnx)).toBe('a.onnx')
  expect(convertName({ name: '../..' }, 'float32', onnx)).toBe('model.onnx')
  expect(convertName({ name: 'llama' }, null, { id: 'gptq', extension: '' })).toBe('llama-gptq')
  expect([folderOf('/a/b.onnx'), folderOf('/a'), folderOf('C:\\m\\x.pt')]).toEqual(['/a', '/', 'C:\\m'])
})

test('what the layers of a conversion become, by bytes', () => {
  const row = { name: 'x', option: 'gguf-q4_k-w', method: 'ggml', bits: 4.5, bytes: 60 }
  const shares = typeShares({
    bytes: 0,
    weighs: true,
    layers: [row, { ...row, option: 'keep', method: 'keep', bits: 32, bytes: 30 }, { ...row, bytes: 10 }],
  })
  expect(shares.map(({ title, layers: count, share }) => [title, count, share])).toEqual([
    ['Q4_K', 2, 0.7],
    ['as it is', 1, 0.3],
  ])
})

test('bytes by stored form, by role and by block add up', () => {
  const packed = layers.map((layer) =>
    layer.role === 'q' ? { ...layer, stored: 'Q4_K', bytes: layer.bytes / 8 } : layer,
  )
  expect(storedShares(packed).map(({ title, layers: count }) => [title, count])).toEqual([
    ['float32', layers.length - 8],
    ['Q4_K', 8],
  ])
  const total = (rows: { share: number }[]) => rows.reduce((sum, { share }) => sum + share, 0)
  expect(total(roleShares(layers))).toBeCloseTo(1)
  const blocks = blockBytes(checkpoint)
  expect(blocks).toHaveLength(9)
  expect(blocks.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(layers.reduce((sum, { bytes }) => sum + bytes, 0))
  expect(Math.max(...blocks.map(({ height }) => height))).toBe(1)
})

test('options of a file format are called by its types; the slider spans what they offer', () => {
  const option = {
    id: 'gguf-q4_k-w',
    method: 'ggml',
    bits: 4.5,
    parameters: { type: 'Q4_K', weighted: true },
    bytes: 1,
    loss: null,
  }
  expect([optionTitle(option), optionFigure(option, 4.5)]).toEqual(['Q4_K', 'Q4_K'])
  expect(optionNote(option)).toBe('4.50 bits, weighed by importance')
  const plain = { ...option, id: 'rtn-4', method: 'rtn', bits: 4, parameters: { granularity: 'channel' } }
  expect([optionTitle(plain), optionFigure(plain, 4), optionFigure(undefined, 2.0625)]).toEqual(['4 bits', '4', '2.06'])
  expect(bitRange(null)).toEqual({ min: 2, max: 8 })
  const wide = { ...option, bits: 16, parameters: { type: 'F16' } }
  expect(bitRange([{ name: 'a', options: [{ ...option, bits: 2.0625 }, { ...option, bits: 8.5 }, wide] }])).toEqual({
    min: 2.1,
    max: 8.5,
  })
  const plan = solve({ bits: 4 }, {})
  expect(planName(plan, { format: 'onnx', checkpoint })).toMatch(/^Planned [\d.]+ bits$/)
  expect(planName(plan, { format: 'gguf', checkpoint })).toMatch(/bits, gguf$/)
})

test('the slider’s scale: the width for all that takes as many bytes', () => {
  const uniform = [2, 3, 4, 5, 6, 7, 8].map((bits) => frontPoint(solve({ bits }, {}, true)))
  const scale = widthScale(options, uniform)
  const bytes = (i: number): number => uniform[i]?.bytes ?? 0
  expect([scale?.(bytes(0)), scale?.(bytes(2)), scale?.(bytes(6))]).toEqual([2, 4, 8])
  expect(scale?.((bytes(1) + bytes(2)) / 2)).toBeCloseTo(3.5)
  expect(scale?.(2 * bytes(6))).toBeGreaterThan(8)
  expect(scale?.(0)).toBeLessThan(2)
  expect(onScale(uniform, scale).map(({ averageBits }) => averageBits)).toEqual([2, 3, 4, 5, 6, 7, 8])
  expect(widthScale(null, uniform)).toBeNull()
  expect(widthScale(options, uniform.slice(1))).toBeNull()
})
