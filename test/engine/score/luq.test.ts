import { expect, test } from 'vitest'
import { random } from '../../../src-main/engine/data/random.ts'
import { clusterEntropy, entropyOf, luq } from '../../../src-main/engine/score/luq.ts'
import { measure, samples } from './models.ts'

test('worked out by hand: shares 1/2, 1/4, 1/4 have 1.5 bits', () => {
  expect(entropyOf([2, 1, 1])).toBe(1.5)
  expect(entropyOf([4, 0])).toBe(0)
  expect(entropyOf([])).toBe(0)
  // Eight vectors at three places: 4, 2, 2
  const places = [[0, 0], [0, 0], [0, 0], [0, 0], [9, 0], [9, 0], [0, 9], [0, 9]] // prettier-ignore
  expect(clusterEntropy(Float32Array.from(places.flat()), 2, 3)).toBe(1.5)
})

test('constant activations have no entropy, spread ones nearly the most', () => {
  const source = random(3)
  expect(clusterEntropy(new Float32Array(512).fill(2), 4, 16)).toBe(0)
  const spread = Float32Array.from({ length: 4000 }, () => source.normal())
  expect(clusterEntropy(spread, 2, 16)).toBeGreaterThan(3.4)
})

test.each(samples)('every block of $name', async (model) => {
  const { result, network } = await measure(model, 'luq', { clusters: 32 })
  expect(result.values.length).toBe(network.blocks.length)
  for (const { value } of result.values) {
    expect(value).toBeGreaterThan(0.5)
    expect(value).toBeLessThanOrEqual(5)
  }
})

test('not finite activations are named by block', async () => {
  const { network } = await measure(samples[0], 'zd', {})
  const run = luq.start(network, luq.params.parse({}))
  const values = Object.fromEntries(
    luq
      .values(network, luq.params.parse({}))
      .map((name) => [name, { dtype: 'float32' as const, dims: [1, 70, 2], data: new Float32Array(140).fill(NaN) }]),
  )
  run.see(values, { feeds: {}, size: 1, targets: null })
  const context = { progress: () => undefined, notify: () => undefined }
  const bench = { network, dataset: null, samples: 1, device: 'cpu' as const, seed: 0, context }
  expect(() => run.finish(bench)).toThrow('the activations of 0 have NaN')
})
