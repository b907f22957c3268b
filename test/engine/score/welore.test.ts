import { expect, test } from 'vitest'
import { singularValues } from '../../../src-main/engine/kernels/linear/eigen.ts'
import { normalised, ranksFor, shapeOf } from '../../../src-main/engine/score/spectrum/shape.ts'
import { measure, samples } from './models.ts'

test('worked out by hand: values 3, 1 have the effective rank exp(H(3/4, 1/4)) = 1.7548, stable rank 10/9', () => {
  // H = -(0.75 ln 0.75 + 0.25 ln 0.25) = 0.21576 + 0.34657 = 0.56234 nats
  const { effectiveRank, stableRank, energy } = shapeOf(Float64Array.of(3, 1))
  expect(effectiveRank).toBeCloseTo(Math.exp(0.5623351), 6)
  expect(stableRank).toBeCloseTo(10 / 9, 12)
  expect(energy).toEqual({ tenth: 0.9, quarter: 0.9, half: 0.9 })
})

test('one threshold for all: the matrix with the heavy tail gives up more of its rank', () => {
  // normalised: 1, 2/3, 1/3, 0 and 1, 0.1, 0.05, 0; sorted 0 0 .05 .1 1/3 2/3 1 1; half of 8 cut: from 1/3 on
  const [flat, heavy] = [Float64Array.of(4, 3, 2, 1), Float64Array.of(20, 2, 1, 0)]
  expect([...normalised(heavy)]).toEqual([1, 0.1, 0.05, 0])
  const { threshold, ranks } = ranksFor([flat, heavy], 0.5)
  expect(threshold).toBeCloseTo(1 / 3, 12)
  expect(ranks).toEqual([3, 1])
  expect(ranksFor([flat, heavy], 0).ranks).toEqual([4, 4])
})

test('equal values have no tail, zeros keep rank 1', () => {
  expect(ranksFor([Float64Array.of(2, 2, 2), Float64Array.of(0, 0, 0)], 0.5).ranks).toEqual([3, 1])
  expect(shapeOf(Float64Array.of(0, 0))).toMatchObject({ effectiveRank: 0, stableRank: 0 })
  expect(shapeOf(Float64Array.of(5, 5, 5)).effectiveRank).toBeCloseTo(3, 12)
})

test.each(samples)('ranks of $name add up to the wanted share', async (model) => {
  const { result, network } = await measure(model, 'welore', { ratio: 0.4 })
  const total = (part: string) => result.values.reduce((sum, { parts }) => sum + (parts?.[part] ?? NaN), 0)
  expect(Math.abs(total('rank') / total('full rank') - 0.6)).toBeLessThan(0.02)
  expect(result.samples).toBe(0)
  const shares = result.values.map(({ value }) => value)
  expect(Math.max(...shares) - Math.min(...shares)).toBeGreaterThan(0.05)
  const names = new Set(network.layers.map(({ name }) => name))
  for (const { key, parts } of result.values) {
    expect(names.has(key)).toBe(true)
    expect(parts?.['effective rank']).toBeLessThanOrEqual((parts?.['full rank'] ?? 0) + 1e-9)
    expect(parts?.['energy of a half']).toBeGreaterThanOrEqual(0.5)
  }
  expect(result.notes?.[0]).toMatch(/low-rank components/)
})

test('the squares of the singular values add up to those of the weights', async () => {
  const w = Float32Array.from({ length: 24 }, (_, i) => Math.cos(i * i))
  const values = await singularValues(w, 4, 6)
  const total = (x: Iterable<number>) => [...x].reduce((sum, value) => sum + value * value, 0)
  expect(total(values)).toBeCloseTo(total(w), 4)
})
