import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { outputError } from '../../../../src-main/engine/kernels/linear/error.ts'
import { readArtifact, writeArtifact } from '../../../../src-main/engine/quantize/artifact.ts'
import { codedBytes, type CodedMatrix, codedForm } from '../../../../src-main/engine/quantize/codings/define.ts'
import { pvqCoding } from '../../../../src-main/engine/quantize/codings/pvq.ts'
import { dequantize, dequantizeRows, weightError } from '../../../../src-main/engine/quantize/dequantize.ts'
import { pvq, pvqRows } from '../../../../src-main/engine/quantize/pvq.ts'
import { dimsFor, groupShape } from '../../../../src-main/engine/quantize/pvq/shape.ts'
import { rowsOf } from '../../../../src-main/engine/quantize/rows.ts'
import type { WeightMatrix } from '../../../../src-main/engine/quantize/types.ts'
import { gaussianMatrix } from '../../kernels/random.ts'
import { sampleHessian } from './hessian.ts'

type More = Parameters<typeof pvq.apply>[2]
const make = (matrix: WeightMatrix, p: object, more: Partial<More> = {}) =>
  pvq.apply(rowsOf(matrix), pvq.params.parse(p), { layer: 'test', ...more }) as Promise<CodedMatrix>
const relative = (matrix: WeightMatrix, q: CodedMatrix) => weightError(rowsOf(matrix), q).relative
const widths = [2, 2.25, 2.5, 3, 3.25, 3.5, 4]

test('each width has the size its plan says, and less error than the one before', async () => {
  const matrix = gaussianMatrix(96, 256, 1)
  const hessian = await sampleHessian(256, 2)
  let [before, beforeOut] = [Infinity, Infinity]
  for (const bits of widths) {
    const q = await make(matrix, { bits })
    const option = { id: 'pvq', method: 'pvq', bits, parameters: { dims: 16 } }
    expect(pvqCoding.form?.(option, matrix)).toEqual(codedForm(q))
    expect(pvqCoding.fault(q)).toBeNull()
    const levels = groupShape(16, bits).levels
    expect(codedBytes(q)).toBe((96 * 256 * bits) / 8 + 96 * 2 + levels * 4)
    expect(relative(matrix, q)).toBeLessThan(before)
    before = relative(matrix, q)
    const out = (await outputError(rowsOf(matrix), await make(matrix, { bits }, { hessians: [hessian] }), hessian))
      .relative
    expect(out).toBeLessThan(beforeOut)
    expect(out).toBeLessThan(0.6 * (await outputError(rowsOf(matrix), q, hessian)).relative)
    beforeOut = out
  }
})

// dB on normal weights; floors: measured values less 0.1. Scalar grids of the same bits: 9.2 (2.25), 15.2 (3.25).
test.each([
  [2.25, 16, 10.7],
  [3.25, 16, 17.0],
  [2.25, 32, 11.1],
  [3.25, 8, 15.9],
])('%d bits in groups of %i reach %d dB', async (bits, dims, floor) => {
  const matrix = gaussianMatrix(64, 512, 3)
  expect(-10 * Math.log10(relative(matrix, await make(matrix, { bits, dims })))).toBeGreaterThan(floor)
})

test('coordinate descent and importance lower what they are to lower', async () => {
  const matrix = gaussianMatrix(64, 160, 4)
  const hessian = await sampleHessian(160, 5)
  const errors = []
  for (const sweeps of [0, 1, 3])
    errors.push(
      (await outputError(rowsOf(matrix), await make(matrix, { bits: 2.5, sweeps }, { hessians: [hessian] }), hessian))
        .error,
    )
  expect(errors[1]).toBeLessThan(errors[0] ?? 0)
  expect(errors[2]).toBeLessThan(errors[1] ?? 0)
  const importance = Float32Array.from({ length: 160 }, (_, i) => (i % 8 === 0 ? 100 : 1))
  const weighted = (q: CodedMatrix) =>
    dequantize(q).data.reduce((sum, v, i) => sum + (importance[i % 160] ?? 0) * (v - (matrix.data[i] ?? 0)) ** 2, 0)
  expect(weighted(await make(matrix, { bits: 2.5 }, { importance }))).toBeLessThan(
    0.8 * weighted(await make(matrix, { bits: 2.5 })),
  )
})

