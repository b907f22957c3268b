import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { dequantizeReference } from '../../../src-main/engine/quantize/dequantize.ref.ts'
import { dequantize, dequantizeRows, weightError } from '../../../src-main/engine/quantize/dequantize.ts'
import { type GridParameters, quantizeToGrid } from '../../../src-main/engine/quantize/grid.ts'
import { rowsOf } from '../../../src-main/engine/quantize/rows.ts'
import { rtn } from '../../../src-main/engine/quantize/rtn.ts'
import type { WeightMatrix } from '../../../src-main/engine/quantize/types.ts'
import { gaussian, gaussianMatrix, uniform } from '../kernels/random.ts'

const context = { layer: 'test' }
const base: GridParameters = { bits: 4, symmetric: true, granularity: 'group', groupSize: 32, search: 'mse' }
const quantize = (matrix: WeightMatrix, p: Partial<GridParameters>) =>
  quantizeToGrid(rowsOf(matrix), { ...base, ...p }, context)
const errorOf = (matrix: WeightMatrix, p: Partial<GridParameters>) =>
  weightError(rowsOf(matrix), quantize(matrix, p)).squaredError
const kinds = (['tensor', 'channel', 'group'] as const).flatMap((granularity) =>
  [true, false].map((symmetric) => ({ granularity, symmetric })),
)

// Signal to quantization noise in dB on normal weights in groups of 32, and the same as relative root mean square.
// Floors: measured values less 0.15 dB.
const ceilings = [
  { bits: 2, symmetric: 9.45, affine: 9.45, rms: 0.337 },
  { bits: 3, symmetric: 15.65, affine: 15.75, rms: 0.165 },
  { bits: 4, symmetric: 21.65, affine: 22.15, rms: 0.083 },
  { bits: 5, symmetric: 27.7, affine: 28.55, rms: 0.0412 },
  { bits: 6, symmetric: 33.75, affine: 34.85, rms: 0.0206 },
  { bits: 7, symmetric: 39.8, affine: 41.05, rms: 0.01024 },
  { bits: 8, symmetric: 45.85, affine: 47.1, rms: 0.0051 },
]

test.each(ceilings)('$bits bits reach their signal-to-noise ratio', ({ bits, symmetric, affine, rms }) => {
  const matrix = gaussianMatrix(128, 512, 11)
  const relative = (isSymmetric: boolean) =>
    weightError(rowsOf(matrix), quantize(matrix, { bits, symmetric: isSymmetric })).relative
  expect(-10 * Math.log10(relative(true))).toBeGreaterThan(symmetric)
  expect(-10 * Math.log10(relative(false))).toBeGreaterThan(affine)
  expect(Math.sqrt(relative(true))).toBeLessThan(rms)
})

test.each(kinds)('more bits are never worse, nor is a search: $granularity, symmetric $symmetric', (kind) => {
  for (const seed of [1, 2, 3]) {
    const matrix = gaussianMatrix(24, 150, seed)
    for (const search of ['none', 'mse'] as const) {
      const errors = [2, 3, 4, 5, 6, 7, 8].map((bits) => errorOf(matrix, { ...kind, bits, search }))
      errors.slice(1).forEach((error, i) => expect(error).toBeLessThan(errors[i] ?? 0))
    }
  }
})

test('searching never loses against the plain range on any matrix', () => {
  const cases = fc.record({
    rows: fc.integer({ min: 1, max: 6 }),
    cols: fc.integer({ min: 1, max: 70 }),
    groupSize: fc.integer({ min: 1, max: 80 }),
    bits: fc.integer({ min: 2, max: 8 }),
    kind: fc.constantFrom(...kinds),
    values: fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 60 }),
  })
  fc.assert(
    fc.property(cases, ({ rows, cols, groupSize, bits, kind, values }) => {
      const data = Float32Array.from({ length: rows * cols }, (_, i) => values[(i * 7) % values.length] ?? 0)
      const matrix = { data, rows, cols }
      const p = { ...kind, bits, groupSize }
      const q = quantize(matrix, p)
      const plain = quantize(matrix, { ...p, search: 'none' })
      // Errors are compared in float32: below its rounding, one is as good as the other.
      const rounding = data.reduce((sum, value) => sum + value * value, 0) * 1e-12
      if (q.scaleType === plain.scaleType)
        expect(weightError(rowsOf(matrix), q).squaredError).toBeLessThanOrEqual(
          weightError(rowsOf(matrix), plain).squaredError * (1 + 1e-5) + rounding,
        )
      const back = dequantize(q).data
      expect(back).toEqual(dequantizeReference(q))
      data.forEach((value, i) => value === 0 && expect(Math.abs(back[i] ?? NaN)).toBe(0)) // zero stays zero
      expect(q.codes.every((code) => code < 2 ** bits)).toBe(true)
    }),
    { seed: 21, numRuns: 300 },
  )
})

