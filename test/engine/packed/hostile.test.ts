import { expect, test } from 'vitest'
import type { Fault } from '../../../src-preload/contract/fault.ts'
import type { TensorToWrite } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { faultOf } from '../checkpoint/temporary.ts'
import { gptqPieces, packedPieces } from './plain.ts'
import { bytes, draw, halves, ints, longs, opened, singles } from './tensors.ts'

type Tensors = Record<string, TensorToWrite>

const gptq = (): Tensors => {
  const p = draw(1, { rows: 32, cols: 64, bits: 4, size: 32 })
  const { qweight, qzeros, scales, g_idx } = gptqPieces(p, 1)
  return {
    'm.qweight': ints([8, 32], qweight),
    'm.qzeros': ints([2, 4], qzeros),
    'm.scales': halves([2, 32], scales),
    'm.g_idx': ints([64], g_idx),
  }
}
const awq = (): Tensors => ({
  'm.qweight': ints([64, 2], new Int32Array(128)),
  'm.qzeros': ints([2, 2], new Int32Array(4)),
  'm.scales': halves([2, 16], new Array(32).fill(1)),
})
const packed = (): Tensors => {
  const p = draw(2, { rows: 16, cols: 64, bits: 4, size: 32 })
  return {
    'm.weight_packed': ints([16, 8], packedPieces(p, 'dense').packed),
    'm.weight_scale': halves([16, 2], p.scales),
    'm.weight_shape': longs(16, 64),
  }
}
const fp8 = (): Tensors => ({
  'm.weight': bytes('float8e4m3fn', [130, 140], new Uint8Array(130 * 140).fill(0x38)),
  'm.weight_scale_inv': singles([2, 2], [1, 2, 3, 4]),
})
const nvfp4 = (): Tensors => ({
  'm.weight_packed': bytes('uint8', [4, 16], new Uint8Array(64).fill(0x21)),
  'm.weight_scale': bytes('float8e4m3fn', [4, 2], new Uint8Array(8).fill(0x38)),
  'm.weight_global_scale': singles([1], [2]),
})
const sparse = (): Tensors => ({
  'm.compressed': singles([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]),
  'm.bitmask': bytes('uint8', [2, 1], [0b00110011, 0b01010101]),
  'm.shape': longs(2, 8),
})
const nf4 = (state: object): Tensors => {
  const text = new TextEncoder().encode(JSON.stringify(state))
  return {
    'm.weight': bytes('uint8', [64, 1], new Uint8Array(64)),
    'm.weight.absmax': singles([2], [1, 1]),
    'm.weight.quant_map': singles([16], new Array(16).fill(0.5)),
    'm.weight.quant_state.bitsandbytes__nf4': bytes('uint8', [text.length], text),
  }
}

const settings = {
  gptq: { quant_method: 'gptq', bits: 4, group_size: 32 },
  awq: { quant_method: 'awq', bits: 4, group_size: 32 },
  packed: {
    quant_method: 'compressed-tensors',
    format: 'pack-quantized',
    config_groups: { a: { targets: ['Linear'], weights: { num_bits: 4, group_size: 32, strategy: 'group' } } },
  },
  fp8: { quant_method: 'fp8', weight_block_size: [128, 128] },
  nf4: { quant_method: 'bitsandbytes' },
}
const without = (tensors: Tensors, name: string): Tensors =>
  Object.fromEntries(Object.entries(tensors).filter(([key]) => key !== name))
const state = { shape: [8, 16], blocksize: 64, quant_type: 'nf4', dtype: 'float16' }

