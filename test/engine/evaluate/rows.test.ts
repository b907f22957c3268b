import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import { compareLogits } from '../../../src-main/engine/evaluate/rows.ts'
import { rowsReference } from '../../../src-main/engine/evaluate/rows.ref.ts'
import { tileGraph } from '../../../src-main/engine/evaluate/tile-graph.ts'
import { compareHidden, compareManyLogits, joinRows } from '../../../src-main/engine/evaluate/tiles.ts'
import type { RowStatistics } from '../../../src-main/engine/evaluate/types.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'

const normal = (count: number, seed: number, scale: number) => {
  const source = random(seed)
  return Float32Array.from({ length: count }, () => source.normal() * scale)
}

/** Logits of an original and a candidate that strays from it by `noise`, with targets of which some are not scored. */
const scene = fc.record({
  rows: fc.integer({ min: 1, max: 5 }),
  classes: fc.integer({ min: 2, max: 40 }),
  scale: fc.constantFrom(0.1, 3, 30),
  noise: fc.constantFrom(0, 1e-4, 0.01, 1, 20),
  shift: fc.constantFrom(0, 5, -100),
  seed: fc.nat(1e6),
  labelled: fc.boolean(),
})

function build({
  rows,
  classes,
  scale,
  noise,
  shift,
  seed,
  labelled,
}: typeof scene extends fc.Arbitrary<infer T> ? T : never) {
  const a = normal(rows * classes, seed, scale)
  const b = normal(rows * classes, seed + 1, noise).map((value, index) => value + (a[index] ?? 0) + shift)
  const source = random(seed + 2)
  const pick = () => (source.uniform() < 0.2 ? -1 : Math.floor(source.uniform() * classes))
  return { a, b, targets: labelled ? Int32Array.from({ length: rows }, pick) : null }
}

function expectClose(found: RowStatistics, truth: RowStatistics, tolerance: number): void {
  expect(found.rows).toBe(truth.rows)
  expect(found.rank).toEqual(truth.rank)
  expect(found.referenceRank).toEqual(truth.referenceRank)
  expect(found.agree).toEqual(truth.agree)
  for (const key of ['kl', 'nll', 'referenceNll'] as const) {
    expect(found[key] === null).toBe(truth[key] === null)
    truth[key]?.forEach((value, row) => {
      expect(Math.abs((found[key]?.[row] ?? Number.NaN) - value)).toBeLessThanOrEqual(tolerance * (1 + Math.abs(value)))
    })
  }
}

test('double-precision rows equal the plain formula', () => {
  fc.assert(
    fc.property(scene, (given) => {
      const { a, b, targets } = build(given)
      const truth = rowsReference(a, b, given.classes, targets && [...targets])
      expectClose(compareLogits(a, b, given.classes, targets), truth, 1e-9)
    }),
    { seed: 1, numRuns: 300 },
  )
})

test('relations: no divergence from itself or from shifted logits, never negative, never NaN', () => {
  const a = normal(400, 3, 4)
  expect([...compareLogits(a, a, 40, null).kl]).toEqual(Array.from({ length: 10 }, () => 0))
  const shifted = compareLogits(
    a,
    Float32Array.from(a, (value) => value + 64),
    40,
    null,
  )
  expect(Math.max(...shifted.kl)).toBeLessThan(1e-9)
  expect([...shifted.agree].every((same) => same === 1)).toBe(true)
  const broken = compareLogits(
    a,
    a.map(() => Number.NaN),
    40,
    null,
  )
  expect([...broken.kl].every((value) => value === Number.POSITIVE_INFINITY)).toBe(true)
})

test('a target that is no class is refused by row', () => {
  const logits = normal(6, 1, 1)
  expect(() => compareLogits(logits, logits, 3, Int32Array.of(0, 3))).toThrow(Fault)
  expect(() => compareLogits(logits, logits, 3, Int32Array.of(0, 3))).toThrow('Row 1: class 3')
  expect(() => compareLogits(logits, logits, 3, Int32Array.of(-2, 0))).toThrow('Row 0')
})

const silent = (notice: string) => expect.unreachable(notice)
const open = (from: 'hidden' | 'logits', softCap?: number) =>
  openSession(tileGraph(from, softCap), () => new Uint8Array(), { device: 'cpu' }, silent)

