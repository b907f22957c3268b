import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Problem } from '../../../src-main/engine/allocate/define.ts'
import { enumerate } from '../../../src-main/engine/allocate/enumerate.ref.ts'
import { type Program, solveProgram } from '../../../src-main/engine/allocate/highs.ts'
import { integerProgram } from '../../../src-main/engine/allocate/integer-program.ts'
import { buildProgram } from '../../../src-main/engine/allocate/program.ts'
import { prepareKnapsack } from '../../../src-main/engine/allocate/knapsack.ts'
import { totalsOf, within } from '../../../src-main/engine/allocate/limits.ts'
import { uniform } from '../kernels/random.ts'
import { realisticInstance } from './instances.ts'
import { choices, largest, leastLoss, mostLoss, smallest, smallProblem, sum } from './problems.ts'

const parameters = integerProgram.params.parse({})
const solve = async (problem: Problem) => integerProgram.solve(problem, parameters)

/** Bounds drawn so that they bind, and now and then contradict each other. */
function bounded(seed: number, pairs: number): Problem {
  const next = uniform(seed)
  const drawn = smallProblem(seed, { pairs, negative: seed % 4 === 0, layers: 4 })
  const { layers } = drawn
  const seconds = layers.map((layer) => layer.seconds ?? new Float64Array())
  const between = (low: number, high: number) => low + (0.1 + 0.9 * next()) * (high - low)
  return {
    ...drawn,
    objective: seed % 2 ? 'loss' : 'bytes',
    maxBytes: Math.floor(between(smallest(layers), largest(layers))),
    maxLoss: between(leastLoss(layers), mostLoss(layers)) * 0.8,
    maxSeconds: between(sum(seconds.map((s) => Math.min(...s))), sum(seconds.map((s) => Math.max(...s)))),
  }
}

test.each([
  ['additive', 0],
  ['with pairs', 3],
])('%s: size, loss and time limited together equal brute force (seeds 1 to 40)', async (_, pairs) => {
  let [solved, refused] = [0, 0]
  for (let seed = 1; seed <= 40; seed++) {
    const problem = bounded(seed, pairs)
    const best = enumerate(problem)
    if (best === null) {
      refused++
      await expect(solve(problem), `seed ${seed}`).rejects.toThrow(expect.objectContaining({ code: 'infeasible' }))
      continue
    }
    solved++
    const answer = await solve(problem)
    const scale = Math.max(1e-3, Math.abs(best.objective))
    expect(Math.abs(answer[problem.objective] - best.objective), `seed ${seed}`).toBeLessThanOrEqual(2e-6 * scale)
    expect(within(answer, problem), `seed ${seed}`).toBe(true)
    expect(totalsOf(problem, answer.choice)).toMatchObject({ bytes: answer.bytes, loss: answer.loss })
    expect(answer.gap).toBeLessThanOrEqual(1e-4 * scale)
  }
  expect(Math.min(solved, refused)).toBeGreaterThan(3)
})

test('a choice that keeps to a limit within the tolerance of the solver alone is no answer', async () => {
  // The smallest pair loses 1 + 2e-10: within 1e-6 of the scaled limit, and above it.
  const layers = [choices([[1, 0.5, 0.1], [5, 0.1, 0.1]]), choices([[1, 0.5 + 2e-10, 0.1], [4, 0.2, 0.1]])] // prettier-ignore
  const limits = { maxLoss: 1, maxSeconds: 0.25 }
  const { values } = await solveProgram(buildProgram({ layers, pairs: [], minimise: 'bytes', limits: { loss: 1 } }, {}, 1).program, { seconds: 5, gap: 0, seed: 1 }) // prettier-ignore
  expect([...(values ?? [])]).toEqual([1, 0, 1, 0]) // so the solver takes it
  expect(await solve({ layers, objective: 'bytes', ...limits })).toMatchObject({ bytes: 5, loss: 0.7 })
  // With a pair there is no bound that ends the search before the solver is asked.
  const pairs = [{ a: 0, b: 1, rho: 1e-12 }]
  const answer = await solve({ layers, pairs, objective: 'bytes', ...limits })
  expect(answer.bytes).toBe(5)
  expect(within(answer, limits as Problem)).toBe(true)
})

test('within 0.1 % of the exact knapsack where both apply, both objectives (seed 8)', async () => {
  for (const kind of ['varied', 'repeated', 'small'] as const) {
    const layers = realisticInstance(kind, 60, 12, 8)
    const prepared = prepareKnapsack(layers)
    const maxBytes = Math.floor(prepared.smallestBytes + 0.2 * (largest(layers) - prepared.smallestBytes))
    const exact = prepared.solve(maxBytes)
    const answer = await solve({ layers, objective: 'loss', maxBytes })
    expect(answer.bytes).toBeLessThanOrEqual(maxBytes)
    expect(answer.loss / exact.loss, kind).toBeLessThanOrEqual(1.001)
    expect(answer.loss / exact.loss, kind).toBeGreaterThanOrEqual(1 - 1e-12)
    expect(answer.loss - answer.gap).toBeLessThanOrEqual(exact.loss * (1 + 1e-9))
    const back = await solve({ layers, objective: 'bytes', maxLoss: exact.loss })
    const fewest = prepared.fewestBytes(exact.loss)
    expect(back.loss).toBeLessThanOrEqual(exact.loss)
    expect(back.bytes / fewest.bytes, kind).toBeLessThanOrEqual(1.001)
    expect(back.bytes).toBeGreaterThanOrEqual(fewest.bytes)
  }
})