test('any number of threads gives the same bytes, also calibrated and in groups of a convolution', async () => {
  const matrix = gaussianMatrix(128, 144, 6)
  const hessians = [await sampleHessian(144, 7), await sampleHessian(144, 8)]
  for (const more of [{}, { hessians }]) {
    const one = await make(matrix, { bits: 3 }, { ...more, threads: 1 })
    expect(await make(matrix, { bits: 3 }, { ...more, threads: 3 })).toEqual(one)
  }
})

test.each([
  [5, 1],
  [7, 3],
  [3, 16],
  [9, 37],
  [1, 250],
])('%i x %i: short and shorter last groups', async (rows, cols) => {
  const matrix = gaussianMatrix(rows, cols, rows)
  const hessian = await sampleHessian(cols, cols)
  for (const more of [{}, { hessians: [hessian] }]) {
    const q = await make(matrix, { bits: 4 }, more)
    expect(relative(matrix, q)).toBeLessThan(0.03)
    expect(dequantizeRows(q, 1, rows)).toEqual(dequantize(q).data.slice(cols))
  }
})

test('groups fit the row; pulses that no bits can number are refused', async () => {
  for (const [cols, dims] of [
    [256, 16],
    [100, 20],
    [9, 9],
    [576, 16],
    [27, 27],
    [1, 2],
  ] as const)
    // prettier-ignore
    expect(dimsFor(cols, 16)).toBe(dims)
  await expect(async () => make(gaussianMatrix(2, 32, 1), { bits: 2, pulses: 60 })).rejects.toThrow(
    /32 bits do not number/,
  )
})

test('zeros stay zero; what is not finite is refused by name', async () => {
  const matrix = gaussianMatrix(8, 64, 9)
  matrix.data.fill(0, 64, 128) // a row
  for (let r = 2; r < 6; r++) matrix.data.fill(0, r * 64 + 16, r * 64 + 32) // groups
  const q = dequantize(await make(matrix, { bits: 3 })).data
  matrix.data.forEach((w, i) => w === 0 && expect(Math.abs(q[i] ?? NaN)).toBe(0))
  expect((await make({ data: new Float32Array(64), rows: 4, cols: 16 }, {})).rows).toBe(4)
  matrix.data[70] = NaN
  await expect(async () => make(matrix, {})).rejects.toThrow(/Layer test: weight \[1, 6\] is NaN/)
})

test('an artifact holds it, and damage is told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-pvq-'))
  const q = await make(gaussianMatrix(8, 40, 10), { bits: 3 })
  const option = { id: 'pvq-3-d16', method: 'pvq', bits: 3, parameters: {} }
  const { path } = writeArtifact(folder, q, { layer: 'test', option, methodVersion: 1 })
  expect(readArtifact(path)).toEqual(q)
  rmSync(folder, { recursive: true })
  const { codes, scales } = q.parts
  expect(pvqCoding.fault({ ...q, settings: { ...q.settings, pulses: 90 } })).toMatch(/do not number/)
  expect(pvqCoding.fault({ ...q, settings: { ...q.settings, dims: 'x' } })).toMatch(/no pyramid of NaN/)
  expect(
    pvqCoding.fault({ ...q, parts: { ...q.parts, codes: { ...codes, data: new Uint8Array(3) } as never } }),
  ).toMatch(/part codes/)
  const infinite = new Uint8Array(scales?.data ?? [])
  infinite.set([0, 0x7c])
  expect(pvqCoding.fault({ ...q, parts: { ...q.parts, scales: { ...scales, data: infinite } as never } })).toMatch(
    /not finite/,
  )
})

test('activations: rows by themselves, gains kept from calibration', () => {
  const { data: x, rows, cols } = gaussianMatrix(50, 96, 11)
  const made = pvqRows(x, rows, cols, { bits: 4 })
  expect(made.bitsPerValue).toBeCloseTo(4 + 16 / 96)
  const error = made.values.reduce((sum, v, i) => sum + (v - (x[i] ?? 0)) ** 2, 0)
  expect(error / x.reduce((sum, v) => sum + v * v, 0)).toBeLessThan(0.008)
  const again = pvqRows(x.slice(96, 192), 1, cols, { bits: 4, levels: made.levels })
  expect(again.values).toEqual(made.values.slice(96, 192))
})
