import { expect, test } from 'vitest'
import { faultPlaces } from '../../src-renderer/ui/faultPlaces.ts'
import * as f from '../../src-renderer/ui/format.ts'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [96_743, '96.7 kB'],
  [999_949, '999.9 kB'],
  [999_950, '1.00 MB'],
  [1_044_984, '1.04 MB'],
  [9_994_999, '9.99 MB'],
  [23_098_080, '23.1 MB'],
  [13_476_000_000, '13.48 GB'],
  [null, '–'],
  [Number.NaN, '–'],
])('%s bytes are written %s', (bytes, text) => expect(f.formatBytes(bytes)).toBe(text))

test.each([
  [0, '0'],
  [0.0342, '0.0342'],
  [0.001, '0.00100'],
  [0.00044, '4.4×10⁻⁴'],
  [1.2e-11, '1.2×10⁻¹¹'],
  [-0.145, '−0.145'],
  [1.234, '1.23'],
  [30.4995, '30.5'],
  [448.2, '448'],
  [1_234_567, '1.2×10⁶'],
  [undefined, '–'],
  [0.0099999, '0.0100'],
  [9.9996, '10.0'],
  [Infinity, '–'],
])('%s is written %s', (value, text) => expect(f.formatScientific(value)).toBe(text))

test.each([
  [0.4, '0 ms'],
  [812, '812 ms'],
  [9_949, '9.9 s'],
  [59_400, '59 s'],
  [59_600, '1 min 00 s'],
  [3_599_999, '1 h 00 min'],
  [72_000_000, '20 h 00 min'],
])('%s milliseconds last %s', (ms, text) => expect(f.formatDuration(ms)).toBe(text))

test('counts, bits, shares, speeds and ratios', () => {
  expect(f.formatShortCount(174_698)).toBe('175 K')
  expect(f.formatShortCount(5_771_520)).toBe('5.77 M')
  expect(f.formatShortCount(1.1e9)).toBe('1.10 B')
  expect(f.formatCount(1234567)).toBe('1,234,567')
  expect(f.formatBits(4)).toBe('4')
  expect(f.formatBits(4.333)).toBe('4.33')
  expect(f.formatPercent(0.8125, 2)).toBe('81.25 %')
  expect(f.formatPercent(-0.03)).toBe('−3.0 %')
  expect(f.formatSpeed(5400)).toBe('5.4 TFLOPS')
  expect(f.formatSpeed(null)).toBe('not measured')
  expect([0.4967, -0.2, null].map(f.formatCorrelation)).toEqual(['0.50', '−0.20', '–'])
  expect(f.formatRatio(6.418)).toBe('6.42×')
  expect(f.formatShape([])).toBe('scalar')
})

test('axis ticks lose the zeros that say nothing, and only those', () => {
  expect(f.trimZeros('0.0100')).toBe('0.01')
  expect(f.trimZeros('2.00 MB')).toBe('2 MB')
  expect(f.trimZeros('100 kB')).toBe('100 kB')
  expect(f.trimZeros('1.50 MB')).toBe('1.5 MB')
  expect(f.trimZeros('1.0×10⁻⁴')).toBe('10⁻⁴')
  expect(f.trimZeros('2.0×10⁻⁴')).toBe('2×10⁻⁴')
})

test('a difference carries its sign', () => {
  expect(f.signed('0.31')).toBe('+0.31')
  expect(f.signed('−0.31')).toBe('−0.31')
  expect(f.signed('0')).toBe('0')
})

test('times near now are words, far ones are dates', () => {
  const now = new Date('2026-03-10T12:00:00Z')
  expect(f.formatWhen('2026-03-10T11:59:40Z', now)).toBe('just now')
  expect(f.formatWhen('2026-03-10T11:15:00Z', now)).toBe('45 minutes ago')
  expect(f.formatWhen('2026-03-09T10:00:00Z', now)).toBe('yesterday')
  expect(f.formatWhen('2025-11-02T10:00:00Z', now)).toBe('2025-11-02')
  expect(f.formatWhen('never', now)).toBe('–')
})

test('the last part of either kind of path', () => {
  expect(f.baseName('/models/a/resnet.onnx')).toBe('resnet.onnx')
  expect(f.baseName('C:\\models\\llama\\')).toBe('llama')
})

test('the plans nearest to an impossible one are words, not a dump', () => {
  const nearest = {
    maxBytes: { bytes: 215_789, loss: 0.04996387740985911, seconds: null },
    maxLoss: { bytes: 159_946, loss: 0.318, seconds: 0.0021 },
  }
  const data = { bounds: ['maxBytes', 'maxLoss'], nearest, expected: 'more', smallestBytes: 1 }
  expect(faultPlaces({ code: 'infeasible', message: 'No plan.', data })).toEqual([
    { title: 'Expected', text: 'more' },
    {
      title: 'Nearest',
      text: '215.8 kB, predicted loss 0.0500 nats; or 159.9 kB, predicted loss 0.318 nats, 2 ms a sample',
    },
  ])
  const said = {
    code: 'infeasible' as const,
    message: 'No plan fits a loss of 1.',
    hint: 'Allow at least a loss of 2.',
  }
  expect(faultPlaces({ ...said, data: { expected: 'at least a loss of 2', found: 'a loss of 1' } })).toEqual([])
})
