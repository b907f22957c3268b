import { expect, test } from 'vitest'
import { random } from '../../../src-main/engine/data/random.ts'
import { meanWithInterval, through, within } from '../../../src-main/engine/evaluate/interval.ts'

test('one row a cluster: the usual interval of a mean', () => {
  const { value, low, high } = meanWithInterval([1, 2, 3, 4], [0, 1, 2, 3])
  const error = (1.959964 * Math.sqrt(5 / 3)) / 2 // standard deviation / sqrt(n)
  expect(value).toBe(2.5)
  expect(low).toBeCloseTo(2.5 - error, 12)
  expect(high).toBeCloseTo(2.5 + error, 12)
})

test('rows that say the same together count once: repeating them changes nothing but the number of clusters', () => {
  const once = meanWithInterval([1, 5, 3], [0, 1, 2])
  const repeated = meanWithInterval([1, 1, 5, 5, 3, 3], [0, 0, 1, 1, 2, 2])
  expect(repeated.low).toBeCloseTo(once.low ?? Number.NaN, 12)
})

test('the interval holds the truth about 95 times in 100, clusters and all', () => {
  const source = random(9)
  let held = 0
  for (let trial = 0; trial < 400; trial++) {
    const [values, clusters]: [number[], number[]] = [[], []]
    for (let cluster = 0; cluster < 60; cluster++) {
      const common = source.normal()
      for (let row = 0; row < 3 + (cluster % 5); row++) {
        values.push(common + source.normal())
        clusters.push(cluster)
      }
    }
    const { low, high } = meanWithInterval(values, clusters)
    if ((low ?? 1) <= 0 && (high ?? -1) >= 0) held++
  }
  expect(held / 400).toBeGreaterThan(0.91)
  expect(held / 400).toBeLessThan(0.985)
})

test('a single cluster has no interval; functions and limits apply to the ends', () => {
  expect(meanWithInterval([1, 2], [7, 7])).toEqual({ value: 1.5, low: null, high: null })
  expect(through({ value: 0, low: -1, high: null }, Math.exp)).toEqual({ value: 1, low: Math.exp(-1), high: null })
  expect(within({ value: 0.99, low: -0.1, high: 1.2 }, 0, 1)).toEqual({ value: 0.99, low: 0, high: 1 })
})
