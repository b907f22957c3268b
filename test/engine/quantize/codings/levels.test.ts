import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createHessian } from '../../../../src-main/engine/kernels/linear/hessian.ts'
import { outputError } from '../../../../src-main/engine/kernels/linear/error.ts'
import { readArtifact, writeArtifact } from '../../../../src-main/engine/quantize/artifact.ts'
import { type CodedMatrix, codedBytes, codedForm } from '../../../../src-main/engine/quantize/codings/define.ts'
import { codedFormOf, codingOf } from '../../../../src-main/engine/quantize/codings/registry.ts'
import { normalFloat } from '../../../../src-main/engine/quantize/codings/nf4.ts'
import { dequantize, dequantizeRows, weightError } from '../../../../src-main/engine/quantize/dequantize.ts'
import { applyOption } from '../../../../src-main/engine/quantize/options.ts'
import { rowsOf } from '../../../../src-main/engine/quantize/rows.ts'
import type { Option } from '../../../../src-preload/contract/plan.ts'
import { gaussian, gaussianMatrix } from '../../kernels/random.ts'
import { temporaryFolder } from '../../score/network.ts'

const option = (method: string, bits: number, parameters: Option['parameters'] = {}): Option => ({
  id: `${method}-${bits}`,
  ...{ method, bits, parameters },
})

// Each with the bits a weight takes in 64 columns, all overhead counted, and a floor of its signal to noise on normal weights, in
// dB: measured values less 0.2 dB.
const all: [option: Option, bits: number, floor: number][] = [
  [option('nf4', 4, { groupSize: 64 }), 4.25, 21.4],
  [option('nf4', 4, { groupSize: 32 }), 4.5, 22.0],
  [option('fp8', 8, { type: 'e4m3', granularity: 'channel' }), 8.5, 31.8],
  [option('fp8', 8, { type: 'e5m2', granularity: 'tensor' }), 8, 25.4],
  [option('fp8', 8, { type: 'e4m3', granularity: 'group', groupSize: 32 }), 8.5, 33.6],
  [option('mxfp4', 4), 4.25, 18.9],
  [option('nvfp4', 4), 4.5, 21.3],
  [option('denseshift', 2, { groupSize: 64 }), 2.25, 8.0],
  [option('denseshift', 3, { groupSize: 64 }), 3.25, 14.2],
  [option('denseshift', 4, { groupSize: 0, shiftOnly: true }), 4.25, 13.9],
  [option('luq', 1, { groupSize: 64 }), 1.25, 4.3],
  [option('luq', 1.58, { groupSize: 64 }), 1.85, 7.1],
  [option('luq', 2, { groupSize: 64 }), 2.25, 9.3],
]
const codedOf = async (...args: Parameters<typeof applyOption>) => (await applyOption(...args)) as CodedMatrix
const db = (relative: number) => -10 * Math.log10(relative)

test.each(all)('$id $parameters: bytes as told, the search never above the plain scale, any thread count alike', async (one, bits, floor) => {
  const matrix = gaussianMatrix(200, 640, 3) // seed 3
  const shape = { rows: 64, cols: 64 }
  const small = await codedOf(gaussianMatrix(64, 64, 5), one)
  expect(codedForm(small)).toEqual(codedFormOf(one, shape))
  expect(codedForm(await codedOf(matrix, one))).toEqual(codedFormOf(one, matrix))
  expect((codedBytes(small) * 8) / 4096).toBeGreaterThanOrEqual(bits)
  expect((codedBytes(small) * 8) / 4096).toBeLessThan(bits + 0.02)
  const rows = rowsOf(matrix)
  const [found, plain] = [await codedOf(matrix, one), await codedOf(matrix, { ...one, parameters: { ...one.parameters, search: 'none' } })] // prettier-ignore
  const errors = [found, plain].map((q) => weightError(rows, q).relative)
  expect(errors[0]).toBeLessThanOrEqual(errors[1] ?? 0)
  expect(db(errors[0] ?? 1)).toBeGreaterThan(floor)
  for (const threads of [1, 2, 3]) expect(await codedOf(matrix, one, { layer: 'w', threads })).toEqual(found)
  expect(codingOf(found).fault(found)).toBeNull()
  const [whole, part] = [dequantize(found).data, dequantizeRows(found, 37, 53)]
  expect(part).toEqual(whole.subarray(37 * 640, 53 * 640))
}) // prettier-ignore