test('one row per tensor and per channel choose grids as good', () => {
  const next = gaussian(9)
  const matrix = { data: Float32Array.from({ length: 700 }, next), rows: 1, cols: 700 }
  for (const { symmetric } of kinds)
    for (const bits of [2, 4, 7]) {
      // A tensor is searched in floats, over every step; a channel up to 6 bits in integers, over every second one first.
      const [tensor = 0, channel = 0] = (['tensor', 'channel'] as const).map((granularity) =>
        errorOf(matrix, { granularity, symmetric, bits }),
      )
      expect(Math.abs(tensor / channel - 1), `${bits} bits`).toBeLessThan(0.005)
    }
})

test('importance shifts the error to where it does not matter', () => {
  const matrix = gaussianMatrix(16, 256, 4)
  const next = uniform(1)
  const importance = Float32Array.from({ length: 256 }, () => (next() < 0.1 ? 100 : 0.01))
  const weighted = (useImportance: boolean) => {
    const p = { ...base, bits: 3, groupSize: 64 }
    const q = quantizeToGrid(rowsOf(matrix), p, { ...context, ...(useImportance ? { importance } : {}) })
    const back = dequantize(q).data
    return matrix.data.reduce((sum, w, i) => sum + (importance[i % 256] ?? 0) * (w - (back[i] ?? 0)) ** 2, 0)
  }
  expect(weighted(true)).toBeLessThan(0.7 * weighted(false))
})

test('reading by row blocks gives the same as the whole matrix, and rows can be asked for alone', () => {
  const matrix = gaussianMatrix(300, 20_000, 6) // two blocks
  const whole = quantize(matrix, { bits: 4, groupSize: 64 })
  const asked: [number, number][] = []
  const source = {
    rows: 300,
    cols: 20_000,
    read: (begin: number, end: number) => {
      asked.push([begin, end])
      return matrix.data.slice(begin * 20_000, end * 20_000)
    },
  }
  const streamed = quantizeToGrid(source, { ...base, groupSize: 64 }, { ...context, threads: 1 })
  expect(Buffer.from(streamed.codes.buffer).equals(whole.codes)).toBe(true)
  expect(streamed.scales).toEqual(whole.scales)
  expect(asked).toEqual([
    [0, 209],
    [209, 300],
  ])
  expect(dequantizeRows(whole, 208, 211)).toEqual(dequantize(whole).data.slice(208 * 20_000, 211 * 20_000))
})

test('scales leave float16 only when the whole layer lies outside its range', () => {
  const tiny = gaussianMatrix(8, 64, 1, 1e-9)
  const huge = gaussianMatrix(8, 64, 1, 1e6)
  const mixed = gaussianMatrix(8, 64, 1, 0.02)
  mixed.data.fill(1e-9, 0, 64)
  expect(quantize(tiny, { bits: 8 }).scaleType).toBe('float32')
  expect(quantize(huge, { bits: 2 }).scaleType).toBe('float32')
  expect(quantize(mixed, { bits: 8 }).scaleType).toBe('float16')
  for (const matrix of [tiny, huge])
    expect(weightError(rowsOf(matrix), quantize(matrix, { bits: 8 })).relative).toBeLessThan(1e-4)
  for (const { granularity, symmetric } of kinds) {
    const q = quantize(gaussianMatrix(4, 40, 2, 1e37), { granularity, symmetric, bits: 3 })
    expect(q.scaleType).toBe('float32')
    expect(q.scales.every(Number.isFinite)).toBe(true)
  }
})

test.each(kinds)('zeros, one column, one weight: $granularity, symmetric $symmetric', (kind) => {
  for (const [rows, cols] of [
    [3, 40],
    [5, 1],
    [1, 1],
  ] as const) {
    const zeros = { data: new Float32Array(rows * cols), rows, cols }
    expect(dequantize(quantize(zeros, kind)).data).toEqual(zeros.data)
    expect(quantize(zeros, kind).scales.every((scale) => scale === 1)).toBe(true)
    const column = { data: Float32Array.from({ length: rows * cols }, (_, i) => (i + 1) * 0.25), rows, cols }
    expect(weightError(rowsOf(column), quantize(column, { ...kind, bits: 8 })).relative).toBeLessThan(1e-4)
  }
})

test.each(kinds)('a weight that is not finite is named: $granularity, symmetric $symmetric', (kind) => {
  const matrix = gaussianMatrix(5, 37, 1)
  matrix.data[3 * 37 + 30] = NaN
  expect(() => rtn.apply(rowsOf(matrix), { ...base, ...kind }, { layer: 'blk.7.up' })).toThrow(
    expect.objectContaining({
      code: 'bad-input',
      message: 'Layer blk.7.up: weight [3, 30] is NaN.',
      data: { tensor: 'blk.7.up', expected: 'finite weights', found: 'NaN', offset: 3 * 37 + 30 },
    }),
  )
})

test('parameters outside the schema are refused by name', () => {
  const apply = () => rtn.apply(rowsOf(gaussianMatrix(2, 2, 1)), { ...base, bits: 9 }, { layer: 'head' })
  expect(apply).toThrow(Fault)
  expect(apply).toThrow(/rtn for layer head: .*\n.*bits/s)
})
