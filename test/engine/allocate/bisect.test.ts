import { expect, test } from 'vitest'
import { bisect, type Measured, meets, nextPoint, outcome } from '../../../src-main/engine/allocate/bisect.ts'
import { bisection } from '../../../src-main/engine/allocate/bisection.ts'
import { prepareKnapsack } from '../../../src-main/engine/allocate/knapsack.ts'
import { gaussian, uniform } from '../kernels/random.ts'
import { realisticInstance } from './instances.ts'
import { largest } from './problems.ts'

const rising = (points: number, seed: number): number[] => {
  const next = uniform(seed)
  return Array.from({ length: points }, () => next()).sort((a, b) => a - b)
}

test('the first point that meets the floor, by halves, for every floor of every length to 33 (seed = length)', async () => {
  for (let points = 1; points <= 33; points++) {
    const quality = rising(points, points)
    for (let first = 0; first < points; first++) {
      const floor = quality[first] ?? NaN
      const seen: number[] = []
      const measure = async (index: number) => ({ quality: quality[seen.push(index) ? index : 0] ?? NaN })
      const answer = await bisect({ points, floor, measure })
      expect(answer.index).toBe(first)
      expect(answer.before?.index ?? -1).toBe(first - 1)
      expect(seen.length).toBeLessThanOrEqual(Math.ceil(Math.log2(points + 1)))
      expect(new Set(seen).size).toBe(seen.length)
    }
  }
})

test('a prediction saves measurements, and a bad one costs few (seeds 1 to 60)', async () => {
  const points = 300
  let [halves, good] = [0, 0]
  for (let seed = 1; seed <= 60; seed++) {
    const next = uniform(seed)
    const truth = Array.from(
      { length: points },
      (_, i) => -Math.exp(3 - (6 * i) / points) * (1 + 0.2 * Math.sin(i / 40)),
    )
    truth.sort((a, b) => a - b)
    const floor = -Math.exp(3 - 6 * (0.05 + 0.9 * next()))
    const first = truth.findIndex((quality) => quality >= floor)
    const measure = async (index: number) => ({ quality: truth[index] ?? NaN })
    const run = async (predicted?: number[]) => {
      const answer = await bisect({ points, floor, measure, ...(predicted && { predicted }) })
      expect(answer.index, `seed ${seed}`).toBe(first)
      return answer.measured.length
    }
    halves += await run()
    good += await run(truth.map((_, i) => -1.3 * Math.exp(3 - (6 * i) / points) - 0.05)) // off by a third and an offset
    expect(await run(rising(points, seed).map((x) => x * 1e-6))).toBeLessThanOrEqual(Math.ceil(Math.log2(points)) + 6)
  }
  expect(good).toBeLessThan(0.75 * halves)
})

test('noise: the answer really meets the floor with the bad end of its interval, and the point before it does not', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const normal = gaussian(seed)
    const truth = rising(120, seed)
    const noisy = truth.map((quality) => quality + 0.02 * normal())
    const measure = async (index: number) => {
      const quality = noisy[index] ?? NaN
      return { quality, low: quality - 0.06, high: quality + 0.06 }
    }
    const answer = await bisect({ points: 120, floor: 0.7, measure, predicted: truth })
    expect(answer.found.low).toBeGreaterThanOrEqual(0.7)
    expect(truth[answer.index], `seed ${seed}`).toBeGreaterThanOrEqual(0.7) // 3 sigma
    expect(answer.before && meets(answer.before, 0.7)).toBe(false)
    expect(answer.before?.index).toBe(answer.index - 1)
    for (const index of answer.unclear) expect(Math.abs((noisy[index] ?? NaN) - 0.7)).toBeLessThanOrEqual(0.06)
  }
})

test('a search goes on from what was measured, and never measures it again', async () => {
  const quality = rising(200, 3)
  const floor = 0.6
  const all: Measured[] = []
  for (
    let index = nextPoint({ points: 200, floor }, all);
    index !== null;
    index = nextPoint({ points: 200, floor }, all)
  )
    all.push({ index, quality: quality[index] ?? NaN })
  for (let kept = 0; kept <= all.length; kept++) {
    const seen: number[] = []
    const measure = async (index: number) => ({ quality: quality[seen.push(index) ? index : 0] ?? NaN })
    const answer = await bisect({ points: 200, floor, measure, measured: all.slice(0, kept) })
    expect([...all.slice(0, kept).map(({ index }) => index), ...seen]).toEqual(all.map(({ index }) => index))
    expect(answer).toEqual(outcome({ points: 200, floor }, all))
  }
})

test('an order that is not one: what failed above the answer is named', async () => {
  const quality = [0, 0.9, 0.2, 0.95, 0.3, 1, 1]
  const measured = [4, 2].map((index) => ({ index, quality: quality[index] ?? NaN }))
  const answer = await bisect({
    points: 7,
    floor: 0.8,
    measured,
    measure: async (index) => ({ quality: quality[index] ?? NaN }),
  })
  expect(meets(answer.found, 0.8)).toBe(true)
  expect(answer.before && meets(answer.before, 0.8)).toBe(false)
  const low = outcome({ points: 7, floor: 0.8 }, [...measured, { index: 1, quality: 0.9 }, { index: 0, quality: 0 }])
  expect(low).toMatchObject({ index: 1, before: { index: 0 }, exceptions: [4, 2] })
})

test('a floor that nothing meets is refused with the best; a measurement that is no number is named', async () => {
  const order = { points: 5, floor: 0.9 }
  await expect(
    bisect({ ...order, measure: async (index) => ({ quality: index / 10, low: 0, high: 1 }) }),
  ).rejects.toThrow(
    expect.objectContaining({ code: 'infeasible', data: expect.objectContaining({ bounds: ['floor'] }) }),
  )
  await expect(bisect({ ...order, measure: async () => ({ quality: NaN }) })).rejects.toThrow(
    'Point 2 of the search measured NaN',
  )
  await expect(bisect({ ...order, points: 0, measure: async () => ({ quality: 1 }) })).rejects.toThrow(
    'None of 0 points',
  )
})

test('as an allocator it is minimal along the curve, close to the exact answer and never better (seed 6)', async () => {
  const layers = realisticInstance('varied', 80, 12, 6)
  const prepared = prepareKnapsack(layers)
  for (const share of [0.1, 0.3, 0.6]) {
    const maxBytes = Math.floor(prepared.smallestBytes + share * (largest(layers) - prepared.smallestBytes))
    const exact = prepared.solve(maxBytes)
    const answer = await bisection.solve({ layers, objective: 'loss', maxBytes }, {})
    expect(answer.loss).toBeGreaterThanOrEqual(exact.loss)
    expect(answer.loss - answer.gap).toBeLessThanOrEqual(exact.loss * (1 + 1e-9))
    const back = await bisection.solve({ layers, objective: 'bytes', maxLoss: answer.loss }, {})
    expect(back.bytes).toBe(answer.bytes)
    const less = await bisection.solve({ layers, objective: 'loss', maxBytes: back.bytes - 1 }, {})
    expect(less.loss).toBeGreaterThan(answer.loss)
  }
})