test.each(all)('$id $parameters: weighs errors, keeps zeros and what its levels are', async (one) => {
  const matrix = gaussianMatrix(8, 96, 4)
  const importance = Float32Array.from({ length: 96 }, (_, c) => (c % 3 === 0 ? 100 : 0.01))
  const weighted = async (importanceOf?: Float32Array) => {
    const { data } = dequantize(await codedOf(matrix, one, { layer: 'w', ...(importanceOf && { importance: importanceOf }) })) // prettier-ignore
    return data.reduce((sum, w, i) => sum + (importance[i % 96] ?? 0) * (w - (matrix.data[i] ?? 0)) ** 2, 0)
  }
  expect(await weighted(importance)).toBeLessThanOrEqual((await weighted()) * (1 + 1e-6))
  // What was coded once loses less the second time.
  const first = await codedOf(matrix, one)
  const again = dequantize(first)
  const relative = weightError(rowsOf(again), await codedOf(again, one)).relative
  expect(relative).toBeLessThan(0.7 * weightError(rowsOf(matrix), first).relative)
})

test.each(all)('$id $parameters: rows of zeros, one column, groups that do not divide, extreme sizes', async (one) => {
  const zeros = { rows: 4, cols: 40, data: new Float32Array(160) }
  expect(dequantize(await codedOf(zeros, one)).data.every((w) => w === 0)).toBe(true)
  const column = { rows: 50, cols: 1, data: gaussianMatrix(50, 1, 2).data }
  expect(weightError(rowsOf(column), await codedOf(column, one)).relative).toBeLessThan(0.7)
  const odd = gaussianMatrix(5, 77, 6)
  odd.data.fill(0, 77, 154)
  const q = await codedOf(odd, one)
  expect(codingOf(q).fault(q)).toBeNull()
  expect(weightError(rowsOf(odd), q).relative).toBeLessThan(0.5)
  for (const size of [1e-30, 1e-6, 1e9, 3e37]) {
    const scaled = { ...odd, data: odd.data.map((w) => w * size) }
    const coded = await codedOf(scaled, one)
    expect(codingOf(coded).fault(coded), `${size}`).toBeNull()
    expect(dequantize(coded).data.every(Number.isFinite), `${size}`).toBe(true)
    if (one.parameters.shiftOnly !== true) expect(weightError(rowsOf(scaled), coded).relative, `${size}`).toBeLessThan(0.55)
  }
}) // prettier-ignore

test.each(all)('$id $parameters: a weight that is not finite is named', async (one) => {
  for (const value of [NaN, Infinity, -Infinity]) {
    const matrix = gaussianMatrix(20, 33, 6)
    matrix.data[7 * 33 + 5] = value
    await expect(codedOf(matrix, one, { layer: 'a.b' })).rejects.toThrow(`Layer a.b: weight [7, 5] is ${value}.`)
  }
})

test.each(all)('$id $parameters: an artifact comes back; one with a damaged part is refused', async (one) => {
  const folder = join(temporaryFolder(), 'artifacts')
  mkdirSync(folder)
  const q = await codedOf(gaussianMatrix(12, 80, 8), one)
  const { path } = writeArtifact(folder, q, { layer: 'w', option: one, methodVersion: 1 })
  expect(readArtifact(path)).toEqual(q)
  expect(readFileSync(path).length).toBeGreaterThan(codedBytes(q))
  const fault = (changes: Partial<CodedMatrix>) => codingOf(q).fault({ ...q, ...changes })
  const { codes, scales } = q.parts as Record<'codes' | 'scales', CodedMatrix['parts'][string]>
  expect(fault({ parts: { ...q.parts, codes: { ...codes, data: codes.data.slice(1) } } })).toContain('codes')
  expect(fault({ parts: { codes } })).toContain('scales')
  expect(fault({ parts: { ...q.parts, more: codes } })).toContain('more')
  expect(fault({ parts: { ...q.parts, scales: { ...scales, dtype: 'int8' } } })).toContain('scales')
  expect(fault({ parts: { ...q.parts, scales: { ...scales, data: scales.data.map(() => 0xff) } } })).toContain('scale')
  expect(fault({ rows: 13 })).not.toBeNull()
  expect(fault({ settings: { ...q.settings, groupSize: 0 } })).toContain('group size')
  expect(fault({ settings: { ...q.settings, granularity: 'block' } })).toContain('granularity')
  if ('bits' in q.settings) expect(fault({ settings: { ...q.settings, bits: 7 } })).toContain('settings')
  if (one.method === 'fp8') expect(fault({ parts: { ...q.parts, codes: { ...codes, data: codes.data.fill(0x7f) } } })).toContain('code 127') // prettier-ignore
  if (one.bits === 1.58) expect(fault({ parts: { ...q.parts, codes: { ...codes, data: codes.data.fill(243) } } })).toContain('242') // prettier-ignore
})

