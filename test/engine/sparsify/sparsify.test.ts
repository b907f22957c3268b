import { describe, expect, test } from 'vitest'
import { sparsityOf } from '../../../src-preload/contract/plan.ts'
import type { Layer } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { roundToHalf } from '../../../src-main/engine/kernels/float16.ts'
import { codedBytes, type CodedMatrix, codedForm } from '../../../src-main/engine/quantize/codings/define.ts'
import { codingOf } from '../../../src-main/engine/quantize/codings/registry.ts'
import { sparseCoding } from '../../../src-main/engine/quantize/codings/sparse.ts'
import { dequantize, dequantizeRows, weightError } from '../../../src-main/engine/quantize/dequantize.ts'
import { applyOption } from '../../../src-main/engine/quantize/options.ts'
import { rowsOf } from '../../../src-main/engine/quantize/rows.ts'
import { patterns } from '../../../src-main/engine/quantize/sparse/forms.ts'
import { readPlaces } from '../../../src-main/engine/quantize/sparse/places.ts'
import type { WeightMatrix } from '../../../src-main/engine/quantize/types.ts'
import { chooseMask } from '../../../src-main/engine/sparsify/mask.ts'
import { maskReference } from '../../../src-main/engine/sparsify/mask.ref.ts'
import { magnitude } from '../../../src-main/engine/sparsify/magnitude.ts'
import { wanda } from '../../../src-main/engine/sparsify/wanda.ts'
import { dataPath, hasData, skipReason } from '../../helpers/data.ts'
import { gaussianMatrix } from '../kernels/random.ts'

const seed = 51
const make = (method: typeof magnitude | typeof wanda, matrix: WeightMatrix, p: object, more: object = {}) =>
  method.apply(rowsOf(matrix), method.params.parse(p), { layer: 'test', ...more }) as CodedMatrix
const maskOf = (q: CodedMatrix) => readPlaces(q, 0, q.rows)?.mask ?? new Uint8Array()

test.each(patterns)(`%s: the entries a sort would keep (seed ${seed})`, (pattern) => {
  for (const [rows, cols] of [
    [1, 8],
    [6, 48],
    [17, 72],
  ] as const)
    for (const sparsity of [0.3, 0.5, 0.9])
      for (const per of ['row', 'layer'] as const)
        for (const unit of pattern === 'columns' ? [1, 8] : [1]) {
          const { data } = gaussianMatrix(rows, cols, seed + cols)
          const choice = { pattern, sparsity, unit, per }
          const mask = chooseMask(data, choice, { rows, cols }, { layer: 'test' })
          expect(mask).toEqual(maskReference(data, choice, rows, cols))
          const q = make(magnitude, { data, rows, cols }, { ...choice, width: 32 })
          expect(maskOf(q)).toEqual(mask)
          expect(dequantize(q).data).toEqual(data.map((w, i) => w * (mask[i] ?? 0) + 0).map((w) => w + 0))
        }
})

test('float16 values are the rounded weights; rows decode on their own', () => {
  const matrix = gaussianMatrix(9, 40, seed)
  for (const sparsity of [0.5, 0.93]) {
    const q = make(magnitude, matrix, { sparsity, width: 16 })
    const unit = new Float32Array(q.parts.unit?.data.slice().buffer ?? new ArrayBuffer(4))[0] ?? 1
    const mask = maskOf(q)
    expect(dequantize(q).data).toEqual(matrix.data.map((w, i) => (mask[i] ? roundToHalf(w / unit) * unit : 0)))
    for (const pattern of ['unstructured', '2:4', 'columns'])
      for (const width of [16, 3]) {
        const own = make(magnitude, matrix, { pattern, sparsity, width, groupSize: 16 })
        expect(dequantizeRows(own, 3, 7)).toEqual(dequantize(own).data.slice(3 * 40, 7 * 40))
      }
  }
})

