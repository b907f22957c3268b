import fc from 'fast-check'
import { expect, test } from 'vitest'
import { random } from '../../../src-main/engine/data/random.ts'
import { channelsReference } from '../../../src-main/engine/score/iscs.ref.ts'
import { channelStatistics, importanceOf } from '../../../src-main/engine/score/iscs.ts'
import { measure, samples } from './models.ts'

const even = { variance: 1, bias: 1, correlation: 1 }

test('worked out by hand: three channels of two weights', async () => {
  // (1 -1) (2 -2) (3 3): variances 1, 4, 0; the first two are perfectly correlated, the third is constant
  // correlations: (1 + 0) / 2, (1 + 0) / 2, 0; biases 2, 0, 1
  const found = await channelStatistics(Float32Array.of(1, -1, 2, -2, 3, 3), 3, 2, Float32Array.of(-2, 0, 1))
  expect([...found.variance]).toEqual([1, 4, 0])
  expect([...found.bias]).toEqual([2, 0, 1])
  for (const [i, c] of [0.5, 0.5, 0].entries()) expect(found.correlation[i]).toBeCloseTo(c, 6)
  // over their largest: variance 1/4 1 0, bias 1 0 1/2, 1 - correlation 0 0 1
  const importance = importanceOf(found, even)
  for (const [i, value] of [5 / 12, 1 / 3, 1 / 2].entries()) expect(importance[i]).toBeCloseTo(value, 6)
  expect([...importanceOf(found, { variance: 1, bias: 0, correlation: 0 })]).toEqual([0.25, 1, 0])
})

test('equals the formulas, over several panels too', async () => {
  const seed = 11
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 9 }),
      fc.integer({ min: 2, max: 12 }),
      fc.nat(),
      async (n, cols, draw) => {
        const source = random(draw)
        const rows = Array.from({ length: n }, () => Array.from({ length: cols }, () => Math.fround(source.normal())))
        const found = await channelStatistics(Float32Array.from(rows.flat()), n, cols, null)
        channelsReference(rows).forEach(({ variance, correlation }, i) => {
          expect(found.variance[i]).toBeCloseTo(variance, 6)
          expect(found.correlation[i]).toBeCloseTo(correlation, 4)
        })
      },
    ),
    { seed, numRuns: 40 },
  )
  const source = random(2)
  const many = Float32Array.from({ length: 700 * 6 }, () => source.normal())
  const found = await channelStatistics(many, 700, 6, null)
  const rows = Array.from({ length: 700 }, (_, r) => [...many.subarray(r * 6, r * 6 + 6)])
  const own = rows[699] ?? []
  const pairs = rows.slice(0, 699).map((row) => channelsReference([own, row])[0]?.correlation ?? NaN)
  expect(found.correlation[699]).toBeCloseTo(pairs.reduce((sum, value) => sum + value, 0) / 699, 4)
})

test('zeros, one channel', async () => {
  const zeros = await channelStatistics(new Float32Array(6), 3, 2, null)
  expect([...importanceOf(zeros, { variance: 1, bias: 1, correlation: 0 })]).toEqual([0, 0, 0])
  expect([...(await channelStatistics(Float32Array.of(1, 2), 1, 2, null)).correlation]).toEqual([0])
})

test.each(samples)('channels of $name, by layer, bounded', async (model) => {
  const { result, network } = await measure(model, 'iscs', {})
  expect(result.values.length).toBeLessThanOrEqual(16384 + 64)
  const layers = Map.groupBy(result.values, ({ key }) => key.slice(0, key.lastIndexOf('/')))
  for (const [name, own] of layers) {
    const layer = network.layers.find((one) => one.name === name)
    expect(layer?.compressible, name).toBe(true)
    if (own.length === layer?.rows)
      expect(own.map(({ parts }) => parts?.order).sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(own.map((_, i) => i))
    for (const { value } of own) expect(value >= 0 && value <= 1).toBe(true)
  }
  const biases = result.values.filter(({ parts }) => (parts?.['|bias|'] ?? 0) > 0)
  if (model.kind === 'cnn') expect(biases.length).toBeGreaterThan(result.values.length / 2)
})

test('weights of 0 for everything are refused', async () => {
  await expect(measure(samples[0], 'iscs', { variance: 0, bias: 0, correlation: 0 })).rejects.toThrow(/above 0/)
})