test('NF4 has the quantiles of the normal distribution that the paper derives it from', () => {
  // Dettmers et al. 2023, appendix E and bitsandbytes: 8 quantiles above, 7 below, offset 0.9677083, scaled to 1.
  const quantile = (p: number): number => {
    let [low, high] = [-8, 8]
    const normal = (x: number) => {
      let sum = 0.5
      const step = x / 4000
      for (let i = 0; i < 4000; i++) sum += (Math.exp(-(((i + 0.5) * step) ** 2) / 2) * step) / Math.sqrt(2 * Math.PI)
      return sum
    }
    for (let i = 0; i < 50; i++) {
      const middle = (low + high) / 2
      if (normal(middle) < p) low = middle
      else high = middle
    }
    return low
  }
  const offset = 0.9677083
  const side = (count: number) =>
    Array.from({ length: count }, (_, i) => quantile(offset + ((0.5 - offset) * i) / count))
  const most = quantile(offset)
  const wanted = [...side(7).map((v) => -v), 0, ...side(8)].map((v) => v / most).sort((a, b) => a - b)
  normalFloat.forEach((value, i) => expect(value).toBeCloseTo(wanted[i] ?? 9, 4))
})

test('scales of powers of two, and NVFP4 scales, are what the formats allow', async () => {
  const matrix = gaussianMatrix(16, 64, 9)
  const shift = await codedOf(matrix, option('denseshift', 3, { shiftOnly: true }))
  for (const w of dequantize(shift).data) expect(Math.abs(Math.log2(Math.abs(w)) % 1)).toBe(0)
  const { parts } = await codedOf(matrix, option('nvfp4', 4))
  expect([...new Set(parts.scales?.data)].every((code) => code < 0x7f)).toBe(true)
  expect(Math.max(...(parts.scales?.data ?? []))).toBeGreaterThanOrEqual(0x76) // the largest group uses the whole range
})

test('error feedback under a Hessian lowers the error of the outputs', async () => {
  const [rows, cols, samples] = [48, 96, 400]
  const matrix = gaussianMatrix(rows, cols, 12)
  const next = gaussian(13)
  const x = new Float32Array(samples * cols)
  for (let r = 0; r < samples; r++) {
    const common = next()
    for (let c = 0; c < cols; c++) x[r * cols + c] = 0.7 * common + next() * (c % 5 === 0 ? 3 : 0.5)
  }
  const sum = createHessian(cols)
  await sum.add(x)
  const hessian = sum.finish()
  for (const [one] of all) {
    const error = async (feedback: boolean) => {
      const context = { layer: 'w', hessians: [hessian] }
      const q = await codedOf(matrix, { ...one, parameters: { ...one.parameters, feedback } }, context)
      expect(codingOf(q).fault(q)).toBeNull()
      return (await outputError(rowsOf(matrix), q, hessian)).relative
    }
    const [fed, nearest] = [await error(true), await error(false)]
    expect(fed, one.id).toBeLessThan(nearest)
  }
  // One Hessian for each group of a convolution: the first half of the rows, and the second.
  const split = await codedOf(matrix, option('nf4', 4), { layer: 'w', hessians: [hessian, hessian] })
  expect(dequantize(split)).toEqual(dequantize(await codedOf(matrix, option('nf4', 4), { layer: 'w', hessians: [hessian] }))) // prettier-ignore
})