test('more bits and fewer zeros never lose; zeros stay zero', () => {
  const matrix = gaussianMatrix(24, 96, seed)
  const error = (p: object) => weightError(rowsOf(matrix), make(magnitude, matrix, p)).relative
  for (const pattern of ['unstructured', 'columns']) {
    for (const width of [3, 8, 16]) {
      const errors = [0.25, 0.5, 0.75].map((sparsity) => error({ pattern, sparsity, width, groupSize: 32 }))
      expect(errors).toEqual(errors.toSorted((a, b) => a - b))
    }
    const errors = [2, 3, 4, 8].map((width) => error({ pattern, sparsity: 0.5, width, groupSize: 32 }))
    expect(errors).toEqual(errors.toSorted((a, b) => b - a))
  }
})

test('Wanda keeps what a plain loop keeps by |w| ||x||; without inputs it is magnitude within rows', () => {
  const matrix = gaussianMatrix(12, 40, seed + 3)
  const importance = Float32Array.from({ length: 40 }, (_, c) => (c % 7 === 2 ? 9 : 0.5 + (c % 3)))
  const q = make(wanda, matrix, { sparsity: 0.5, width: 32 }, { importance })
  for (let r = 0; r < 12; r++) {
    const order = [...Array(40).keys()].sort((a, b) => score(r, b) - score(r, a)).slice(0, 20)
    expect([...maskOf(q).subarray(r * 40, (r + 1) * 40).entries()].filter(([, bit]) => bit).map(([c]) => c)).toEqual(order.sort((a, b) => a - b)) // prettier-ignore
  }
  expect(maskOf(make(wanda, matrix, { width: 32 }))).toEqual(maskOf(make(magnitude, matrix, { width: 32, per: 'row' })))

  function score(r: number, c: number): number {
    return Math.abs(matrix.data[r * 40 + c] ?? 0) * Math.sqrt(importance[c] ?? 0)
  }
})

const layer = (rows: number, cols: number, more: Partial<Layer> = {}): Layer => ({
  ...{ name: 'l', role: 'up', block: 0, shape: [cols, rows], dtype: 'float32', bytes: rows * cols * 4 },
  ...{ parameters: rows * cols, compressible: true, rows, cols, order: 'cols', op: 'MatMul' },
  ...more,
}) // prettier-ignore

test('options say their bytes and their share of zeros before they are made', async () => {
  const matrix = gaussianMatrix(40, 72, seed)
  for (const method of [magnitude, wanda]) {
    const options = method.options?.(layer(40, 72), method.params.parse({})) ?? []
    const ids = options.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ['50-f16', '90-w4', '2:4-w8', 'columns-25-f16']) expect(ids).toContain(`${method.id}-${id}`)
    for (const option of options) {
      const q = (await applyOption(matrix, option)) as CodedMatrix
      expect(sparseCoding.form?.(option, matrix), option.id).toEqual(codedForm(q))
      expect((option.bits * 40 * 72) / 8).toBeCloseTo(codedBytes(q), 6)
      const zeros = maskOf(q).reduce((sum, bit) => sum + 1 - bit, 0)
      expect(sparsityOf(option)).toBeCloseTo(zeros / (40 * 72), 12)
      expect(codingOf(q).fault(q)).toBeNull()
    }
  }
  const only = magnitude.options?.(layer(40, 72), magnitude.params.parse({ pattern: '2:4', width: 8 })) ?? []
  expect(only.map(({ id }) => id)).toEqual(['magnitude-2:4-w8'])
  expect(magnitude.options?.(layer(40, 70), magnitude.params.parse({ pattern: '4:8' }))).toEqual([])
  const depthwise = layer(32, 9, { op: 'Conv', shape: [32, 1, 3, 3] })
  expect(magnitude.options?.(depthwise, magnitude.params.parse({ pattern: 'columns' }))).toEqual([])
  const conv = magnitude.options?.(layer(32, 72, { op: 'Conv', shape: [32, 8, 3, 3] }), magnitude.params.parse({ pattern: 'columns' })) // prettier-ignore
  expect(conv?.map(({ parameters }) => parameters.unit)).toContain(9)
})

