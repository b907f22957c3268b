import { expect, test } from 'vitest'
import { outputError, quadratic } from '../../../../src-main/engine/kernels/linear/error.ts'
import { bipft } from '../../../../src-main/engine/quantize/bipft.ts'
import { bipftCoding } from '../../../../src-main/engine/quantize/codings/bipft.ts'
import { codedBytes, type CodedMatrix, codedForm } from '../../../../src-main/engine/quantize/codings/define.ts'
import { sidecarCoding } from '../../../../src-main/engine/quantize/codings/sidecar.ts'
import { dequantize, dequantizeRows, weightError } from '../../../../src-main/engine/quantize/dequantize.ts'
import { gptq } from '../../../../src-main/engine/quantize/gptq.ts'
import { rowsOf } from '../../../../src-main/engine/quantize/rows.ts'
import { sidecar } from '../../../../src-main/engine/quantize/sidecar.ts'
import { fitFactors } from '../../../../src-main/engine/quantize/sidecar/factors.ts'
import type { WeightMatrix } from '../../../../src-main/engine/quantize/types.ts'
import { gaussianMatrix } from '../../kernels/random.ts'
import { sampleHessian } from './hessian.ts'

type More = Partial<Parameters<typeof bipft.apply>[2]>
const signs = (matrix: WeightMatrix, p: object, more: More = {}) =>
  bipft.apply(rowsOf(matrix), bipft.params.parse(p), { layer: 'test', ...more }) as Promise<CodedMatrix>
const beside = (matrix: WeightMatrix, p: object, more: More = {}) =>
  sidecar.apply(rowsOf(matrix), sidecar.params.parse(p), { layer: 'test', ...more }) as Promise<CodedMatrix>

/** Weights whose spread has a few strong directions, as trained layers have. */
function lowRankPlus(rows: number, cols: number, seed: number): WeightMatrix {
  const matrix = gaussianMatrix(rows, cols, seed)
  const [left, right] = [gaussianMatrix(rows, 3, seed + 1, 0.1), gaussianMatrix(3, cols, seed + 2, 0.3)]
  matrix.data.forEach((w, i) => {
    let sum = w
    for (let k = 0; k < 3; k++)
      sum += (left.data[Math.floor(i / cols) * 3 + k] ?? 0) * (right.data[k * cols + (i % cols)] ?? 0)
    matrix.data[i] = sum
  })
  return matrix
}

test('a correction of rank r takes what is of rank r; more rank never loses, in the metric', async () => {
  const hessian = await sampleHessian(64, 1)
  const { data: error } = gaussianMatrix(48, 64, 2)
  const left = async (rank: number, type: 'int8' | 'int4' | 'float16') => {
    const { values } = await fitFactors(error, { rows: 48, cols: 64, rank, type }, hessian, {})
    const rest = error.map((x, i) => x - (values[i] ?? 0))
    return quadratic(rest, 48, hessian)
  }
  const whole = await quadratic(error, 48, hessian)
  let before = whole
  for (const rank of [1, 4, 16, 48]) {
    const own = await left(rank, 'float16')
    expect(own).toBeLessThan(before)
    expect(await left(rank, 'int8')).toBeLessThan(own + 0.01 * whole)
    expect(await left(rank, 'int4')).toBeLessThan(own + 0.1 * whole)
    before = own
  }
  expect(before).toBeLessThan(1e-5 * whole)
})

test('the metric counts: a correction for these inputs beats one for weights alone', async () => {
  const hessian = await sampleHessian(64, 3)
  const { data: error } = gaussianMatrix(48, 64, 4)
  const errors = []
  for (const metric of [hessian, null]) {
    const { values } = await fitFactors(error, { rows: 48, cols: 64, rank: 4, type: 'float16' }, metric, {})
    errors.push(await quadratic(error.map((x, i) => x - (values[i] ?? 0)), 48, hessian)) // prettier-ignore
  }
  expect(errors[0]).toBeLessThan(0.95 * (errors[1] ?? 0))
})

test('side-car: less error than its grid, at the size the plan says', async () => {
  const matrix = gaussianMatrix(64, 128, 5)
  const hessians = [await sampleHessian(128, 6)]
  const error = async (q: Parameters<typeof outputError>[1]) =>
    (await outputError(rowsOf(matrix), q, hessians)).relative
  for (const bits of [2, 3]) {
    const grid = gptq.params.parse({ bits, groupSize: 64 })
    const alone = await error(await gptq.apply(rowsOf(matrix), grid, { layer: 'test', hessians }))
    const q = await beside(matrix, { bits, rank: 8 }, { hessians })
    expect(await error(q)).toBeLessThan(0.9 * alone)
    const parameters = { groupSize: 64, symmetric: true, rank: 8, factors: 'int8' }
    const option = { id: 'x', method: 'sidecar', bits, parameters }
    expect(sidecarCoding.form?.(option, matrix)).toEqual(codedForm(q))
    expect(codedBytes(q)).toBe((64 * 128 * bits) / 8 + 64 * 2 * 2 + 4 + 8 * (64 + 128 + 4))
  }
})

