import { expect, test } from 'vitest'
import {
  type Configuration,
  prepareConfigurations,
  solveConfigurations,
} from '../../../src-main/engine/allocate/configurations.ts'
import { enumerate } from '../../../src-main/engine/allocate/enumerate.ref.ts'
import { knapsack } from '../../../src-main/engine/allocate/knapsack.ts'
import { uniform } from '../kernels/random.ts'
import { realisticInstance } from './instances.ts'
import { choices, largest, smallProblem } from './problems.ts'

/** A chain that leaves out one more layer each time, for a loss that grows. */
function chain(seed: number, count: number, layers = smallProblem(seed).layers): Configuration[] {
  const next = uniform(seed + 1)
  return Array.from({ length: count }, (_, removed) => ({
    problem: { layers: layers.slice(removed) },
    loss: 0.4 * removed * removed * next(),
    baseBytes: 10 - removed,
  }))
}

test('the best of all networks equals brute force over each, either objective (seeds 1 to 200)', async () => {
  const picked = new Set<number>()
  for (let seed = 1; seed <= 200; seed++) {
    const all = chain(seed, 4)
    const next = uniform(seed + 2)
    const limits = {
      objective: seed % 2 ? ('loss' as const) : ('bytes' as const),
      maxBytes: 20 + Math.floor(next() * 120),
      maxLoss: 0.5 + 4 * next(),
    }
    const best = all.map(({ problem, loss, baseBytes }) => {
      const left = { ...limits, maxBytes: limits.maxBytes - baseBytes, maxLoss: limits.maxLoss - loss }
      const found = enumerate({ ...problem, ...left })?.objective
      return found === undefined ? Infinity : found + (limits.objective === 'loss' ? loss : baseBytes)
    })
    const least = Math.min(...best)
    const prepared = prepareConfigurations(all)
    if (least === Infinity) {
      expect(() => prepared.solve(limits)).toThrow(expect.objectContaining({ code: 'infeasible' }))
      continue
    }
    for (const answer of [prepared.solve(limits), await solveConfigurations(all, limits, knapsack, {})]) {
      expect(answer.allocation[limits.objective], `seed ${seed}`).toBeCloseTo(least, 10)
      expect(answer.allocation.optimal).toBe(true)
      expect(answer.allocation.bytes <= limits.maxBytes && answer.allocation.loss <= limits.maxLoss).toBe(true)
      expect(answer.allocation.choice.length).toBe(all[answer.index]?.problem.layers.length)
      picked.add(answer.index)
    }
  }
  expect(picked.size).toBeGreaterThan(2) // the choice is a real one
})

test('few networks are solved: bounds rule the others out', () => {
  const layers = realisticInstance('varied', 200, 24, 3)
  const all = Array.from({ length: 8 }, (_, removed) => ({
    problem: { layers: layers.slice(0, 200 - 12 * removed) },
    loss: 2e-4 * removed ** 2,
    baseBytes: 1000,
  }))
  const prepared = prepareConfigurations(all)
  let solved = 0
  const picked = new Set<number>()
  for (let step = 1; step <= 10; step++) {
    const answer = prepared.solve({ objective: 'loss', maxBytes: Math.floor(largest(layers) * (0.12 + 0.05 * step)) })
    const each = all.map(({ problem, loss, baseBytes }, index) => {
      const maxBytes = Math.floor(largest(layers) * (0.12 + 0.05 * step)) - baseBytes
      const knapsackOf = prepared.knapsacks[index]
      return knapsackOf && knapsackOf.smallestBytes <= maxBytes && problem
        ? knapsackOf.solve(maxBytes).loss + loss
        : Infinity
    })
    expect(answer.allocation.loss).toBeCloseTo(Math.min(...each), 12)
    solved += answer.solved
    picked.add(answer.index)
  }
  expect(solved).toBeLessThan(25) // of 80
  expect(picked.size).toBeGreaterThan(1)
})

test('the envelope holds what no curve beats', () => {
  const all = chain(5, 3, realisticInstance('small', 12, 6, 4)).map((configuration, i) => ({
    ...configuration,
    loss: i * 1e-6,
  }))
  const prepared = prepareConfigurations(all)
  const envelope = prepared.envelope()
  const every = all.flatMap(({ loss, baseBytes }, index) => {
    const curve = prepared.knapsacks[index]?.curve()
    return Array.from(curve?.bytes ?? [], (bytes, step) => ({
      bytes: bytes + baseBytes,
      loss: (curve?.loss[step] ?? 0) + loss,
      index,
      step,
    }))
  })
  const beaten = (p: (typeof every)[number]) =>
    every.some((o) => o.bytes <= p.bytes && o.loss <= p.loss && (o.bytes < p.bytes || o.loss < p.loss))
  expect(envelope.map(({ index, step }) => `${index} ${step}`).toSorted()).toEqual(
    every
      .filter((point) => !beaten(point))
      .map(({ index, step }) => `${index} ${step}`)
      .toSorted(),
  )
  envelope.slice(1).forEach((point, i) => expect(point.bytes).toBeGreaterThan(envelope[i]?.bytes ?? NaN))
})

test('no network that fits: the nearest of all is named', () => {
  const layers = [choices([[9, 1], [4, 2]]), choices([[7, 0.5]])] // prettier-ignore
  const all = [{ problem: { layers }, loss: 0, baseBytes: 5 }, { problem: { layers: layers.slice(1) }, loss: 3, baseBytes: 4 }] // prettier-ignore
  expect(() => prepareConfigurations(all).solve({ objective: 'loss', maxBytes: 10 })).toThrow(
    expect.objectContaining({
      code: 'infeasible',
      data: expect.objectContaining({
        smallestBytes: 11,
        nearest: { maxBytes: { bytes: 11, loss: 3.5, seconds: null } },
      }),
    }),
  )
  expect(prepareConfigurations(all).solve({ objective: 'loss', maxBytes: 11 })).toMatchObject({
    index: 1,
    allocation: { bytes: 11, loss: 3.5 },
  })
})