test('few weights cost fewer bits for their places than a mask: the smaller form is taken, to the byte', () => {
  const matrix = gaussianMatrix(64, 256, seed)
  for (const [sparsity, part] of [
    [0.5, 'mask'],
    [0.9, 'low'],
    [0.99, 'low'],
  ] as const) {
    const q = make(magnitude, matrix, { sparsity, width: 8, groupSize: 0 })
    expect(Object.keys(q.parts)).toContain(part)
    const kept = Math.round((1 - sparsity) * 64 * 256)
    const places = codedBytes(q) - kept - 64 * 2 - 4
    expect(places).toBeLessThanOrEqual((64 * 256) / 8)
    const share = kept / (64 * 256)
    const entropy = (-share * Math.log2(share) - (1 - share) * Math.log2(1 - share)) * 64 * 256
    expect(places * 8).toBeLessThan(1.15 * entropy)
  }
})

test('damaged parts and settings are named', () => {
  const matrix = gaussianMatrix(8, 16, seed)
  const fault = (q: CodedMatrix, settings: object, parts: object = {}) =>
    sparseCoding.fault({ ...q, settings: { ...q.settings, ...settings }, parts: { ...q.parts, ...parts } })
  const q = make(magnitude, matrix, { sparsity: 0.5, width: 8, groupSize: 0 })
  expect(fault(q, {})).toBeNull()
  expect(fault(q, { width: 9 })).toMatch(/values of 9 bits/)
  expect(fault(q, { pattern: '3:5' })).toMatch(/no pattern 3:5/)
  expect(fault(q, { kept: 63 })).toMatch(/part values is not 63 bytes/)
  expect(fault(q, { kept: -1 })).toMatch(/keep -1/)
  expect(fault(q, { groupSize: 0.5 })).toMatch(/groups of 0.5/)
  expect(fault(q, {}, { mask: { dtype: 'uint8', shape: [16], data: new Uint8Array(16) } })).toMatch(
    /places are 0, not 64/,
  )
  expect(fault(q, {}, { unit: { dtype: 'float32', shape: [1], data: new Uint8Array([0, 0, 192, 127]) } })).toMatch(/unit is not finite/) // prettier-ignore
  const columns = make(magnitude, matrix, { pattern: 'columns', sparsity: 0.5, width: 16 })
  expect(fault(columns, { unit: 3 })).toMatch(/channels of 3/)
  expect(fault(columns, { kept: 60 })).toMatch(/no whole columns/)
  const pairs = make(magnitude, matrix, { pattern: '2:4', width: 16 })
  expect(fault(pairs, { pattern: '1:4' })).toMatch(/are not 1:4/)
  expect(fault(pairs, {}, { patterns: { dtype: 'uint8', shape: [12], data: new Uint8Array(12).fill(255) } })).toMatch(/places lie outside/) // prettier-ignore
  const few = make(magnitude, gaussianMatrix(16, 64, 3), { sparsity: 0.95, width: 16 })
  const high = few.parts.high?.data ?? new Uint8Array()
  expect(fault(few, {}, { high: { dtype: 'uint8', shape: [high.length], data: high.map(() => 0) } })).toMatch(/places lie outside/) // prettier-ignore
})

test('what does not fit is refused by name', () => {
  const matrix = gaussianMatrix(4, 10, seed)
  expect(() => make(magnitude, matrix, { pattern: '2:4' })).toThrow(
    /Layer test: rows of 10 weights do not hold the pattern 2:4/,
  )
  expect(() => make(magnitude, matrix, { pattern: 'columns', unit: 3 })).toThrow(/columns/)
  matrix.data[13] = NaN
  expect(() => make(magnitude, matrix, {})).toThrow(/Layer test: weight \[1, 3\] is NaN/)
  const zeros = make(magnitude, { data: new Float32Array(64), rows: 4, cols: 16 }, { width: 4 })
  expect(dequantize(zeros).data.every((w) => w === 0)).toBe(true)
})

describe.skipIf(!hasData)(`on a real model (${skipReason} otherwise)`, () => {
  test('every layer of stories260K takes every option, at the bytes it says', async () => {
    const network = openNetwork(dataPath('stories260K'))
    for (const own of network.layers.filter(({ compressible, block }) => compressible && (block ?? 0) === 0)) {
      const data = gaussianMatrix(own.rows, own.cols, seed)
      for (const option of wanda.options?.(own, wanda.params.parse({})) ?? []) {
        const q = (await applyOption(data, option)) as CodedMatrix
        expect(sparseCoding.form?.(option, own)).toEqual(codedForm(q))
      }
    }
  })
})
