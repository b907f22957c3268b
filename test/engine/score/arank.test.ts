import { expect, test } from 'vitest'
import { arank, numericRank } from '../../../src-main/engine/score/heads/arank.ts'
import { cnns, measure, openModel, withAttention } from './models.ts'

test('worked out by hand: every token looks at the first one, rank 1; at itself, full rank; two alike, one less', async () => {
  expect(await numericRank(Float32Array.of(1, 0, 0, 1, 0, 0, 1, 0, 0), 3, 3, 0.01)).toBe(1)
  expect(await numericRank(Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1), 3, 3, 0.01)).toBe(3)
  expect(await numericRank(Float32Array.of(1, 0, 0, 0.5, 0.5, 0, 0.5, 0.5, 0), 3, 3, 0.01)).toBe(2)
  // singular values 1 and 0.05: counted or not by the tolerance
  expect(await numericRank(Float32Array.of(1, 0, 0, 0.05), 2, 2, 0.01)).toBe(2)
  expect(await numericRank(Float32Array.of(1, 0, 0, 0.05), 2, 2, 0.1)).toBe(1)
  expect(await numericRank(new Float32Array(6), 2, 3, 0.01)).toBe(0)
})

/** Probabilities by hand through the score's own door: [samples, heads, 2, 2], two heads, ranks 1 and 2. */
test('heads are told apart and samples averaged', async () => {
  const network = openModel(withAttention[0] as never)
  const parameters = arank.params.parse({ tolerance: 0.01, maps: 4, tokens: 8 })
  const run = arank.start(network, parameters)
  const [uniform, own] = [[0.5, 0.5, 0.5, 0.5], [1, 0, 0, 1]] // prettier-ignore
  const data = Float32Array.from([...uniform, ...own, ...own, ...own])
  const values = Object.fromEntries(
    arank.values(network, parameters).map((name) => [name, { dtype: 'float32' as const, dims: [2, 2, 2, 2], data }]),
  )
  run.see(values, { feeds: {}, size: 2, targets: null })
  const context = { progress: () => undefined, notify: () => undefined }
  const found = await run.finish({ network, dataset: null, samples: 2, device: 'cpu', seed: 0, context })
  expect(found.values[0]).toEqual({
    key: '0',
    value: 1.75,
    parts: { 'share of full rank': 0.875, 'head 0': 1.5, 'head 1': 2 },
  })
})

test.each(withAttention)('every block of $name', async (model) => {
  const { result, network } = await measure(model, 'arank', { maps: 2, tokens: 64 })
  expect(result.per).toBe('block')
  expect(result.values.map(({ key }) => key)).toEqual(network.blocks.map(({ index }) => `${index}`))
  for (const { value, parts } of result.values) {
    expect(value).toBeGreaterThan(1)
    expect(value).toBeLessThanOrEqual(64)
    const heads = Object.entries(parts ?? {}).flatMap(([name, rank]) => (name.startsWith('head') ? [rank] : []))
    expect(heads.length).toBe(model.kind === 'vit' ? 3 : model.name === 'language' ? 4 : 8)
    expect(heads.reduce((sum, rank) => sum + rank, 0) / heads.length).toBeCloseTo(value, 9)
  }
})

test.each(cnns)('$name has no attention, and is told so', (model) => {
  const network = openModel(model)
  expect(() => arank.values(network, arank.params.parse({}))).toThrow(/has no attention/)
})
