import { expect, test } from 'vitest'
import { enumerate } from '../../../src-main/engine/allocate/enumerate.ref.ts'
import { knapsack, prepareKnapsack } from '../../../src-main/engine/allocate/knapsack.ts'
import { uniform } from '../kernels/random.ts'
import { hardInstance, realisticInstance } from './instances.ts'
import { choices, largest, leastLoss, mostLoss, smallest, smallProblem } from './problems.ts'

const infeasible = (data: object) =>
  expect.objectContaining({ code: 'infeasible', data: expect.objectContaining(data) })

test('the fewest bytes under a loss equal brute force, and of equal bytes the least loss (seeds 1 to 400)', () => {
  for (let seed = 1; seed <= 400; seed++) {
    const next = uniform(seed)
    const { layers } = smallProblem(seed, { negative: seed % 3 === 0 })
    const maxLoss = leastLoss(layers) + next() * (mostLoss(layers) - leastLoss(layers))
    const best = enumerate({ layers, objective: 'bytes', maxLoss })
    const answer = prepareKnapsack(layers).fewestBytes(maxLoss)
    expect(answer, `seed ${seed}`).toMatchObject({ bytes: best?.objective, optimal: true, gap: 0 })
    expect(answer.loss, `seed ${seed}`).toBeLessThanOrEqual(maxLoss)
    const sharpest = enumerate({ layers, objective: 'loss', maxBytes: answer.bytes })
    expect(answer.loss, `seed ${seed}`).toBeCloseTo(sharpest?.objective ?? NaN, 12)
  }
})

test('both bounds at once, either objective, equal brute force or are refused with the nearest (seeds 1 to 400)', () => {
  let refused = 0
  for (let seed = 1; seed <= 400; seed++) {
    const next = uniform(seed)
    const { layers } = smallProblem(seed)
    const problem = {
      layers,
      objective: seed % 2 ? ('loss' as const) : ('bytes' as const),
      maxBytes: smallest(layers) + Math.floor(next() * (largest(layers) - smallest(layers))),
      maxLoss: leastLoss(layers) + 0.4 * next() * (mostLoss(layers) - leastLoss(layers)),
    }
    const best = enumerate(problem)
    if (best) {
      const answer = prepareKnapsack(layers).within(problem)
      expect(answer[problem.objective], `seed ${seed}`).toBeCloseTo(best.objective, 12)
      expect(answer.bytes <= problem.maxBytes && answer.loss <= problem.maxLoss, `seed ${seed}`).toBe(true)
      continue
    }
    refused++
    const { maxBytes, maxLoss } = problem
    const least = enumerate({ layers, objective: 'loss', maxBytes })?.objective
    const fewest = enumerate({ layers, objective: 'bytes', maxLoss })?.objective
    expect(() => prepareKnapsack(layers).within(problem), `seed ${seed}`).toThrow(
      infeasible({
        bounds: ['maxBytes', 'maxLoss'],
        nearest: {
          maxBytes: expect.objectContaining({ bytes: fewest }),
          maxLoss: expect.objectContaining({ loss: expect.closeTo(least ?? NaN, 12) }),
        },
      }),
    )
  }
  expect(refused).toBeGreaterThan(20)
})

test.each(['varied', 'repeated', 'small'] as const)(
  'what the budget allows in loss needs that budget: %s networks of 300 layers x 24 options (seed 5)',
  (kind) => {
    const prepared = prepareKnapsack(realisticInstance(kind, 300, 24, 5))
    const most = largest(prepared.layers)
    for (const share of [0.05, 0.2, 0.5]) {
      const maxBytes = Math.floor(prepared.smallestBytes + share * (most - prepared.smallestBytes))
      const forward = prepared.solve(maxBytes)
      const back = prepared.fewestBytes(forward.loss)
      expect(back.bytes).toBeLessThanOrEqual(forward.bytes)
      expect(back.loss).toBeLessThanOrEqual(forward.loss)
      expect(back.optimal).toBe(true)
      // One byte less cannot have that loss.
      expect(prepared.solve(back.bytes - 1).loss).toBeGreaterThan(forward.loss)
      expect(prepared.bytesBound(forward.loss)).toBeLessThanOrEqual(back.bytes)
      expect(prepared.lossBound(maxBytes)).toBeLessThanOrEqual(forward.loss * (1 + 1e-12))
    }
  },
)

test('an adversarial bound on the loss ends in bounded time with a gap that holds', () => {
  const prepared = prepareKnapsack(hardInstance(8, 5, 3))
  const maxLoss = (leastLoss(prepared.layers) + mostLoss(prepared.layers)) / 2
  const best = enumerate({ layers: prepared.layers, objective: 'bytes', maxLoss })?.objective ?? NaN
  for (const limit of [0, 5, 40, 1e6]) {
    const answer = prepared.fewestBytes(maxLoss, limit)
    expect(answer.loss).toBeLessThanOrEqual(maxLoss)
    expect(answer.bytes).toBeGreaterThanOrEqual(best)
    expect(answer.bytes - answer.gap).toBeLessThanOrEqual(best)
    expect(answer.optimal).toBe(answer.gap === 0)
  }
})

test('unattainable bounds are named with the nearest plan', async () => {
  const layers = [choices([[9, 1, 0.1], [4, 2, 0.3]]), choices([[7, 0.5, 0.2]])] // prettier-ignore
  const solve = (limits: object) =>
    Promise.resolve().then(() => knapsack.solve({ layers, objective: 'loss', ...limits }, {}))
  const rejects = async (limits: object, data: object) => await expect(solve(limits)).rejects.toThrow(infeasible(data))
  await rejects(
    { maxBytes: 10 },
    { bounds: ['maxBytes'], smallestBytes: 11, nearest: { maxBytes: { bytes: 11, loss: 2.5, seconds: 0.5 } } },
  )
  await rejects(
    { maxLoss: 1 },
    { bounds: ['maxLoss'], nearest: { maxLoss: { bytes: 16, loss: 1.5, seconds: expect.closeTo(0.3, 9) } } },
  )
  await rejects({ maxBytes: 15, maxLoss: 1.5 }, { bounds: ['maxBytes', 'maxLoss'] })
  await expect(solve({ maxBytes: 15, maxLoss: 1.5 })).rejects.toThrow(
    'No plan keeps to 15 bytes and a loss of 1.5 at once: with the other limits kept, the least possible is 16 bytes or a loss of 2.5.',
  )
  await expect(solve({ maxBytes: NaN })).rejects.toThrow(expect.objectContaining({ code: 'bad-arguments' }))
})

test('one layer, no layers, losses of zero and below', () => {
  expect(prepareKnapsack([]).fewestBytes(0)).toMatchObject({ bytes: 0, loss: 0, optimal: true })
  expect(prepareKnapsack([choices([[3, 0], [2, 0], [1, 0.5]])]).fewestBytes(0)).toMatchObject({ choice: Int32Array.of(1), bytes: 2 }) // prettier-ignore
  const noisy = prepareKnapsack([choices([[8, -0.02], [2, 0.03]]), choices([[8, 0], [2, 0.01]])]) // prettier-ignore
  expect(noisy.fewestBytes(0)).toMatchObject({ bytes: 10, loss: expect.closeTo(-0.01, 12) })
  expect(() => prepareKnapsack([choices([[3, NaN]])])).toThrow(
    'Layer 0 of the plan: option 0 has 3 bytes and loss NaN.',
  )
})
