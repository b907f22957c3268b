import { describe, expect, test } from 'vitest'
import { rankShareOf } from '../../../src-preload/contract/plan.ts'
import { collectHessians } from '../../../src-main/engine/calibrate/collect.ts'
import type { Layer } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { weightRows } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { asvd } from '../../../src-main/engine/factorize/asvd.ts'
import { strongestOutputs } from '../../../src-main/engine/factorize/basis.ts'
import { svd } from '../../../src-main/engine/factorize/svd.ts'
import { outputError } from '../../../src-main/engine/kernels/linear/error.ts'
import type { Hessian } from '../../../src-main/engine/kernels/linear/types.ts'
import { symmetricEigen as jacobi } from '../../../src-main/engine/kernels/vectors/eigen.ts'
import { codedBytes, type CodedMatrix, codedForm } from '../../../src-main/engine/quantize/codings/define.ts'
import { lowRankCoding } from '../../../src-main/engine/quantize/codings/low-rank.ts'
import { dequantize, dequantizeRows, weightError } from '../../../src-main/engine/quantize/dequantize.ts'
import { applyOption } from '../../../src-main/engine/quantize/options.ts'
import { rowsOf } from '../../../src-main/engine/quantize/rows.ts'
import type { WeightMatrix } from '../../../src-main/engine/quantize/types.ts'
import { dataPath, hasData, skipReason } from '../../helpers/data.ts'
import { gaussianMatrix } from '../kernels/random.ts'
import { sampleHessian } from '../quantize/vectors/hessian.ts'

const seed = 31
const make = (method: typeof svd | typeof asvd, matrix: WeightMatrix, p: object, more: object = {}) =>
  method.apply(rowsOf(matrix), method.params.parse(p), { layer: 'test', ...more }) as Promise<CodedMatrix>
const shapes = [
  [24, 40],
  [40, 24],
  [33, 33],
] as const

/** Eigenvalues of W H W^T by plain loops and Jacobi rotations: the squares of the singular values of W H^1/2. */
function spectrumReference({ data, rows, cols }: WeightMatrix, h: Hessian | null): number[] {
  const gram = new Float64Array(rows * rows)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < rows; j++)
      for (let a = 0; a < cols; a++)
        for (let b = h ? 0 : a; b < (h ? cols : a + 1); b++)
          gram[i * rows + j] =
            (gram[i * rows + j] ?? 0) + (data[i * cols + a] ?? 0) * (h ? (h.data[a * cols + b] ?? 0) : 1) * (data[j * cols + b] ?? 0) // prettier-ignore
  return [...jacobi(gram, rows).values]
}
const tail = (values: number[], rank: number) => values.slice(rank).reduce((sum, x) => sum + Math.max(0, x), 0)
const sum = (values: number[]) => tail(values, 0)

test.each(shapes)(`SVD of %i x %i loses what the singular values left out say, and no rank loses less (seed ${seed})`, async (rows, cols) => {
  const matrix = gaussianMatrix(rows, cols, seed + rows)
  const values = spectrumReference(matrix, null)
  for (const rank of [1, 5, 20]) {
    const q = await make(svd, matrix, { rank })
    expect(weightError(rowsOf(matrix), q).relative).toBeCloseTo(tail(values, rank) / sum(values), 5)
  }
  const whole = await make(svd, matrix, { rankShare: 1 })
  expect(weightError(rowsOf(matrix), whole).relative).toBeLessThan(1e-6)
}) // prettier-ignore

test.each(shapes)('whitened SVD of %i x %i loses in output what its singular values say: the least there is', async (rows, cols) => {
  const matrix = gaussianMatrix(rows, cols, seed + cols)
  const hessian = await sampleHessian(cols, seed)
  const values = spectrumReference(matrix, hessian)
  for (const rank of [1, 5, 16]) {
    const q = await make(asvd, matrix, { rank }, { hessians: [hessian] })
    const lost = (await outputError(rowsOf(matrix), q, hessian)).relative
    expect(lost).toBeCloseTo(tail(values, rank) / sum(values), 4)
    const plain = (await outputError(rowsOf(matrix), await make(svd, matrix, { rank }), hessian)).relative
    expect(lost).toBeLessThan(0.97 * plain)
    const importance = Float32Array.from({ length: cols }, (_, i) => hessian.data[i * (cols + 1)] ?? 0)
    const scaled = await outputError(rowsOf(matrix), await make(asvd, matrix, { rank }, { importance }), hessian)
    expect(scaled.relative).toBeGreaterThanOrEqual(0.999 * lost)
    expect(scaled.relative).toBeLessThan(plain)
  }
}) // prettier-ignore

