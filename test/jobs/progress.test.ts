import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createProgress } from '../../src-main/jobs/progress.ts'

const clock = () => {
  let ms = 0
  return { now: () => ms, pass: (more: number) => void (ms += more) }
}

test('remaining time comes from measured units, weighted by their size and kind', () => {
  const { now, pass } = clock()
  const units = [
    { kind: 'compress', weight: 100 },
    { kind: 'compress', weight: 300 },
    { kind: 'evaluate', weight: 50 },
  ]
  const progress = createProgress(units, { now })
  progress.start(0)
  expect(progress.snapshot().remainingMs).toBeNull()
  pass(1_000)
  progress.finish(0)
  expect(progress.snapshot().remainingMs).toBeNull() // nothing is known of evaluations yet
  progress.start(1)
  pass(3_000)
  progress.finish(1)
  progress.start(2)
  pass(500)
  progress.update(0.25)
  expect(progress.snapshot()).toEqual({
    unitsDone: 2,
    unitsTotal: 3,
    progress: 412.5 / 450,
    elapsedMs: 4_500,
    remainingMs: 1_500,
  })
  pass(1_500)
  progress.finish(2)
  expect(progress.snapshot()).toMatchObject({ progress: 1, remainingMs: 0 })
})

test('a light unit that takes long to begin does not slow the estimate of heavy ones', () => {
  const { now, pass } = clock()
  const units = [1, 100, 100, 100].map((weight) => ({ kind: 'piece', weight }))
  const progress = createProgress(units, { now })
  for (const [index, ms] of [9_000, 25_000].entries()) {
    progress.start(index)
    pass(ms)
    progress.finish(index)
  }
  expect(progress.snapshot().remainingMs).toBe(50_000)
})

test('units of two speeds are expected in the mixture that was seen', () => {
  const { now, pass } = clock()
  const units = Array.from({ length: 20 }, () => ({ kind: 'sensitivity', weight: 10 }))
  const progress = createProgress(units, { now })
  for (let index = 0; index < 10; index += 1) {
    progress.start(index)
    pass(index % 2 ? 1_000 : 100)
    progress.finish(index)
  }
  expect(progress.snapshot().remainingMs).toBeCloseTo(5_500, 0)
})

test('units finished earlier count as done and teach nothing about speed', () => {
  const { now, pass } = clock()
  const units = Array.from({ length: 4 }, () => ({ kind: 'compress', weight: 10 }))
  const progress = createProgress(units, { now, elapsedMs: 7_000 })
  progress.skip(0)
  progress.skip(1)
  expect(progress.snapshot()).toMatchObject({ unitsDone: 2, progress: 0.5, remainingMs: null, elapsedMs: 7_000 })
  progress.start(2)
  pass(40)
  progress.finish(2)
  expect(progress.snapshot()).toMatchObject({ remainingMs: 40, elapsedMs: 7_040 })
})

test('never goes backwards, whatever the engine reports', () => {
  const step = fc.record({
    act: fc.constantFrom('start', 'update', 'finish', 'skip'),
    index: fc.nat(4),
    fraction: fc.double(),
    ms: fc.nat(1_000),
  })
  fc.assert(
    fc.property(fc.array(step), fc.array(fc.nat(1_000), { minLength: 5, maxLength: 5 }), (steps, weights) => {
      const { now, pass } = clock()
      const progress = createProgress(
        weights.map((weight, index) => ({ kind: index % 2 ? 'a' : 'b', weight })),
        { now },
      )
      let highest = 0
      for (const { act, index, fraction, ms } of steps) {
        pass(ms)
        if (act === 'update') progress.update(fraction)
        else if (act === 'skip') progress.skip(index)
        else if (act === 'start') progress.start(index)
        else progress.finish(index)
        const shown = progress.snapshot()
        expect(shown.progress).toBeGreaterThanOrEqual(highest)
        expect(shown.progress).toBeLessThanOrEqual(1)
        expect(shown.remainingMs ?? 0).toBeGreaterThanOrEqual(0)
        highest = shown.progress
      }
    }),
    { seed: 20260921 },
  )
})