test('contradictory limits are named, each with the nearest plan', async () => {
  const layers = [choices([[9, 1, 0.1], [4, 2, 0.3]]), choices([[7, 0, 0.2], [3, 4, 0.1]])] // prettier-ignore
  const refuses = async (limits: object, data: object) =>
    await expect(solve({ layers, objective: 'loss', ...limits })).rejects.toThrow(
      expect.objectContaining({ code: 'infeasible', data: expect.objectContaining(data) }),
    )
  await refuses({ maxBytes: 6, maxSeconds: 9 }, { bounds: ['maxBytes'], smallestBytes: 7 })
  await refuses(
    { maxBytes: 11, maxLoss: 1.5, maxSeconds: 9 },
    {
      bounds: ['maxBytes', 'maxLoss'],
      nearest: {
        maxBytes: expect.objectContaining({ bytes: 16, loss: 1 }),
        maxLoss: expect.objectContaining({ bytes: 11, loss: 2 }),
      },
    },
  )
  await refuses({ maxBytes: 11, maxSeconds: 0.35 }, { bounds: ['maxBytes', 'maxSeconds'] })
  // Any two of these can be had.
  const three = { maxBytes: 12, maxLoss: 4, maxSeconds: 0.45 }
  await refuses(three, { bounds: ['maxBytes', 'maxLoss', 'maxSeconds'] })
  await expect(solve({ layers, objective: 'loss', ...three })).rejects.toThrow(
    'No plan keeps to 12 bytes, a loss of 4 and 0.45 seconds',
  )
})

test('locks, ties of value, one layer, no layers, no limits', async () => {
  const lock = choices([[5, 1]])
  expect(await solve({ layers: [lock, choices([[2, 3], [9, 0]])], objective: 'loss', maxBytes: 10 })).toMatchObject({ bytes: 7, loss: 4, optimal: true, gap: 0 }) // prettier-ignore
  expect(await solve({ layers: [lock], objective: 'bytes', maxLoss: 1 })).toMatchObject({ bytes: 5, optimal: true })
  expect(await solve({ layers: [], objective: 'loss', maxBytes: 0 })).toMatchObject({ bytes: 0, optimal: true })
  const same = [choices([[4, 1], [4, 1]]), choices([[4, 1], [4, 1]])] // prettier-ignore
  expect(await solve({ layers: same, objective: 'loss', maxBytes: 8 })).toMatchObject({ loss: 2, optimal: true })
  expect(await solve({ layers: [choices([[4, 0], [1, 0]])], objective: 'loss' })).toMatchObject({ loss: 0, optimal: true }) // prettier-ignore
})

test('what it cannot take is refused by name', async () => {
  const refuses = async (problem: Problem, code: string, words: string) =>
    await expect(Promise.resolve().then(() => integerProgram.solve(problem, parameters))).rejects.toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words) }),
    )
  await refuses(
    { layers: [choices([[1, NaN]])], objective: 'loss' },
    'bad-arguments',
    'option 0 has 1 bytes and loss NaN',
  )
  await refuses({ layers: [choices([[1, 1]])], objective: 'loss', maxSeconds: 1 }, 'bad-arguments', 'time of layer 0')
  const layers = realisticInstance('small', 40, 24, 2)
  const pairs = layers.slice(1).map((_, a) => ({ a, b: a + 1, rho: 0.1 }))
  await refuses({ layers, objective: 'loss', pairs }, 'unsupported', '22464 products')
})

test('a search out of time answers with the gap that is left', async () => {
  const layers = realisticInstance('repeated', 200, 16, 4)
  const maxBytes = Math.floor(largest(layers) / 4)
  const answer = await integerProgram.solve({ layers, objective: 'loss', maxBytes }, { seconds: 0.01, gap: 0 })
  const exact = prepareKnapsack(layers).solve(maxBytes)
  expect(answer.bytes).toBeLessThanOrEqual(maxBytes)
  expect(answer.loss - answer.gap).toBeLessThanOrEqual(exact.loss)
})

test('the solver is loaded with the first program only', () => {
  const root = join(import.meta.dirname, '..', '..', '..')
  const script = `
    const seen = []
    const { registerHooks } = await import('node:module')
    registerHooks({ resolve: (name, context, next) => (seen.push(name), next(name, context)) })
    await import('./src-main/engine/allocate/registry.ts')
    process.stdout.write(JSON.stringify([seen.length > 5, seen.filter((name) => /^highs/.test(name))]))`
  const words = execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' })
  expect(JSON.parse(words)).toEqual([true, []])
})

test('a program that the solver cannot read is refused, and the next one is solved', async () => {
  const program = (cost: number): Program => ({
    ...{ cost: Float64Array.of(cost, 2), integer: Uint8Array.of(1, 1), starts: Int32Array.of(0, 1, 2) },
    ...{ rows: Int32Array.of(0, 0), values: Float64Array.of(1, 1), start: null },
    ...{ rowLower: Float64Array.of(1), rowUpper: Float64Array.of(1) },
  })
  const limits = { seconds: 5, gap: 0, seed: 1 }
  await expect(solveProgram(program(NaN), limits)).rejects.toThrow('could not be solved')
  const both = await Promise.all([solveProgram(program(3), limits), solveProgram(program(1), limits)])
  expect(both.map(({ status, values, bound }) => [status, [...(values ?? [])], bound])).toEqual([
    ['optimal', [0, 1], 2],
    ['optimal', [1, 0], 1],
  ])
})
