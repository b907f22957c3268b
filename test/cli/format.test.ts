import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatBytes, formatCount, formatDuration, formatMetric, formatTable } from '../../src-main/cli/format.ts'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [999.6, '1.00 kB'],
  [1000, '1.00 kB'],
  [9_994, '9.99 kB'],
  [9_996, '10.0 kB'],
  [703_579, '703.6 kB'],
  [999_949, '999.9 kB'],
  [999_950, '1.00 MB'],
  [2_200_000_000, '2.20 GB'],
  [5e15, '5000.0 TB'],
])('%d bytes read %s', (bytes, words) => expect(formatBytes(bytes)).toBe(words))

test.each([
  [9_999, '9999'],
  [10_000, '10.0 k'],
  [174_698, '174.7 k'],
  [999_949, '999.9 k'],
  [999_950, '1.00 M'],
  [999_994_999, '999.99 M'],
  [999_995_000, '1.00 B'],
  [1_100_048_384, '1.10 B'],
])('%d parameters read %s', (count, words) => expect(formatCount(count)).toBe(words))

test.each([
  [0, '0 ms'],
  [999.4, '999 ms'],
  [999.6, '1.0 s'],
  [59_949, '59.9 s'],
  [59_960, '1 min 0 s'],
  [119_700, '2 min 0 s'],
  [125_000, '2 min 5 s'],
  [3_599_600, '1 h 0 min'],
  [7_260_000, '2 h 1 min'],
])('%d ms read %s', (milliseconds, words) => expect(formatDuration(milliseconds)).toBe(words))

test('no duration has sixty seconds or minutes in it, and longer never reads shorter', () => {
  const unit: Record<string, number> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 }
  const read = (words: string) =>
    [...words.matchAll(/([\d.]+) (ms|s|min|h)/g)].reduce(
      (sum, [, n, name]) => sum + Number(n) * (unit[name ?? ''] ?? 0),
      0,
    )
  fc.assert(
    fc.property(fc.double({ min: 0, max: 4e7, noNaN: true }), fc.double({ min: 0, max: 4e7, noNaN: true }), (a, b) => {
      expect(formatDuration(a)).not.toMatch(/\b60(\.0)? (s|min)/)
      const [low, high] = [Math.min(a, b), Math.max(a, b)].map((value) => read(formatDuration(value)))
      expect(low).toBeLessThanOrEqual(high ?? 0)
    }),
    { seed: 20_261_122 },
  )
})

test.each([
  ['top1', 0.77375, '77.38 %'],
  ['top1Difference', -0.03875, '-3.88 %'],
  ['perplexity', 1.6580047, '1.6580'],
  ['crossEntropy', 0.50561493, '0.50561'],
  ['sqnrDb', 38.24, '38.2 dB'],
  ['klDivergence', 0, '0'],
  ['klDivergence', 0.015861, '0.0159'],
  ['klDivergence', 0.00046858, '4.69e-4'],
])('%s of %d reads %s', (name, value, words) => expect(formatMetric(name, value)).toBe(words))

test('a table aligns numbers right and words left, and never ends a line in blanks', () => {
  const table = formatTable(
    ['layer', 'size', ''],
    [
      ['stem', '9 B', 'yes'],
      ['blocks.0', '1.00 kB', ''],
      ['fc', '–', 'no'],
    ],
  )
  expect(table.split('\n')).toEqual([
    'layer        size',
    '────────  ───────  ───',
    'stem          9 B  yes',
    'blocks.0  1.00 kB',
    'fc              –  no',
  ])
  expect(formatTable(['a', 'b'], []).split('\n')).toEqual(['a  b', '─  ─'])
})