test('signs: rank lowers the error, calibration more so, each turn never raises it', async () => {
  const matrix = lowRankPlus(64, 100, 7)
  const hessians = [await sampleHessian(100, 8)]
  const error = async (q: CodedMatrix) => (await outputError(rowsOf(matrix), q, hessians)).relative
  let before = Infinity
  for (const rank of [0, 2, 4, 8]) {
    const q = await signs(matrix, { rank }, { hessians })
    expect(bipftCoding.form?.({ id: 'x', method: 'bipft', bits: 1, parameters: { rank, factors: 'int8' } }, matrix)).toEqual(codedForm(q)) // prettier-ignore
    expect(await error(q)).toBeLessThan(before)
    expect(await error(q)).toBeLessThan(await error(await signs(matrix, { rank })))
    before = await error(q)
  }
  const turns = []
  for (const rounds of [0, 1, 4]) turns.push(await error(await signs(matrix, { rank: 4, rounds }, { hessians })))
  expect(turns[1]).toBeLessThan(turns[0] ?? 0)
  expect(turns[2]).toBeLessThanOrEqual(turns[1] ?? 0)
})

test('signs alone without data are the best signs: mean size, sign of each weight', async () => {
  const matrix = gaussianMatrix(16, 40, 9)
  const q = dequantize(await signs(matrix, { rank: 0 })).data
  for (let r = 0; r < 16; r++) {
    const row = matrix.data.subarray(r * 40, (r + 1) * 40)
    const mean = row.reduce((sum, w) => sum + Math.abs(w), 0) / 40
    row.forEach((w, c) => expect((q[r * 40 + c] ?? 0) / (Math.sign(w) * mean)).toBeCloseTo(1, 2))
  }
})

test.each([
  [5, 1],
  [1, 9],
  [7, 13],
])('%i x %i: tails, rows on their own, any number of threads', async (rows, cols) => {
  const matrix = gaussianMatrix(rows, cols, rows)
  const hessians = [await sampleHessian(cols, cols)]
  for (const make of [signs, beside])
    for (const more of [{}, { hessians }]) {
      const q = await make(matrix, { rank: 2 }, { ...more, threads: 1 })
      expect(await make(matrix, { rank: 2 }, { ...more, threads: 3 })).toEqual(q)
      expect(weightError(rowsOf(matrix), q).relative).toBeLessThan(0.6)
      expect(dequantizeRows(q, 1, rows)).toEqual(dequantize(q).data.slice(cols))
    }
})

test.each([1e-12, 1, 1e12])('weights of size %d keep their precision; affine grids too', async (size) => {
  const matrix = gaussianMatrix(8, 64, 10)
  const at = { ...matrix, data: matrix.data.map((w) => w * size) }
  for (const symmetric of [true, false]) {
    const p = { bits: 4, rank: 2, symmetric }
    const here = weightError(rowsOf(matrix), await beside(matrix, p)).relative
    const there = await beside(at, p)
    expect(weightError(rowsOf(at), there).relative / here).toBeCloseTo(1, 1)
    expect(sidecarCoding.fault(there)).toBeNull()
  }
})

test('zeros, what is not finite, and damage', async () => {
  const zeros = { data: new Float32Array(64), rows: 4, cols: 16 }
  expect(Math.max(...dequantize(await signs(zeros, { rank: 1 })).data.map(Math.abs))).toBe(0)
  expect(Math.max(...dequantize(await beside(zeros, { rank: 1 })).data.map(Math.abs))).toBe(0)
  const q = await beside(gaussianMatrix(8, 16, 11), { rank: 2 })
  expect(sidecarCoding.fault({ ...q, settings: { ...q.settings, rank: 3 } })).toMatch(/part left/)
  expect(sidecarCoding.fault({ ...q, settings: { ...q.settings, bits: 9 } })).toMatch(/no grid of 9 bits/)
  expect(sidecarCoding.fault({ ...q, settings: { ...q.settings, factors: 'int3' } })).toMatch(/no factors/)
  const b = await signs(gaussianMatrix(8, 16, 12), { rank: 2 })
  expect(bipftCoding.fault(b)).toBeNull()
  expect(bipftCoding.fault({ ...b, settings: { ...b.settings, rank: -1 } })).toMatch(/rank -1/)
  zeros.data[17] = -Infinity
  await expect(async () => signs(zeros, {})).rejects.toThrow(/Layer test: weight \[1, 1\] is -Infinity/)
  await expect(async () => beside(zeros, {})).rejects.toThrow(/Layer test: weight \[1, 1\] is -Infinity/)
})
