import { expect, test } from 'vitest'
import { outputError } from '../../../../src-main/engine/kernels/linear/error.ts'
import { type CodedMatrix, codedForm } from '../../../../src-main/engine/quantize/codings/define.ts'
import { lr2vqCoding } from '../../../../src-main/engine/quantize/codings/lr2vq.ts'
import { dequantize, dequantizeRows, weightError } from '../../../../src-main/engine/quantize/dequantize.ts'
import { lr2vq } from '../../../../src-main/engine/quantize/lr2vq.ts'
import { fitBook, firstBook, lifted, nearestCodes } from '../../../../src-main/engine/quantize/lr2vq/fit.ts'
import { bookBytes, offeredWidths, shapeFor } from '../../../../src-main/engine/quantize/lr2vq/shape.ts'
import { rowsOf } from '../../../../src-main/engine/quantize/rows.ts'
import { rtn } from '../../../../src-main/engine/quantize/rtn.ts'
import type { CompressedMatrix, WeightMatrix } from '../../../../src-main/engine/quantize/types.ts'
import { gaussianMatrix } from '../../kernels/random.ts'
import { sampleHessian } from './hessian.ts'

type More = Partial<Parameters<typeof lr2vq.apply>[2]>
const make = (matrix: WeightMatrix, p: object, more: More = {}) =>
  lr2vq.apply(rowsOf(matrix), lr2vq.params.parse(p), { layer: 'test', ...more }) as Promise<CodedMatrix>

test('less output error than rounding at the same bits; more words and more rounds are better', async () => {
  const matrix = gaussianMatrix(64, 144, 1)
  const hessian = await sampleHessian(144, 2)
  const error = async (q: CodedMatrix) => (await outputError(rowsOf(matrix), q, hessian)).relative
  const grid = { bits: 2, granularity: 'channel', groupSize: 64, symmetric: true, search: 'mse' } as const
  const rounded = (await outputError(rowsOf(matrix), await rtn.apply(rowsOf(matrix), grid, { layer: 'test' }), hessian))
    .relative
  let before = Infinity
  for (const k of [4, 16, 64, 256]) {
    const plain = await error(await make(matrix, { k, m: 4, d: 4 }))
    const own = await error(await make(matrix, { k, m: 4, d: 4, rounds: 1 }, { hessians: [hessian] }))
    expect(own).toBeLessThan(0.6 * plain)
    expect(own).toBeLessThan(before)
    before = own
  }
  const two = { k: 16, m: 2, d: 2 } // 2 bits
  const errors = []
  for (const rounds of [0, 1, 3])
    errors.push(await error(await make(matrix, { ...two, rounds }, { hessians: [hessian] })))
  expect(errors[1]).toBeLessThan(errors[0] ?? 0)
  expect(errors[2]).toBeLessThan(errors[1] ?? 0)
  expect(errors[0]).toBeLessThan(0.5 * rounded)
})

test.each(offeredWidths)(
  '%f bits with the book that is offered: less output error than the next wider grid of rows',
  async (bits) => {
    const matrix = gaussianMatrix(96, 144, 21)
    const hessian = await sampleHessian(144, 22)
    const shape = shapeFor(bits, matrix.rows * matrix.cols)
    const q = await make(matrix, { ...shape, rounds: 1 }, { hessians: [hessian] })
    const grid = { bits: Math.max(2, Math.ceil(bits)), granularity: 'channel', groupSize: 64, symmetric: true, search: 'mse' } as const // prettier-ignore
    const rounded = await rtn.apply(rowsOf(matrix), grid, { layer: 'test' })
    const error = async (made: CompressedMatrix) => (await outputError(rowsOf(matrix), made, hessian)).relative
    expect(await error(q)).toBeLessThan((await error(rounded)) * (bits < 2 ? 1.2 : 0.7))
  },
)

test('fewer dimensions: smaller, and no better', async () => {
  const matrix = gaussianMatrix(64, 144, 3)
  const errorAt = async (d: number) => weightError(rowsOf(matrix), await make(matrix, { k: 64, m: 6, d })).relative
  const errors = [await errorAt(2), await errorAt(4), await errorAt(6)]
  expect(errors[1]).toBeLessThan(errors[0] ?? 0)
  expect(errors[2]).toBeLessThan(errors[1] ?? 0)
  expect(bookBytes({ k: 64, m: 6, d: 2 })).toBeLessThan(bookBytes({ k: 64, m: 6, d: 4 }))
})

