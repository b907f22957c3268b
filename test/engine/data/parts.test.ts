import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkDisjoint, makePart, splitSamples } from '../../../src-main/engine/data/parts.ts'
import { random, shuffled } from '../../../src-main/engine/data/random.ts'
import { allBatches } from './fixtures.ts'

test('a split is disjoint, whole, and the same for the same seed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 400 }), fc.nat(1e6), fc.nat(1e6), (samples, seed, pick) => {
      const asked = { calibrate: 1 + (pick % (samples - 1)), seed }
      const { calibrate, evaluate } = splitSamples(samples, asked, false, 'f')
      expect(calibrate).toHaveLength(asked.calibrate)
      expect([...calibrate, ...evaluate].sort((a, b) => a - b)).toEqual(Array.from({ length: samples }, (_, i) => i))
      expect(splitSamples(samples, asked, false, 'f')).toEqual({ ...splitSamples(samples, asked, false, 'f') })
    }),
    { seed: 3 },
  )
  expect(splitSamples(500, { calibrate: 100, seed: 0 }, false, 'f').calibrate).not.toEqual(
    splitSamples(500, { calibrate: 100, seed: 1 }, false, 'f').calibrate,
  )
})

test('split none evaluates on all and says so', () => {
  const cut = splitSamples(10, { calibrate: 4, seed: 0 }, true, 'f')
  expect(cut.evaluate).toHaveLength(10)
  expect(cut.calibrate).toHaveLength(4)
  expect(cut.words).toContain('all 10 evaluate')
  expect(cut.notices[0]).toContain('includes the calibration samples')
})

test('a split that leaves nothing is refused', () => {
  expect(() => splitSamples(10, { calibrate: 10, seed: 0 }, false, 'data.yaml')).toThrow('data.yaml: 10 samples')
})

test('the first numbers of a seed never change: results of earlier versions stay comparable', () => {
  const source = random(42)
  expect([source.uniform(), source.uniform(), source.uniform()]).toMatchInlineSnapshot(`
    [
      0.03377833683043718,
      0.7557707352098078,
      0.9642042056657374,
    ]
  `)
  expect(shuffled(8, 0)).toMatchInlineSnapshot(`
    [
      2,
      7,
      1,
      4,
      6,
      5,
      0,
      3,
    ]
  `)
})

test('normal numbers have mean 0 and variance 1', () => {
  const source = random(1)
  const list = Array.from({ length: 20_000 }, () => source.normal())
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length
  const variance = list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length
  expect(Math.abs(mean)).toBeLessThan(0.03)
  expect(Math.abs(variance - 1)).toBeLessThan(0.05)
})

test('batches hold the first samples up to the limit, and parts that share one are refused', async () => {
  const part = (indices: number[]) =>
    makePart({
      indices,
      id: (sample) => `s${sample}`,
      fixedBatch: null,
      load: (samples) => ({ feeds: {}, size: samples.length, targets: Int32Array.from(samples) }),
    })
  const batches = await allBatches(part([5, 6, 7, 8, 9]), { batchSize: 2, limit: 3 })
  expect(batches.map((batch) => [...(batch.targets ?? [])])).toEqual([[5, 6], [7]])
  expect(() => checkDisjoint(part([1, 2]), part([3, 2]), 'data.yaml')).toThrow('sample s2 is in both parts')
  expect(() => checkDisjoint(part([1]), part([3]), 'data.yaml')).not.toThrow()
})
