import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Choices } from '../../../src-main/engine/allocate/define.ts'
import { curve, solve } from '../../../src-main/engine/allocate/knapsack.ts'
import { solveReference } from '../../../src-main/engine/allocate/knapsack.ref.ts'
import { hardInstance, realisticInstance } from './instances.ts'
import { greedyLoss, uniformLoss } from './baselines.ts'
import { uniform } from '../kernels/random.ts'

const choices = (options: [bytes: number, loss: number][]): Choices => ({
  bytes: Float64Array.from(options, ([bytes]) => bytes),
  loss: Float64Array.from(options, ([, loss]) => loss),
})
const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0)
const smallest = (layers: Choices[]) => sum(layers.map(({ bytes }) => Math.min(...bytes)))
const largest = (layers: Choices[]) => sum(layers.map(({ bytes }) => Math.max(...bytes)))

/** The answer adds up, and is as good as the claimed proof. */
function expectConsistent(layers: Choices[], budget: number) {
  const answer = solve(layers, budget)
  const bytes = sum(layers.map((layer, i) => layer.bytes[answer.choice[i] ?? -1] ?? NaN))
  const loss = sum(layers.map((layer, i) => layer.loss[answer.choice[i] ?? -1] ?? NaN))
  expect(answer.bytes).toBe(bytes)
  expect(answer.loss).toBe(loss)
  expect(bytes).toBeLessThanOrEqual(budget)
  return answer
}

test('equals brute force on 1,000 random small cases', () => {
  const option = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 40 }))
  const cases = fc.record({
    layers: fc.array(fc.array(option, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 }),
    share: fc.double({ min: 0, max: 1.1, noNaN: true }),
    real: fc.boolean(), // whole losses make ties; others are spoiled by an irrational factor
  })
  fc.assert(
    fc.property(cases, ({ layers, share, real }) => {
      const problem = layers.map((options) => choices(options.map(([b, l]) => [b, real ? Math.sqrt(2 * l + b) : l])))
      const budget = Math.floor(smallest(problem) + share * (largest(problem) - smallest(problem)))
      const answer = expectConsistent(problem, budget)
      expect(answer.optimal).toBe(true)
      expect(answer.gap).toBe(0)
      const best = solveReference(problem, budget)
      expect(Math.abs(answer.loss - best)).toBeLessThanOrEqual(1e-12 * Math.abs(best))
    }),
    { seed: 1000, numRuns: 1000 },
  )
})

test.each([
  ['varied', 500],
  ['repeated', 500],
  ['small', 2000],
] as const)('proves its answer on %s networks of %i layers at many budgets, within the linear bound', (kind, count) => {
  const layers = realisticInstance(kind, count, 16, 77)
  const [least, most] = [smallest(layers), largest(layers)]
  const front = curve(layers)
  const losses = Array.from({ length: 15 }, (_, k) => {
    const budget = Math.floor(least + (most - least) * ((k + 1) / 16) ** 2)
    const answer = expectConsistent(layers, budget)
    expect(answer.optimal).toBe(true)
    const after = front.bytes.findIndex((bytes) => bytes > budget)
    if (after > 0) {
      // Between the hull's line (a lower bound) and its last point that fits (a choice).
      const [b0 = 0, b1 = 0, l0 = 0, l1 = 0] = [after - 1, after]
        .flatMap((i) => [front.bytes[i]])
        .concat([after - 1, after].map((i) => front.loss[i]))
      const line = l0 + ((l1 - l0) * (budget - b0)) / (b1 - b0)
      expect(answer.loss).toBeGreaterThanOrEqual(line - 1e-9 * Math.abs(l0))
      expect(answer.loss).toBeLessThanOrEqual(l0 * (1 + 1e-9))
    }
    return answer.loss
  })
  losses.slice(1).forEach((loss, i) => expect(loss).toBeLessThanOrEqual(losses[i] ?? NaN)) // more bytes, no more loss
})

test('an adversarial instance ends in bounded time with a gap that holds', () => {
  const layers = hardInstance(60, 16, 5)
  for (const share of [0.3, 0.5, 0.7]) {
    const budget = Math.floor(smallest(layers) + share * (largest(layers) - smallest(layers)))
    const answer = expectConsistent(layers, budget)
    expect(answer.gap).toBeGreaterThanOrEqual(0)
    expect(answer.optimal).toBe(answer.gap === 0)
    expect(answer.gap).toBeLessThan(answer.loss * 1e-3)
  }
})