test('the graph over whole logits equals the plain formula to float32', async () => {
  const session = await open('logits')
  await fc.assert(
    fc.asyncProperty(scene, async (given) => {
      const { a, b, targets } = build(given)
      const truth = rowsReference(a, b, given.classes, targets && [...targets])
      const found = await compareManyLogits(session, a, b, given.classes, targets)
      // Ranks count near-ties as equal: float32 cannot tell them apart.
      expectClose({ ...found, rank: truth.rank, referenceRank: truth.referenceRank }, truth, 4e-5)
    }),
    { seed: 2, numRuns: 150 },
  )
  await session.release()
})

test.each([undefined, 4])(
  'the tiled head equals whole logits, for any number of tiles; soft cap %s',
  async (softCap) => {
    const session = await open('hidden', softCap)
    const [rows, width, vocabulary] = [300, 8, 20_000] // three tiles
    const [hiddenA, head] = [normal(rows * width, 5, 1), normal(vocabulary * width, 6, 1)]
    const other = head.map((value, index) => value + 0.02 * Math.sin(index))
    const hiddenB = hiddenA.map((value, index) => value + 0.02 * Math.cos(index))
    const targets = Int32Array.from({ length: rows }, (_, row) => (row % 7 === 0 ? -1 : (row * 61) % vocabulary))
    const rowsOf = (weights: Float32Array) => (begin: number, end: number) =>
      weights.subarray(begin * width, end * width)
    const found = await compareHidden(
      session,
      { hidden: hiddenA, width, head: rowsOf(head), softCap },
      { hidden: hiddenB, width, head: rowsOf(other), softCap },
      vocabulary,
      targets,
    )
    const logits = (hidden: Float32Array, weights: Float32Array, row: number) =>
      Float32Array.from({ length: vocabulary }, (_, token) => {
        let sum = 0
        for (let at = 0; at < width; at++) sum += (hidden[row * width + at] ?? 0) * (weights[token * width + at] ?? 0)
        return softCap === undefined ? sum : softCap * Math.tanh(sum / softCap)
      })
    const some = [1, 100, 299]
    const place = (row: number) => [...targets.subarray(0, row)].filter((target) => target !== -1).length
    for (const row of some) {
      const truth = compareLogits(
        logits(hiddenA, head, row),
        logits(hiddenB, other, row),
        vocabulary,
        targets.subarray(row, row + 1),
      )
      const at = place(row)
      expect(found.kl[at]).toBeCloseTo(truth.kl[0] ?? Number.NaN, 6)
      expect(found.nll?.[at]).toBeCloseTo(truth.nll?.[0] ?? Number.NaN, 5)
      expect(found.referenceNll?.[at]).toBeCloseTo(truth.referenceNll?.[0] ?? Number.NaN, 5)
      expect(found.agree[at]).toBe(truth.agree[0])
      // Among 20,000 logits a few lie within float32's rounding of the target's.
      expect(Math.abs((found.rank?.[at] ?? 0) - (truth.rank?.[0] ?? 0))).toBeLessThanOrEqual(2)
      expect(Math.abs((found.referenceRank?.[at] ?? 0) - (truth.referenceRank?.[0] ?? 0))).toBeLessThanOrEqual(2)
    }
    expect(found.rows).toBe(rows - Math.ceil(rows / 7))
    await session.release()
  },
)

test('small divergences keep their digits in float32', async () => {
  // KL of logits that differ by noise s is near s^2 / 2 times the variance under p: about 5e-9 here, far below float32's 1e-7.
  const session = await open('logits')
  const a = normal(64 * 500, 8, 2)
  const b = a.map((value, index) => value + (((index * 7919) % 13) - 6) * 2.4e-5)
  const truth = compareLogits(a, b, 500, null)
  const found = await compareManyLogits(session, a, b, 500, null)
  const mean = (rows: RowStatistics) => rows.kl.reduce((sum, value) => sum + value, 0) / rows.rows
  expect(mean(truth)).toBeLessThan(1e-7)
  expect(Math.abs(mean(found) / mean(truth) - 1)).toBeLessThan(0.01)
  await session.release()
})

test('lists of rows join in order', () => {
  const [a, b] = [normal(30, 1, 1), normal(30, 2, 1)]
  const targets = Int32Array.of(1, 2, 0)
  const whole = compareLogits(a, b, 10, targets)
  const parts = [0, 1, 2].map((row) => {
    const cut = (list: Float32Array) => list.subarray(row * 10, row * 10 + 10)
    return compareLogits(cut(a), cut(b), 10, targets.subarray(row, row + 1))
  })
  expect(joinRows(parts)).toEqual(whole)
})