const cases: [string, Tensors, object, { tensor?: string; says: RegExp }][] = [
  ['GPTQ without zero points', without(gptq(), 'm.qzeros'), settings.gptq, { tensor: 'm.qzeros', says: /missing/ }],
  ['GPTQ without scales', without(gptq(), 'm.scales'), settings.gptq, { tensor: 'm.scales', says: /missing/ }],
  [
    'GPTQ, zero points of another layer',
    { ...gptq(), 'm.qzeros': ints([2, 5], new Int32Array(10)) },
    settings.gptq,
    { tensor: 'm.qzeros', says: /2, 3, 4 or 8 bits/ },
  ],
  [
    'GPTQ, no zero points at all',
    { ...gptq(), 'm.qzeros': ints([2, 0], new Int32Array(0)) },
    settings.gptq,
    { tensor: 'm.qzeros', says: /bits/ },
  ],
  [
    'GPTQ, scales that do not fit',
    { ...gptq(), 'm.scales': halves([2, 31], new Array(62).fill(1)) },
    settings.gptq,
    { tensor: 'm.scales', says: /expected .*\[2, 32\]/ },
  ],
  [
    'GPTQ, codes as floats',
    { ...gptq(), 'm.qweight': singles([8, 32], new Float32Array(256)) },
    settings.gptq,
    { tensor: 'm.qweight', says: /expected int32/ },
  ],
  [
    'GPTQ, codes of three dimensions',
    { ...gptq(), 'm.qweight': ints([2, 4, 32], new Int32Array(256)) },
    settings.gptq,
    { tensor: 'm.qweight', says: /inputs \* bits/ },
  ],
  [
    'GPTQ, order too short',
    { ...gptq(), 'm.g_idx': ints([63], new Int32Array(63)) },
    settings.gptq,
    { tensor: 'm.g_idx', says: /\[64\]/ },
  ],
  [
    'GPTQ, order out of range',
    { ...gptq(), 'm.g_idx': ints([64], new Int32Array(64).fill(2)) },
    settings.gptq,
    { tensor: 'm.g_idx', says: /input 0 is in group 2, expected 0 to 1/ },
  ],
  [
    'GPTQ, order below zero',
    { ...gptq(), 'm.g_idx': ints([64], new Int32Array(64).fill(-1)) },
    settings.gptq,
    { tensor: 'm.g_idx', says: /group -1/ },
  ],
  [
    'GPTQ, a scale that is no number',
    { ...gptq(), 'm.scales': halves([2, 32], new Array(64).fill(NaN)) },
    settings.gptq,
    { tensor: 'm.scales', says: /element 0 is NaN, expected a finite scale/ },
  ],
  [
    'GPTQ, groups that do not divide',
    {
      ...without(gptq(), 'm.g_idx'),
      'm.qzeros': ints([3, 4], new Int32Array(12)),
      'm.scales': halves([3, 32], new Array(96).fill(1)),
    },
    settings.gptq,
    { tensor: 'm.scales', says: /inputs \/ group_size/ },
  ],
  [
    'GPTQ, packed and plain',
    { ...gptq(), 'm.weight': singles([1], [1]) },
    settings.gptq,
    { tensor: 'm.weight', says: /plain and packed/ },
  ],
  [
    'GPTQ, group size a text',
    gptq(),
    { ...settings.gptq, group_size: '128' },
    { says: /quantization_config\.group_size/ },
  ],
  [
    'AWQ, groups that do not divide',
    { ...awq(), 'm.qzeros': ints([3, 2], new Int32Array(6)), 'm.scales': halves([3, 16], new Array(48).fill(1)) },
    settings.awq,
    { tensor: 'm.scales', says: /for 64 inputs/ },
  ],
  [
    'AWQ, scales of another width',
    { ...awq(), 'm.scales': halves([2, 15], new Array(30).fill(1)) },
    settings.awq,
    { tensor: 'm.scales', says: /\[2, 16\]/ },
  ],
  [
    'AWQ, an infinite scale',
    { ...awq(), 'm.scales': halves([2, 16], new Array(32).fill(Infinity)) },
    settings.awq,
    { tensor: 'm.scales', says: /Infinity/ },
  ],
  [
    'packed, no shape',
    without(packed(), 'm.weight_shape'),
    settings.packed,
    { tensor: 'm.weight_shape', says: /missing/ },
  ],
  [
    'packed, shape below zero',
    { ...packed(), 'm.weight_shape': longs(-16, 64) },
    settings.packed,
    { tensor: 'm.weight_shape', says: /\[-16, 64\]/ },
  ],
  [
    'packed, shape beyond all sizes',
    { ...packed(), 'm.weight_shape': longs(2 ** 40, 64) },
    settings.packed,
    { tensor: 'm.weight_shape', says: /sizes from 1/ },
  ],
  [
    'packed, three sizes',
    { ...packed(), 'm.weight_shape': longs(16, 64, 1) },
    settings.packed,
    { tensor: 'm.weight_shape', says: /3 numbers/ },
  ],
  [
    'packed, other words than the settings say',
    { ...packed(), 'm.weight_packed': ints([16, 9], new Int32Array(144)) },
    settings.packed,
    { tensor: 'm.weight_packed', says: /4 bits/ },
  ],
  [
    'packed, no settings',
    packed(),
    { quant_method: 'compressed-tensors', format: 'pack-quantized' },
    { tensor: 'm.weight_packed', says: /no bits/ },
  ],
  [
    'packed, zero points that do not fit',
    { ...packed(), 'm.weight_zero_point': ints([3, 2], new Int32Array(6)) },
    settings.packed,
    { tensor: 'm.weight_zero_point', says: /\[2, 2\]/ },
  ],
  [
    'packed, order out of range',
    { ...packed(), 'm.weight_g_idx': ints([64], new Int32Array(64).fill(9)) },
    settings.packed,
    { tensor: 'm.weight_g_idx', says: /group 9/ },
  ],
  [
    'packed, a scale that is no number',
    { ...packed(), 'm.weight_scale': halves([16, 2], new Array(32).fill(NaN)) },
    settings.packed,
    { tensor: 'm.weight_scale', says: /element 0 is NaN/ },
  ],
  [
    'fp8 without scales',
    without(fp8(), 'm.weight_scale_inv'),
    settings.fp8,
    { tensor: 'm.weight_scale', says: /missing/ },
  ],
  [
    'fp8, too few blocks',
    { ...fp8(), 'm.weight_scale_inv': singles([1, 2], [1, 2]) },
    settings.fp8,
    { tensor: 'm.weight_scale_inv', says: /\[2, 2\]/ },
  ],
  ['fp8, block of nothing', fp8(), { ...settings.fp8, weight_block_size: [0, 128] }, { says: /weight_block_size/ }],
  [
    'fp8, a scale that is no number',
    { ...fp8(), 'm.weight_scale_inv': singles([2, 2], [1, 2, 3, NaN]) },
    settings.fp8,
    { tensor: 'm.weight_scale_inv', says: /element 3 is NaN/ },
  ],
  [
    'NVFP4, scales for other groups',
    { ...nvfp4(), 'm.weight_scale': bytes('float8e4m3fn', [4, 3], new Uint8Array(12)) },
    settings.packed,
    { tensor: 'm.weight_scale', says: /groups of 16/ },
  ],
  [
    'NVFP4, global scale zero',
    { ...nvfp4(), 'm.weight_global_scale': singles([1], [0]) },
    settings.packed,
    { tensor: 'm.weight_global_scale', says: /finite/ },
  ],
  [
    '2:4, mask with too many',
    { ...sparse(), 'm.bitmask': bytes('uint8', [2, 1], [255, 255]) },
    settings.packed,
    { tensor: 'm.bitmask', says: /more than 4/ },
  ],
  [
    '2:4, mask with too few',
    { ...sparse(), 'm.bitmask': bytes('uint8', [2, 1], [1, 1]) },
    settings.packed,
    { tensor: 'm.bitmask', says: /fewer than 4/ },
  ],
  [
    '2:4, values that do not fit',
    { ...sparse(), 'm.shape': longs(2, 12) },
    settings.packed,
    { tensor: 'm.compressed', says: /\[2, 6\]/ },
  ],
  [
    'nf4, state that is no JSON',
    { ...nf4(state), 'm.weight.quant_state.bitsandbytes__nf4': bytes('uint8', [3], [1, 2, 3]) },
    settings.nf4,
    { says: /JSON/ },
  ],
  ['nf4, blocks of nothing', nf4({ ...state, blocksize: 0 }), settings.nf4, { says: /blocksize/ }],
  ['nf4, another size', nf4({ ...state, shape: [8, 17] }), settings.nf4, { tensor: 'm.weight', says: /68 bytes/ }],
  ['nf4, sizes that are no whole numbers', nf4({ ...state, shape: [8, 16.5] }), settings.nf4, { says: /two integers/ }],
  [
    'int8, scales of other outputs',
    { 'm.weight': bytes('int8', [2, 4], new Uint8Array(8)), 'm.SCB': singles([3], [1, 1, 1]) },
    settings.nf4,
    { tensor: 'm.SCB', says: /\[2\]/ },
  ],
  ['settings that are no object', {}, { quant_method: 7 }, { says: /quant_method/ }],
]

