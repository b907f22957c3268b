import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sumOfCosines } from '../../../src-main/engine/score/cosine.ts'
import { limReference } from '../../../src-main/engine/score/lim.ref.ts'

const tensor = (dims: number[], values: readonly number[]) => ({
  dtype: 'float32' as const,
  dims,
  data: Float32Array.from(values),
})

test('a turn by 90 degrees, none, and back: worked out by hand', () => {
  const before = tensor([3, 2], [1, 0, 1, 1, 3, 4])
  const after = tensor([3, 2], [0, 2, 2, 2, -3, -4])
  expect(sumOfCosines(before, after).sum).toBeCloseTo(0 + 1 - 1, 6)
  const [x, y] = [tensor([1, 2], [3, 4]), tensor([1, 2], [4, 3])]
  expect(sumOfCosines(x, y)).toEqual({ sum: 24 / 25, count: 1 })
})

test('vectors of zeros have no direction', () => {
  expect(sumOfCosines(tensor([2, 2], [0, 0, 1, 0]), tensor([2, 2], [1, 1, 1, 0]))).toEqual({ sum: 1, count: 1 })
})

test('images are compared position by position along the channels', () => {
  // two channels, two positions: vectors (1, 3) and (2, 4) against (3, -1) and (2, 4)
  const { sum, count } = sumOfCosines(tensor([1, 2, 1, 2], [1, 2, 3, 4]), tensor([1, 2, 1, 2], [3, 2, -1, 4]))
  expect(count).toBe(2)
  expect(sum).toBeCloseTo(0 + 1, 6)
})

test('equals the reference on random embeddings', () => {
  const seed = 20240617
  const value = fc.double({ min: -8, max: 8, noNaN: true }).map((x) => Math.fround(Math.abs(x) < 0.01 ? 1 : x))
  const embeddings = fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 7 }))
    .chain(([count, width]) => {
      const rows = fc.array(fc.array(value, { minLength: width, maxLength: width }), {
        minLength: count,
        maxLength: count,
      })
      return fc.tuple(rows, rows)
    })
  fc.assert(
    fc.property(embeddings, ([before, after]) => {
      const dims = [before.length, before[0]?.length ?? 0]
      const { sum, count } = sumOfCosines(tensor(dims, before.flat()), tensor(dims, after.flat()))
      expect(-sum / count).toBeCloseTo(limReference(before, after), 6)
    }),
    { seed },
  )
})