test('few directions of many: the subspace gives what the whole decomposition gives', async () => {
  const [rows, cols] = [1100, 1040]
  const matrix = gaussianMatrix(rows, cols, seed)
  // A spectrum that falls, as trained layers have.
  const low = [gaussianMatrix(rows, 12, seed + 1, 1), gaussianMatrix(12, cols, seed + 2, 1)]
  for (let r = 0; r < rows; r++)
    for (let k = 0; k < 12; k++)
      for (let c = 0; c < cols; c++)
        matrix.data[r * cols + c] = (matrix.data[r * cols + c] ?? 0) + ((low[0]?.data[r * 12 + k] ?? 0) * (low[1]?.data[k * cols + c] ?? 0)) / (1 + k) // prettier-ignore
  const error = async (rank: number) => weightError(rowsOf(matrix), await make(svd, matrix, { rank })).relative
  const few = await error(12)
  const basis = await strongestOutputs(matrix.data, { rows, cols, rank: 400 }, null, {})
  const first = basis.filter((_, i) => i % 400 < 12)
  let [kept, all] = [0, 0]
  for (let k = 0; k < 12; k++) {
    let norm = 0
    for (let r = 0; r < rows; r++) norm += (first[r * 12 + k] ?? 0) ** 2
    for (let c = 0; c < cols; c++) {
      let dot = 0
      for (let r = 0; r < rows; r++) dot += (first[r * 12 + k] ?? 0) * (matrix.data[r * cols + c] ?? 0)
      kept += (dot * dot) / norm
    }
  }
  matrix.data.forEach((w) => (all += w * w))
  expect(few).toBeCloseTo(1 - kept / all, 4)
})

test('rounded factors lose little, the less the more bits; more rank never loses', async () => {
  const matrix = gaussianMatrix(48, 64, seed)
  const hessians = [await sampleHessian(64, seed)]
  const error = async (p: object) =>
    (await outputError(rowsOf(matrix), await make(asvd, matrix, p, { hessians }), hessians)).relative
  for (const rank of [4, 16, 32]) {
    const [floats = 0, bytes = 0, halves = 0] = [await error({ rank }), await error({ rank, width: 8 }), await error({ rank, width: 4 })] // prettier-ignore
    expect(bytes).toBeLessThan(floats + 0.002)
    expect(halves).toBeGreaterThan(bytes)
    expect(halves).toBeLessThan(floats + 0.06)
  }
  for (const width of [4, 8, 16]) {
    const errors = []
    for (const rank of [2, 8, 16, 32]) errors.push(await error({ rank, width }))
    expect(errors).toEqual(errors.toSorted((a, b) => b - a))
  }
})

const layer = (rows: number, cols: number): Layer => ({
  ...{ name: 'l', role: 'up', block: 0, shape: [cols, rows], dtype: 'float32', bytes: rows * cols * 4 },
  ...{ parameters: rows * cols, compressible: true, rows, cols, order: 'cols', op: 'MatMul' },
}) // prettier-ignore

test('options say rank and bytes before they are made, and all of them save', async () => {
  const matrix = gaussianMatrix(40, 64, seed)
  for (const method of [svd, asvd]) {
    const options = method.options?.(layer(40, 64), method.params.parse({})) ?? []
    const ids = options.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ['25-f16', '50-w8', '10-w4']) expect(ids).toContain(`${method.id}-${id}`)
    for (const option of options) {
      const q = (await applyOption(matrix, option)) as CodedMatrix
      expect(lowRankCoding.form?.(option, matrix), option.id).toEqual(codedForm(q))
      expect((option.bits * 40 * 64) / 8).toBeCloseTo(codedBytes(q), 6)
      expect(rankShareOf(option)).toBe(Number(option.parameters.rank) / 40)
      expect(option.bits).toBeLessThan(Number(option.parameters.width))
      expect(lowRankCoding.fault(q)).toBeNull()
    }
  }
  expect(svd.options?.(layer(40, 1), svd.params.parse({}))).toEqual([])
  expect(svd.options?.({ ...layer(40, 64), compressible: false }, svd.params.parse({}))).toEqual([])
  const table = { ...layer(40, 64), op: 'Gather' }
  expect(asvd.options?.(table, asvd.params.parse({}))).toEqual([])
  expect(svd.options?.(table, svd.params.parse({}))?.length).toBeGreaterThan(10)
  const one = svd.options?.(layer(40, 64), svd.params.parse({ rankShare: 0.3, width: 8 })) ?? []
  expect(one.map(({ id }) => id)).toEqual(['svd-30-w8'])
})

