import { expect, test } from 'vitest'
import type { Layer } from '../../../src-main/engine/checkpoint/network.ts'
import { describeMethod } from '../../../src-main/engine/method.ts'
import { applyPlain, optionsFor } from '../../../src-main/engine/quantize/options.ts'
import { quantizers } from '../../../src-main/engine/quantize/registry.ts'
import { gaussianMatrix } from '../kernels/random.ts'
import { gridOf } from '../../helpers/matrix.ts'

const layer = (more: Partial<Layer>): Layer => {
  const shape = [more.rows ?? 64, more.cols ?? 256]
  const fixed = { name: 'w', role: 'linear', block: 0, dtype: 'float32', bytes: 0, parameters: 0 } as const
  return { ...fixed, shape, compressible: true, rows: 64, cols: 256, order: 'rows', op: 'MatMul', ...more }
}
const ids = (more: Partial<Layer>) => optionsFor(layer(more)).map(({ id }) => id)

test('every width and keep, with ids that a recipe can rely on', () => {
  expect(ids({})).toEqual([
    'rtn-2-g64',
    'rtn-3-g64',
    'rtn-4-g64',
    'rtn-5-g64',
    'rtn-6-g64',
    'rtn-7-g64',
    'rtn-8-g64',
    'rtn-2-g32',
    'rtn-3-g32',
    'rtn-4-g32',
    'rtn-5-g32',
    'keep',
  ])
  expect(ids({ cols: 96 })).not.toContain('rtn-4-g64')
  expect(ids({ role: 'conv', op: 'Conv', cols: 144 }).slice(7)).toEqual([
    'rtn-3-g64',
    'rtn-4-g64',
    'rtn-5-g64',
    'rtn-3-g32',
    'rtn-4-g32',
    'rtn-5-g32',
    'rtn-4-channel-affine',
    'rtn-5-channel-affine',
    'rtn-6-channel-affine',
    'keep',
  ])
  expect(ids({ compressible: false })).toEqual(['keep'])
  expect(optionsFor(layer({})).at(2)).toEqual({
    id: 'rtn-4-g64',
    method: 'rtn',
    bits: 4,
    parameters: { granularity: 'group', groupSize: 64, symmetric: true, search: 'mse' },
  })
})

test.each([
  ['linear', 'MatMul', 172, 'rtn-4-g64'],
  ['linear', 'MatMul', 96, 'rtn-4-g32'], // 64 would be padded to 128
  ['linear', 'Gemm', 20, 'rtn-4-channel'],
  ['embed', 'Gather', 256, 'rtn-4-g64'],
  ['conv', 'Conv', 576, 'rtn-4-channel'],
  ['conv', 'Conv', 4608, 'rtn-4-g128'],
  ['depthwise', 'Conv', 9, 'rtn-4-channel'],
  ['recurrent', 'LSTM', 256, 'rtn-4-channel'],
] as const)('a %s layer (%s) of %i columns takes %s', (role, op, cols, id) => {
  expect(ids({ role, op, cols })).toContain(id)
})

test('options are carried out as they say', () => {
  const matrix = gaussianMatrix(16, 100, 1)
  for (const option of optionsFor(layer({ rows: 16, cols: 100 })).filter(({ method }) => method !== 'keep')) {
    const q = gridOf(applyPlain(matrix, option))
    expect(q.bits).toBe(option.bits)
    expect(q.symmetric).toBe(true)
    const groupSize = option.parameters.groupSize === 32 ? 32 : 64
    expect([q.granularity, q.groupSize, q.groups]).toEqual(['group', groupSize, groupSize === 32 ? 4 : 2])
    expect(q.zeros.every((zero) => zero === 2 ** (option.bits - 1))).toBe(true)
  }
  expect(() => applyPlain(matrix, { id: 'x', method: 'magic', bits: 4, parameters: {} }, { layer: 'a.b' })).toThrow(
    'Layer a.b: there is no quantizer "magic".',
  )
})

test.each(quantizers.map((method) => [method.id, method] as const))('%s describes itself', (_, method) => {
  const described = describeMethod(method)
  expect(described.family).toBe('quantize')
  expect(described.parameters).toHaveProperty('properties')
  expect(described.cite.length).toBeGreaterThan(20)
})
