import { expect, test } from 'vitest'
import { random } from '../../../src-main/engine/data/random.ts'
import { signalAndNoise, snrDistance } from '../../../src-main/engine/score/snr.ts'
import { signalAndNoiseReference } from '../../../src-main/engine/score/snr.ref.ts'
import { measure, samples } from './models.ts'

test('worked out by hand: one vector 1 2 3 6', () => {
  // mean |h| 3; median 2.5, |h - 2.5| = 1.5 .5 .5 3.5, MAD 1; mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5, factor e^1
  // beta 0: noise = 0.1 sqrt(3.5) 1 e sqrt(2 / pi)
  const { signal, noise } = signalAndNoise(Float32Array.of(1, 2, 3, 6), 4, { noise: 0.1, beta: 0 })
  expect(signal).toBe(3)
  expect(noise).toBeCloseTo(0.1 * Math.sqrt(3.5) * Math.E * Math.sqrt(2 / Math.PI), 5)
})

test('the expectation is what drawing noisy copies comes to', () => {
  const seed = 5
  const source = random(seed)
  const rows = Array.from({ length: 40 }, (_, row) =>
    Array.from({ length: 12 }, () => source.normal() * (1 + (row % 3))),
  )
  const settings = { noise: 0.1, beta: 0.3 }
  const drawn = signalAndNoiseReference(rows, { ...settings, draws: 2000 }, () => source.normal())
  const found = signalAndNoise(Float32Array.from(rows.flat()), 12, settings)
  expect(found.signal / drawn.signal).toBeCloseTo(1, 5)
  expect(found.noise / drawn.noise, `seed ${seed}`).toBeCloseTo(1, 2)
})

test('distance by hand: var(h - h) / var(h), averaged over vectors', () => {
  // (0 2) -> (0 3): changes 0 1, variance 1/4, of 1. (1 5) -> (1 5): 0. Means: 1/8
  expect(snrDistance(Float32Array.of(0, 2, 1, 5), Float32Array.of(0, 3, 1, 5), 2)).toBe(0.125)
  // a shift of all channels is no noise; twice the features are at distance 1
  expect(snrDistance(Float32Array.of(0, 2), Float32Array.of(5, 7), 2)).toBe(0)
  expect(snrDistance(Float32Array.of(0, 2), Float32Array.of(0, 4), 2)).toBe(1)
  expect(snrDistance(Float32Array.of(3, 3), Float32Array.of(3, 3), 2)).toBe(0)
  expect(snrDistance(Float32Array.of(3, 3), Float32Array.of(3, 4), 2)).toBeNaN()
})

test('zeros have no signal and no noise', () => {
  expect(signalAndNoise(new Float32Array(8), 4, { noise: 0.1, beta: 0.1 })).toEqual({ signal: 0, noise: 0 })
})

test.each(samples)('every block of $name', async (model) => {
  const { result, network } = await measure(model, 'snr', { vectors: 256 })
  expect(result.values.length).toBe(network.blocks.length)
  const values = result.values.map(({ value }) => value)
  for (const value of values) expect(Math.abs(value)).toBeLessThan(80)
  expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(0.1)
})