test('rows on their own, any number of threads, the same bytes twice', async () => {
  const matrix = gaussianMatrix(17, 30, seed)
  const hessians = [await sampleHessian(30, seed)]
  for (const width of [4, 8, 16]) {
    const q = await make(asvd, matrix, { rank: 5, width }, { hessians, threads: 1 })
    expect(await make(asvd, matrix, { rank: 5, width }, { hessians, threads: 3 })).toEqual(q)
    expect(dequantizeRows(q, 3, 9)).toEqual(dequantize(q).data.slice(3 * 30, 9 * 30))
  }
})

test.each([1e-12, 1e12])('weights of size %d keep their precision; zeros stay zero', async (size) => {
  const matrix = gaussianMatrix(8, 20, seed)
  const at = { ...matrix, data: matrix.data.map((w) => w * size) }
  const here = weightError(rowsOf(matrix), await make(svd, matrix, { rank: 3 })).relative
  expect(weightError(rowsOf(at), await make(svd, at, { rank: 3 })).relative).toBeCloseTo(here, 4)
  const zeros = await make(svd, { data: new Float32Array(32), rows: 4, cols: 8 }, { rank: 2, width: 4 })
  expect(dequantize(zeros).data.every((w) => w === 0)).toBe(true)
})

test('damage, and what is not finite, is named', async () => {
  const q = await make(svd, gaussianMatrix(8, 16, seed), { rank: 3, width: 4 })
  expect(lowRankCoding.fault(q)).toBeNull()
  expect(lowRankCoding.fault({ ...q, settings: { ...q.settings, rank: 4 } })).toMatch(/part left/)
  expect(lowRankCoding.fault({ ...q, settings: { ...q.settings, rank: 0 } })).toMatch(/rank 0/)
  expect(lowRankCoding.fault({ ...q, settings: { ...q.settings, width: 5 } })).toMatch(/5 bits/)
  const steps = { dtype: 'float32' as const, shape: [3], data: new Uint8Array(12).fill(255) }
  expect(lowRankCoding.fault({ ...q, parts: { ...q.parts, steps } })).toMatch(/steps is not finite/)
  const bad = gaussianMatrix(4, 8, seed)
  bad.data[9] = Infinity
  await expect(make(svd, bad, {})).rejects.toThrow(/Layer test: weight \[1, 1\] is Infinity/)
})

describe.skipIf(!hasData)(`on a real model (${skipReason} otherwise)`, () => {
  test('whitened below plain SVD in output error, in every layer of stories260K', async () => {
    const network = openNetwork(dataPath('stories260K'))
    const dataset = await openDataset({ path: dataPath('stories260K'), split: 'auto' }, network)
    const quiet = { progress: () => undefined, notify: () => undefined }
    const hessians = await collectHessians(network, dataset, { samples: 16, device: 'cpu' }, quiet)
    const ratios: number[] = []
    for (const own of network.layers) {
      const [h] = hessians.get(own.name) ?? []
      if (!h || !own.compressible) continue
      const source = weightRows(network, own)
      const error = async (method: typeof svd | typeof asvd, more: object) => {
        const p = method.params.parse({ rankShare: 0.35, width: 8 })
        return (await outputError(source, (await method.apply(source, p, { layer: own.name, ...more })) as CodedMatrix, h)).error // prettier-ignore
      }
      ratios.push((await error(asvd, { hessians: [h] })) / (await error(svd, {})))
    }
    expect(ratios.length).toBeGreaterThan(30)
    expect(Math.max(...ratios)).toBeLessThan(1)
    expect(ratios.reduce((total, x) => total + x, 0) / ratios.length).toBeLessThan(0.8)
  })
})