test.each(cases)('%s: a fault that names the tensor and what was expected', (_, tensors, config, expected) => {
  const fault: Fault = faultOf(() => {
    const { source } = opened(tensors, config)
    for (const name of source.tensors.keys()) source.read(name)
  })
  expect(fault.code).toBe('bad-input')
  expect(fault.message).toMatch(expected.says)
  if (expected.tensor !== undefined) expect(fault.data?.tensor).toBe(expected.tensor)
})

test('scales of zero are weights of zero', () => {
  const { source } = opened({ ...awq(), 'm.scales': halves([2, 16], new Array(32).fill(0)) }, settings.awq)
  expect(new Float32Array(source.read('m.weight').slice().buffer).every((value) => value === 0)).toBe(true)
})

test.each([
  ['an unknown method', gptq(), { quant_method: 'hqq' }, /"hqq"/],
  ['no method', gptq(), {}, /"unnamed"/],
  ['GPTQ for one kernel', gptq(), { ...settings.gptq, checkpoint_format: 'marlin' }, /marlin/],
  ['AWQ of another version', awq(), { ...settings.awq, version: 'gemv' }, /gemv/],
  ['AWQ of 8 bits', awq(), { ...settings.awq, bits: 8 }, /8 bits/],
  [
    'fp8 experts stacked in one tensor',
    { ...fp8(), 'm.weight': bytes('float8e4m3fn', [2, 65, 140], new Uint8Array(130 * 140).fill(0x38)) },
    settings.fp8,
    /3 dimensions/,
  ],
  ['marlin-24', packed(), { ...settings.packed, format: 'marlin-24' }, /marlin-24/],
])('%s: opened as it lies, and a notice says why', (_, tensors, config, says) => {
  const { source, reason, packed: what } = opened(tensors, config)
  expect(reason).toMatch(says)
  expect(what).toBeNull()
  expect([...source.tensors.keys()].sort()).toEqual(Object.keys(tensors).sort())
})
