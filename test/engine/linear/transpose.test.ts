import fc from 'fast-check'
import { expect, test } from 'vitest'
import { transposeInto } from '../../../src-main/engine/kernels/linear/transpose.ts'
import { numbers } from './random.ts'

test('part of a matrix goes, turned and scaled, to its place in another and nowhere else', () => {
  const cases = fc.record({
    rows: fc.integer({ min: 0, max: 250 }),
    cols: fc.integer({ min: 0, max: 250 }),
    more: fc.integer({ min: 0, max: 5 }),
    at: fc.integer({ min: 0, max: 9 }),
    outAt: fc.integer({ min: 0, max: 9 }),
  })
  fc.assert(
    fc.property(cases, ({ rows, cols, more, at, outAt }) => {
      const from = numbers(at + rows * (cols + more), 1)
      const outStride = rows + more
      const out = new Float32Array(outAt + cols * outStride).fill(7)
      const expected = out.slice()
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < cols; c++)
          expected[outAt + c * outStride + r] = Math.fround((from[at + r * (cols + more) + c] ?? 0) * 0.5)
      transposeInto(from, { rows, cols, stride: cols + more, at }, out, { outStride, outAt, factor: 0.5 })
      expect(out).toEqual(expected)
    }),
    { seed: 61, numRuns: 60 },
  )
})
