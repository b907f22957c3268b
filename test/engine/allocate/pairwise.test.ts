import { expect, test } from 'vitest'
import type { Pair } from '../../../src-main/engine/allocate/define.ts'
import { enumerate } from '../../../src-main/engine/allocate/enumerate.ref.ts'
import { integerProgram } from '../../../src-main/engine/allocate/integer-program.ts'
import { prepareKnapsack } from '../../../src-main/engine/allocate/knapsack.ts'
import { totalsOf, within } from '../../../src-main/engine/allocate/limits.ts'
import { pairwise, preparePairwise } from '../../../src-main/engine/allocate/pairwise.ts'
import { uniform } from '../kernels/random.ts'
import { realisticInstance } from './instances.ts'
import { choices, largest, leastLoss, mostLoss, smallest, smallProblem } from './problems.ts'

/** All pairs within blocks of `size` layers, some that add up and some that cancel. */
function blockPairs(layers: number, size: number, seed: number): Pair[] {
  const next = uniform(seed)
  const pairs: Pair[] = []
  for (let a = 0; a < layers; a++)
    for (let b = a + 1; b < layers && Math.floor(b / size) === Math.floor(a / size); b++)
      pairs.push({ a, b, rho: 0.8 * next() - 0.25 })
  return pairs
}

test('small blocks: proven, and equal to brute force, either objective (seeds 1 to 200)', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const next = uniform(seed)
    const problem = {
      ...smallProblem(seed, { pairs: 4, negative: seed % 3 === 0 }),
      objective: seed % 2 ? ('loss' as const) : ('bytes' as const),
    }
    const { layers } = problem
    const limits =
      problem.objective === 'loss'
        ? { maxBytes: Math.floor(smallest(layers) + next() * (largest(layers) - smallest(layers))) }
        : { maxLoss: leastLoss(layers) + (0.3 + next()) * (mostLoss(layers) - leastLoss(layers)) }
    const best = enumerate({ ...problem, ...limits })
    if (best === null) continue
    const answer = preparePairwise(layers, problem.pairs).within({ ...problem, ...limits })
    expect(answer[problem.objective], `seed ${seed}`).toBeCloseTo(best.objective, 10)
    expect(answer.optimal, `seed ${seed}`).toBe(true)
    expect(within(answer, { ...problem, ...limits }), `seed ${seed}`).toBe(true)
    // The loss that it found as the bound: the same answer, whatever order it is added up in.
    const again = preparePairwise(layers, problem.pairs).within({ objective: 'bytes', maxLoss: answer.loss })
    expect(again.bytes <= answer.bytes && again.loss <= answer.loss, `seed ${seed}`).toBe(true)
  }
})

test('blocks too large to enumerate: optimal in most cases, never above the additive answer, gap holds (seeds 1 to 150)', () => {
  let [optimal, worst, cases] = [0, 0, 0]
  for (let seed = 1; seed <= 150; seed++) {
    const next = uniform(seed)
    const { layers, pairs } = smallProblem(seed, { layers: 6, pairs: 8 })
    const maxBytes = Math.floor(smallest(layers) + (0.1 + 0.7 * next()) * (largest(layers) - smallest(layers)))
    const best = enumerate({ layers, pairs, objective: 'loss', maxBytes })?.objective ?? NaN
    const answer = preparePairwise(layers, pairs, 1).within({ objective: 'loss', maxBytes })
    const additive = totalsOf({ layers, pairs }, prepareKnapsack(layers).solve(maxBytes).choice).loss
    expect(answer.loss, `seed ${seed}`).toBeLessThanOrEqual(additive)
    expect(answer.loss - answer.gap, `seed ${seed}`).toBeLessThanOrEqual(best + 1e-9)
    expect(answer.loss, `seed ${seed}`).toBeGreaterThanOrEqual(best - 1e-9)
    cases++
    if (answer.loss <= best + 1e-9) optimal++
    worst = Math.max(worst, (answer.loss - best) / Math.max(0.1, Math.abs(best)))
  }
  console.info(
    `pairwise, blocks not enumerated: ${optimal} of ${cases} optimal, at worst ${(100 * worst).toFixed(1)} % above`,
  )
  expect(optimal / cases).toBeGreaterThan(0.9)
})

test('a network of blocks: below the additive answer under the pairwise objective, within its own bound (seed 9)', () => {
  const layers = realisticInstance('repeated', 42, 10, 9)
  const pairs = blockPairs(42, 7, 9)
  const prepared = preparePairwise(layers, pairs)
  expect(prepared.blocks.map(({ members }) => members.length)).toEqual([7, 7, 7, 7, 7, 7])
  let better = 0
  for (const share of [0.05, 0.15, 0.3, 0.5]) {
    const maxBytes = Math.floor(smallest(layers) + share * (largest(layers) - smallest(layers)))
    const additive = totalsOf({ layers, pairs }, prepareKnapsack(layers).solve(maxBytes).choice).loss
    const answer = prepared.within({ objective: 'loss', maxBytes })
    expect(answer.loss).toBeLessThanOrEqual(additive)
    expect(answer).toMatchObject(totalsOf({ layers, pairs }, answer.choice))
    if (answer.loss < additive * 0.999) better++
    const back = prepared.within({ objective: 'bytes', maxLoss: answer.loss })
    expect(back.loss).toBeLessThanOrEqual(answer.loss)
    expect(back.bytes).toBeLessThanOrEqual(answer.bytes * 1.005) // heuristic on blocks of this size
  }
  expect(better).toBeGreaterThan(1)
})

test('the integer program finds nothing better where both apply (seed 4)', async () => {
  const layers = realisticInstance('varied', 12, 5, 4)
  const pairs = blockPairs(12, 4, 4)
  const maxBytes = Math.floor(smallest(layers) + 0.25 * (largest(layers) - smallest(layers)))
  const exact = await integerProgram.solve({ layers, pairs, objective: 'loss', maxBytes }, { seconds: 20, gap: 1e-7 })
  const answer = await pairwise.solve({ layers, pairs, objective: 'loss', maxBytes }, { enumerated: 10_000 })
  expect(answer.optimal).toBe(true)
  expect(Math.abs(answer.loss / exact.loss - 1)).toBeLessThan(1e-5)
})

test('without pairs it is the knapsack; bounds that nothing meets are named', () => {
  const layers = realisticInstance('small', 30, 8, 1)
  const maxBytes = Math.floor(largest(layers) / 3)
  expect(preparePairwise(layers, []).within({ objective: 'loss', maxBytes }).loss).toBe(
    prepareKnapsack(layers).solve(maxBytes).loss,
  )
  const two = [choices([[9, 1], [4, 2]]), choices([[7, 1], [3, 4]])] // prettier-ignore
  const prepared = preparePairwise(two, [{ a: 0, b: 1, rho: 0.5 }])
  expect(() => prepared.within({ objective: 'loss', maxBytes: 11, maxLoss: 3 })).toThrow(
    expect.objectContaining({
      code: 'infeasible',
      data: expect.objectContaining({
        bounds: ['maxBytes', 'maxLoss'],
        nearest: {
          maxBytes: expect.objectContaining({ bytes: 16, loss: 3 }),
          maxLoss: expect.objectContaining({ bytes: 11, loss: expect.closeTo(3 + Math.SQRT2, 9) }),
        },
      }),
    }),
  )
  expect(() => preparePairwise(two, [{ a: 0, b: 0, rho: 0.5 }])).toThrow('pair of layers 0 and 0')
  expect(() => preparePairwise(two, [{ a: 0, b: 1, rho: NaN }])).toThrow('rho NaN')
})
