import fc from 'fast-check'
import { expect, test } from 'vitest'
import { selectReference } from '../../../../src-main/engine/kernels/select/select.ref.ts'
import { someOfEach, topOfRows } from '../../../../src-main/engine/kernels/select/select.ts'
import { gaussian } from '../random.ts'

const values = fc.oneof(fc.float({ noNaN: true }), fc.constantFrom(0, -0, 1, -1, 2, Infinity, -Infinity, 1e-45))

test('masks equal those of a sort, ties, signs and infinities included', () => {
  const cases = fc.record({
    rows: fc.integer({ min: 1, max: 4 }),
    cols: fc.integer({ min: 1, max: 40 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    m: fc.integer({ min: 1, max: 9 }),
    values: fc.array(values, { minLength: 1, maxLength: 50 }),
  })
  fc.assert(
    fc.property(cases, ({ rows, cols, share, m, values: drawn }) => {
      const scores = Float32Array.from({ length: rows * cols }, (_, i) => drawn[(i * 7) % drawn.length] ?? 0)
      const keep = Math.round(share * cols)
      expect(topOfRows(scores, rows, cols, keep)).toEqual(selectReference(scores, rows, cols, keep, 0))
      const n = Math.max(1, Math.round(share * m))
      expect(someOfEach(scores, rows, cols, { n, m })).toEqual(selectReference(scores, rows, cols, n, m))
    }),
    { seed: 31, numRuns: 400 },
  )
})

test('any number of threads, long rows', () => {
  const scores = Float32Array.from({ length: 300 * 1001 }, gaussian(32))
  const reference = selectReference(scores, 300, 1001, 333, 0)
  for (const threads of [1, 2, 5]) expect(topOfRows(scores, 300, 1001, 333, threads)).toEqual(reference)
  expect(someOfEach(scores, 300, 1001, { n: 2, m: 4 }, 3)).toEqual(selectReference(scores, 300, 1001, 2, 4))
})

test('NaN and impossible patterns are refused', () => {
  const scores = Float32Array.of(1, 2, 3, 4, NaN, 6)
  expect(() => topOfRows(scores, 2, 3, 1)).toThrow(/score \[1, 1\] is not a number/)
  expect(() => someOfEach(scores, 2, 3, { n: 1, m: 2 })).toThrow(/score \[1, 1\] is not a number/)
  expect(() => topOfRows(scores, 2, 3, 4)).toThrow(/cannot keep 4 of 3/)
  expect(() => someOfEach(scores, 2, 3, { n: 3, m: 2 })).toThrow(/3 of every 2/)
  expect(() => topOfRows(scores, 2, 4, 1)).toThrow(/6 scores, not 2 x 4/)
})
