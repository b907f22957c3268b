import fc from 'fast-check'
import { expect, test } from 'vitest'
import { calibrate, couplingWeight, spearman } from '../../src-main/app/calibrate.ts'

const prior = Math.log(2) / 1.96

test('without points a prediction is the sum itself, with the prior’s interval', () => {
  const { predict, factor, spearman: rank, points } = calibrate([], prior)
  expect([factor, rank, points]).toEqual([1, null, 0])
  const { loss, low, high } = predict(0.1)
  expect(loss).toBeCloseTo(0.1, 12)
  expect([high / loss, loss / low]).toEqual([expect.closeTo(2, 6), expect.closeTo(2, 6)])
})

test('the sampling error of the losses widens the interval', () => {
  const { predict } = calibrate([], prior)
  expect(predict(0.1, 0.05).high).toBeGreaterThan(predict(0.1, 0.01).high)
})

test('points that all lie on a ratio are followed, and the interval shrinks towards their scatter', () => {
  const points = [0.001, 0.01, 0.1, 0.5].map((predicted) => ({ predicted, measured: predicted * 1.5 }))
  const { factor, predict, spearman: rank } = calibrate(points, prior)
  expect(factor).toBeGreaterThan(1.35)
  expect(factor).toBeLessThan(1.5)
  expect(rank).toBe(1)
  const near = predict(0.02)
  expect(near.loss / 0.02).toBeGreaterThan(1.35)
  expect(near.high / near.low).toBeLessThan(
    calibrate([], prior).predict(0.02).high / calibrate([], prior).predict(0.02).low,
  )
})

test('far from what was measured the interval is wider', () => {
  const points = [0.1, 0.12, 0.15].map((predicted) => ({ predicted, measured: predicted * 0.9 }))
  const { predict } = calibrate(points, prior)
  const width = (sum: number) => predict(sum).high / predict(sum).low
  expect(width(0.0001)).toBeGreaterThan(width(0.12))
})

test('the original costs nothing', () => {
  expect(calibrate([{ predicted: 0.1, measured: 0.2 }], prior).predict(0)).toEqual({ loss: 0, low: 0, high: 0 })
})

test('calibrated losses keep the order of the sums, and lie in their interval', () => {
  const loss = fc.double({ min: 1e-8, max: 10, noNaN: true })
  const points = fc.array(fc.record({ predicted: loss, measured: loss }), { maxLength: 12 })
  fc.assert(
    fc.property(points, loss, loss, (measured, a, b) => {
      const { predict } = calibrate(measured, prior)
      const [small, large] = [predict(Math.min(a, b)), predict(Math.max(a, b))]
      expect(small.loss).toBeLessThanOrEqual(large.loss * (1 + 1e-9))
      expect(small.low).toBeLessThanOrEqual(small.loss)
      expect(small.high).toBeGreaterThanOrEqual(small.loss)
    }),
    { seed: 20260921 },
  )
})

test('rank correlation: order, reversed order, ties, no order', () => {
  expect(spearman([1, 2, 3, 4], [10, 20, 30, 40])).toBe(1)
  expect(spearman([1, 2, 3, 4], [4, 3, 2, 1])).toBe(-1)
  expect(spearman([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(0.9487, 4)
  expect(spearman([1, 1, 1], [1, 2, 3])).toBeNull()
})

const seed = 4711

function mulberry(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

test(`held-out intervals cover about 95 %, for few points and many, for narrow scatter and wide (seed ${seed})`, () => {
  const random = mulberry(seed)
  const normal = () => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random())
  for (const scatter of [0.08, 0.25, 0.6])
    for (const count of [1, 4, 12, 30]) {
      const rounds = 400
      let covered = 0
      for (let round = 0; round < rounds; round++) {
        const [offset, slope] = [prior * normal(), 1 + 0.1 * normal()]
        const draw = () => {
          const predicted = Math.exp(-4 + 3 * random())
          // Tails heavier than a normal's: now and then a recipe is far off.
          const noise = scatter * normal() * (random() < 0.1 ? 2 : 1)
          return { predicted, measured: Math.exp(offset + slope * (Math.log(predicted) + 2.5) - 2.5 + noise) }
        }
        const { predict } = calibrate(Array.from({ length: count }, draw), prior)
        const next = draw()
        const { low, high } = predict(next.predicted)
        covered += low <= next.measured && next.measured <= high ? 1 : 0
      }
      const share = covered / rounds
      const told = `${count} points, scatter ${scatter}`
      // One point of a scatter far wider than the guess cannot tell how wide.
      expect(share, told).toBeGreaterThan(scatter > 0.5 && count < 4 ? 0.7 : 0.88)
      if (count === 30) expect(share, told).toBeGreaterThan(0.92)
    }
})

test(`pairwise terms are believed where measured variants bear them out, and only there (seed ${seed})`, () => {
  const random = mulberry(seed)
  const draw = (share: number) => {
    const predicted = Math.exp(-3 + 2 * random())
    const cross = predicted * (random() - 0.3)
    return { predicted, cross, measured: (predicted + share * cross) * (1 + 0.02 * random()) }
  }
  const many = (share: number, count = 16) => Array.from({ length: count }, () => draw(share))
  expect(couplingWeight(many(1), prior)).toBeGreaterThanOrEqual(0.75)
  expect(couplingWeight(many(0.5), prior)).toBe(0.5)
  expect(couplingWeight(many(0), prior)).toBe(0)
  expect(couplingWeight(many(1, 5), prior)).toBe(0)
})