test('conjugate gradients over the book lower the output error of given codes', async () => {
  const { data: weights } = gaussianMatrix(32, 48, 4, 1)
  const parts = [{ begin: 0, end: 32, hessian: await sampleHessian(48, 5) }]
  const task = { weights, rows: 32, width: 48, rowWeights: new Float32Array(32).fill(1), parts, k: 16, m: 4, d: 3 }
  const book = firstBook(task, 0)
  const { codes } = nearestCodes(task, book)
  const error = async (words: Float32Array) => {
    const data = Float32Array.from(weights, (_, i) => words[(codes[i >> 2] ?? 0) * 4 + (i & 3)] ?? 0)
    const h = parts[0]?.hessian.data ?? new Float32Array()
    let sum = 0
    for (let r = 0; r < 32; r++)
      for (let i = 0; i < 48; i++)
        for (let j = 0; j < 48; j++) {
          const off = (c: number) => (weights[r * 48 + c] ?? 0) - (data[r * 48 + c] ?? 0)
          sum += off(i) * (h[i * 48 + j] ?? 0) * off(j)
        }
    return sum
  }
  const better = await fitBook(task, book, codes, 10, { layer: 'test' })
  expect(await error(lifted(better, 3, 4))).toBeLessThan(0.9 * (await error(lifted(book, 3, 4))))
})

test('the size is what the plan says; options fit their layer', async () => {
  const matrix = gaussianMatrix(24, 50, 6)
  for (const [k, m, d] of [
    [16, 2, 2],
    [64, 3, 2],
    [8, 4, 1],
  ] as const) {
    // prettier-ignore
    const q = await make(matrix, { k, m, d })
    const option = { id: 'x', method: 'lr2vq', bits: 2, parameters: { k, m, d } }
    expect(lr2vqCoding.form?.(option, matrix)).toEqual(codedForm(q))
    expect(lr2vqCoding.fault(q)).toBeNull()
    expect(dequantizeRows(q, 5, 24)).toEqual(dequantize(q).data.slice(250)) // from within a byte
  }
  for (const bits of offeredWidths)
    for (const weights of [500, 5000, 50_000, 1e7]) {
      const { k, m } = shapeFor(bits, weights)
      expect(Math.log2(k) / m).toBeCloseTo(bits, 0)
    }
})

test('the same for a seed and any number of threads; groups of a convolution; few channels a group', async () => {
  const matrix = gaussianMatrix(32, 30, 7)
  for (const groups of [1, 2, 32]) {
    const hessians = await Promise.all(Array.from({ length: groups }, (_, i) => sampleHessian(30, 8 + i)))
    const one = await make(matrix, { k: 16, m: 4, d: 3, rounds: 1 }, { hessians, threads: 1, seed: 3 })
    expect(await make(matrix, { k: 16, m: 4, d: 3, rounds: 1 }, { hessians, threads: 3, seed: 3 })).toEqual(one)
  }
})

test.each([
  [4, 1],
  [1, 5],
  [9, 7],
])('%i x %i: less than a sub-vector, and no whole number of them', async (rows, cols) => {
  const matrix = gaussianMatrix(rows, cols, rows)
  const hessian = await sampleHessian(cols, cols)
  for (const more of [{}, { hessians: [hessian] }, { importance: new Float32Array(cols).fill(2) }])
    expect(weightError(rowsOf(matrix), await make(matrix, { k: 256, m: 4, d: 4 }, more)).relative).toBeLessThan(0.01)
})

test('zeros stay zero in rows of zeros; what is not finite is refused; damage is told', async () => {
  const matrix = gaussianMatrix(6, 16, 9)
  matrix.data.fill(0, 16, 32)
  const q = await make(matrix, { k: 16, m: 2, d: 2 })
  expect(Math.max(...dequantize(q).data.slice(16, 32).map(Math.abs))).toBe(0)
  expect(lr2vqCoding.fault({ ...q, settings: { k: 15, m: 2, d: 2 } })).toMatch(/no power of two/)
  expect(lr2vqCoding.fault({ ...q, settings: { k: 16, m: 2, d: 3 } })).toMatch(/no book/)
  expect(lr2vqCoding.fault({ ...q, settings: { k: 32, m: 2, d: 2 } })).toMatch(/part codes/)
  matrix.data[20] = Infinity
  await expect(async () => make(matrix, {})).rejects.toThrow(/Layer test: weight \[1, 4\] is Infinity/)
})
