import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addMoments, countAbove, noMoments, thresholdOf } from '../../../src-main/engine/score/outliers.ts'
import { zdReference } from '../../../src-main/engine/score/zd.ref.ts'

const share = (parts: readonly number[][]): number => {
  const weights = parts.map((part) => Float32Array.from(part))
  const threshold = thresholdOf(weights.reduce(addMoments, noMoments()), 1)
  const total = weights.reduce((sum, part) => sum + part.length, 0)
  return weights.reduce((sum, part) => sum + countAbove(part, threshold), 0) / total
}

test('worked out by hand: mean 2, deviation 2, one of five weights above 4', () => {
  // 0 1 1 2 6: mean 2, variance (4 + 1 + 1 + 0 + 16) / 5 = 4.4, threshold 2 + 2.0976
  expect(
    share([
      [0, 1, 1],
      [2, 6],
    ]),
  ).toBe(0.2)
})

test('weights that are all equal stand out nowhere', () => {
  expect(share([[3, 3, 3, 3]])).toBe(0)
})

test('equals the reference, however the weights are cut into parts', () => {
  const seed = 71
  const weights = fc.array(
    fc.integer({ min: -512, max: 512 }).map((x) => x / 64),
    { minLength: 2, maxLength: 200 },
  )
  fc.assert(
    fc.property(weights, fc.nat(), (all, cut) => {
      const at = cut % all.length
      const mean = all.reduce((sum, w) => sum + w, 0) / all.length
      const edge = mean + Math.sqrt(all.reduce((sum, w) => sum + (w - mean) ** 2, 0) / all.length)
      fc.pre(all.every((w) => Math.abs(w - edge) > 1e-9)) // rounding decides about weights on the edge itself
      expect(share([all.slice(0, at), all.slice(at)])).toBe(zdReference(all))
    }),
    { seed },
  )
})