test('the gap of a stopped search bounds the true optimum', () => {
  const next = uniform(3)
  for (let trial = 0; trial < 20; trial++) {
    const layers = hardInstance(7, 5, trial)
    const budget = Math.floor(smallest(layers) + next() * (largest(layers) - smallest(layers)))
    const best = solveReference(layers, budget)
    for (const limit of [0, 5, 40]) {
      const answer = solve(layers, budget, limit)
      expect(answer.loss - answer.gap).toBeLessThanOrEqual(best + 1e-9 * Math.abs(best))
      expect(answer.loss).toBeGreaterThanOrEqual(best - 1e-9 * Math.abs(best))
    }
  }
})

test('locked layers keep their option and cost what they cost', () => {
  const layers = realisticInstance('varied', 40, 8, 1)
  const budget = Math.floor((smallest(layers) + largest(layers)) / 3)
  const free = solve(layers, budget)
  const locked = layers.map((layer, i) => (i % 5 ? layer : choices([[layer.bytes[3] ?? 0, layer.loss[3] ?? 0]])))
  const answer = expectConsistent(locked, budget)
  expect([...answer.choice].filter((_, i) => i % 5 === 0).every((choice) => choice === 0)).toBe(true)
  expect(answer.loss).toBeGreaterThanOrEqual(free.loss)
})

test('a budget for everything takes the least loss everywhere, and of equal losses the fewest bytes', () => {
  const layers = [choices([[9, 1], [4, 1], [2, 5]]), choices([[7, 0], [1, 3]])] // prettier-ignore
  expect(solve(layers, 1e9)).toMatchObject({ choice: Int32Array.of(1, 0), bytes: 11, loss: 1, optimal: true, gap: 0 })
  expect(solve([], 0)).toMatchObject({ choice: new Int32Array(0), bytes: 0, loss: 0, optimal: true, gap: 0 })
})

test('a budget below the smallest plan is refused with the smallest', () => {
  const layers = realisticInstance('small', 10, 4, 2)
  const least = smallest(layers)
  expect(solve(layers, least).bytes).toBe(least)
  expect(() => solve(layers, least - 1)).toThrow(
    expect.objectContaining({ code: 'infeasible', data: expect.objectContaining({ smallestBytes: least }) }),
  )
  expect(() => solve([choices([[3, NaN]])], 5)).toThrow(expect.objectContaining({ code: 'bad-arguments' }))
  expect(() => solve([choices([])], 5)).toThrow(expect.objectContaining({ code: 'bad-arguments' }))
})

test('the curve is convex, and its steps name the choice at each point', () => {
  const layers = realisticInstance('varied', 60, 16, 9)
  const { bytes, loss, layer, option } = curve(layers)
  expect(bytes[0]).toBe(smallest(layers))
  const slopes = Array.from(
    layer,
    (_, k) => ((loss[k] ?? 0) - (loss[k + 1] ?? 0)) / ((bytes[k + 1] ?? 0) - (bytes[k] ?? 0)),
  )
  slopes.slice(1).forEach((slope, k) => expect(slope).toBeLessThanOrEqual((slopes[k] ?? 0) * (1 + 1e-6)))
  const choice = layers.map(({ bytes: sizes }) => sizes.indexOf(Math.min(...sizes)))
  layer.forEach((changed, k) => {
    choice[changed] = option[k] ?? -1
    if (k % 50) return
    expect(bytes[k + 1]).toBe(sum(layers.map((l, i) => l.bytes[choice[i] ?? -1] ?? NaN)))
    expect(loss[k + 1]).toBeCloseTo(sum(layers.map((l, i) => l.loss[choice[i] ?? -1] ?? NaN)), 9)
  })
  expect(loss.at(-1)).toBeCloseTo(sum(layers.map((l) => Math.min(...l.loss))), 9)
})

test('never above the greedy and the uniform choice, and below them where it matters (seed 21)', () => {
  for (const kind of ['varied', 'repeated', 'small'] as const) {
    const layers = realisticInstance(kind, 60, 12, 21)
    const [least, most] = [smallest(layers), largest(layers)]
    let [greedy, uniform] = [0, 0] // mean of log ratios
    for (let k = 1; k <= 8; k++) {
      const budget = Math.floor(least + (most - least) * (k / 9) ** 2)
      const exact = solve(layers, budget).loss
      expect(exact).toBeLessThanOrEqual(greedyLoss(layers, budget) * (1 + 1e-12))
      expect(exact).toBeLessThanOrEqual(uniformLoss(layers, budget) * (1 + 1e-12))
      greedy += Math.log(greedyLoss(layers, budget) / exact) / 8
      uniform += Math.log(uniformLoss(layers, budget) / exact) / 8
    }
    expect(Math.exp(uniform), kind).toBeGreaterThan(1.3)
    expect(greedy, kind).toBeGreaterThan(0)
  }
})
