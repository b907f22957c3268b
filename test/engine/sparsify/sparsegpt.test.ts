import { describe, expect, test } from 'vitest'
import { collectHessians } from '../../../src-main/engine/calibrate/collect.ts'
import { diagonalOf } from '../../../src-main/engine/calibrate/choose.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { weightRows } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { outputError } from '../../../src-main/engine/kernels/linear/error.ts'
import { inverseFactor } from '../../../src-main/engine/kernels/linear/factor.ts'
import { feedSparseReference } from '../../../src-main/engine/kernels/linear/sparse-columns.ref.ts'
import type { Hessian } from '../../../src-main/engine/kernels/linear/types.ts'
import { codedBytes, type CodedMatrix, codedForm } from '../../../src-main/engine/quantize/codings/define.ts'
import { sparseCoding } from '../../../src-main/engine/quantize/codings/sparse.ts'
import type { Quantizer } from '../../../src-main/engine/quantize/define.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { gptq } from '../../../src-main/engine/quantize/gptq.ts'
import { rowsOf, type WeightRows } from '../../../src-main/engine/quantize/rows.ts'
import { readPlaces } from '../../../src-main/engine/quantize/sparse/places.ts'
import type { WeightMatrix } from '../../../src-main/engine/quantize/types.ts'
import { magnitude } from '../../../src-main/engine/sparsify/magnitude.ts'
import { sparsegpt } from '../../../src-main/engine/sparsify/sparsegpt.ts'
import { wanda } from '../../../src-main/engine/sparsify/wanda.ts'
import { dataPath, hasData, skipReason } from '../../helpers/data.ts'
import { gaussianMatrix } from '../kernels/random.ts'
import { sampleHessian } from '../quantize/vectors/hessian.ts'

const seed = 61
const run = (method: Quantizer, source: WeightRows, p: object, more: object = {}) =>
  Promise.resolve(method.apply(source, method.params.parse(p), { layer: 'test', ...more })) as Promise<CodedMatrix>
const make = (matrix: WeightMatrix, p: object, more: object = {}) => run(sparsegpt, rowsOf(matrix), p, more)
const maskOf = (q: CodedMatrix) => readPlaces(q, 0, q.rows)?.mask ?? new Uint8Array()
const near = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let [error, energy] = [0, 0]
  for (let i = 0; i < b.length; i++) {
    error += ((a[i] ?? 0) - (b[i] ?? 0)) ** 2
    energy += (b[i] ?? 0) ** 2
  }
  return Math.sqrt(error / energy)
}

test.each([
  [5, 40],
  [9, 300],
])(`%i x %i: masks and weights of a plain loop (seed ${seed})`, async (rows, cols) => {
  const matrix = gaussianMatrix(rows, cols, seed)
  const hessian = await sampleHessian(cols, seed)
  const { data: u } = await inverseFactor(hessian, { damping: 0.01 })
  for (const pattern of ['unstructured', '2:4'] as const) {
    const q = await make(matrix, { pattern, sparsity: 0.5, width: 32, sweeps: 0 }, { hessians: [hessian] })
    const mask = maskOf(q)
    const chosen = new Uint8Array(rows * cols)
    const out = dequantize(q).data
    for (let r = 0; r < rows; r++) {
      const row = matrix.data.subarray(r * cols, (r + 1) * cols)
      const wanted = feedSparseReference(row, u, (i, w) => {
        if (pattern === 'unstructured') return mask[r * cols + i] === 1
        const begin = i - (i % 4)
        if (i === begin) {
          const size = (k: number) => Math.abs((w[k] ?? 0) / (u[k * (cols + 1)] ?? 1))
          for (const k of [0, 1, 2, 3].map((k) => begin + k).sort((a, b) => size(b) - size(a)).slice(0, 2)) chosen[r * cols + k] = 1 // prettier-ignore
        }
        return chosen[r * cols + i] === 1
      })
      expect(near(out.subarray(r * cols, (r + 1) * cols), wanted)).toBeLessThan(1e-4)
    }
    if (pattern === '2:4') expect(mask).toEqual(chosen)
  }
})

test('the mask of a block is that of the least w^2 / U_jj^2 on weights as fed back', async () => {
  const [rows, cols] = [6, 200]
  const matrix = gaussianMatrix(rows, cols, seed + 1)
  const hessian = await sampleHessian(cols, seed)
  const { data: u } = await inverseFactor(hessian, { damping: 0.01 })
  const mask = maskOf(await make(matrix, { sparsity: 0.7, width: 32, sweeps: 0 }, { hessians: [hessian] }))
  for (const begin of [0, 128]) {
    const end = Math.min(cols, begin + 128)
    const scores: { at: number; size: number }[] = []
    for (let r = 0; r < rows; r++) {
      let fed: number[] = []
      const before = (i: number, w: readonly number[]) => {
        if (i === begin) fed = [...w]
        return mask[r * cols + i] === 1
      }
      feedSparseReference(matrix.data.subarray(r * cols, (r + 1) * cols), u, before)
      for (let c = begin; c < end; c++)
        scores.push({ at: r * cols + c, size: Math.abs((fed[c] ?? 0) / (u[c * (cols + 1)] ?? 1)) })
    }
    scores.sort((a, b) => b.size - a.size)
    const kept = Math.round(0.3 * rows * end) - Math.round(0.3 * rows * begin)
    const found = scores.filter(({ at }) => mask[at] === 1)
    expect(found).toHaveLength(kept)
    expect(found[kept - 1]?.size).toBeGreaterThanOrEqual((scores[kept - 1]?.size ?? 0) * 0.999)
  }
})

test('columns: those that stay take the least-squares values of the rest', async () => {
  const [rows, cols] = [7, 24]
  const matrix = gaussianMatrix(rows, cols, seed)
  const hessian = await sampleHessian(cols, seed + 2, 400)
  const error = async (p: object) =>
    (await outputError(rowsOf(matrix), await make(matrix, { pattern: 'columns', sparsity: 0.25, damping: 1e-6, ...p }, { hessians: [hessian] }), hessian)).error // prettier-ignore
  const q = await make(matrix, { pattern: 'columns', sparsity: 0.25, width: 32, damping: 1e-6, sweeps: 0 }, { hessians: [hessian] }) // prettier-ignore
  const stays = [...Array(cols).keys()].filter((c) => maskOf(q)[c] === 1)
  expect(stays).toHaveLength(18)
  // The gradient of the output error vanishes where weights are free.
  const d = matrix.data.map((w, i) => w - (dequantize(q).data[i] ?? 0))
  for (let r = 0; r < rows; r++)
    for (const c of stays) {
      let gradient = 0
      for (let k = 0; k < cols; k++) gradient += (d[r * cols + k] ?? 0) * (hessian.data[k * cols + c] ?? 0)
      expect(Math.abs(gradient)).toBeLessThan(2e-4)
    }
  expect(await error({ width: 8, unit: 4 })).toBeLessThan(1.6 * (await error({ width: 32, unit: 4 })))
  const plain = await outputError(rowsOf(matrix), await run(magnitude, rowsOf(matrix), { pattern: 'columns', sparsity: 0.25, width: 32 }), hessian) // prettier-ignore
  expect(await error({ width: 32 })).toBeLessThan(0.6 * plain.error)
})

test('sweeps never raise the error; joint rounding beats rounding what was pruned', async () => {
  const matrix = gaussianMatrix(32, 128, seed)
  const hessians = [await sampleHessian(128, seed)]
  const error = async (q: CodedMatrix) => (await outputError(rowsOf(matrix), q, hessians)).error
  for (const pattern of ['unstructured', '2:4'])
    for (const width of [3, 32]) {
      const errors = []
      for (const sweeps of [0, 1, 3]) errors.push(await error(await make(matrix, { pattern, width, sweeps, groupSize: 64 }, { hessians }))) // prettier-ignore
      expect(errors[1]).toBeLessThan(errors[0] ?? 0)
      expect(errors[2]).toBeLessThanOrEqual((errors[1] ?? 0) * 1.0001)
    }
  const pruned = await make(matrix, { width: 32 }, { hessians })
  const after = await run(magnitude, rowsOf(dequantize(pruned)), { width: 3, groupSize: 64 })
  expect(await error(await make(matrix, { width: 3, groupSize: 64 }, { hessians }))).toBeLessThan(0.7 * (await error(after))) // prettier-ignore
  // No zeros: what is left is GPTQ.
  const dense = await make(matrix, { sparsity: 0, width: 4, groupSize: 64 }, { hessians })
  const gpt = await gptq.apply(rowsOf(matrix), gptq.params.parse({ bits: 4 }), { layer: 'test', hessians })
  const other = (await outputError(rowsOf(matrix), gpt, hessians)).error
  expect(await error(dense)).toBeLessThan(1.15 * other)
})

test('forms, threads, groups of a convolution, dead inputs, no calibration', async () => {
  const matrix = gaussianMatrix(12, 72, seed)
  const hessians = [await sampleHessian(72, 1), await sampleHessian(72, 2), await sampleHessian(72, 3)]
  for (const p of [
    { pattern: 'unstructured', sparsity: 0.7, width: 4, groupSize: 32 },
    { pattern: '4:8', sparsity: 0.5, width: 16, groupSize: 0 },
    { pattern: 'columns', sparsity: 0.5, width: 8, groupSize: 0 },
  ]) {
    const own = p.pattern === 'columns' ? hessians.slice(0, 1) : hessians
    const q = await make(matrix, p, { hessians: own, threads: 1 })
    expect(await make(matrix, p, { hessians: own, threads: 3 })).toEqual(q)
    expect(sparseCoding.fault(q)).toBeNull()
    const option = { id: 'x', method: 'sparsegpt', bits: 4, parameters: { ...p, per: 'layer' } }
    expect(sparseCoding.form?.(option, matrix)).toEqual(codedForm(q))
    expect(codedBytes(q)).toBeGreaterThan(0)
    const plain = await make(matrix, p)
    expect(maskOf(plain)).toEqual(maskOf(await run(magnitude, rowsOf(matrix), { ...p, per: 'layer' })))
  }
  const dead: Hessian = { ...(hessians[0] as Hessian), data: (hessians[0] as Hessian).data.map((x, i) => (i % 72 === 5 || Math.floor(i / 72) === 5 ? 0 : x)) } // prettier-ignore
  const q = dequantize(await make(matrix, { sparsity: 0.3, width: 32 }, { hessians: [dead] })).data
  for (let r = 0; r < 12; r++) expect(q[r * 72 + 5]).toBe(0)
  await expect(make(gaussianMatrix(4, 10, 1), { pattern: '2:4' })).rejects.toThrow(/do not hold the pattern 2:4/)
})

describe.skipIf(!hasData)(`on a real model (${skipReason} otherwise)`, () => {
  test('output error on stories260K: Wanda below magnitude of the same share, SparseGPT below Wanda in every layer', async () => {
    const network = openNetwork(dataPath('stories260K'))
    const dataset = await openDataset({ path: dataPath('stories260K'), split: 'auto' }, network)
    const quiet = { progress: () => undefined, notify: () => undefined }
    const hessians = await collectHessians(network, dataset, { samples: 16, device: 'cpu' }, quiet)
    for (const per of ['row', 'layer'])
      for (const p of [
        { per, sparsity: 0.5, width: 16 },
        { per, pattern: '2:4', width: 16 },
        { per, sparsity: 0.7, width: 4, groupSize: 0 },
      ]) {
        const total = { magnitude: 0, wanda: 0, sparsegpt: 0 }
        for (const layer of network.layers) {
          const [h] = hessians.get(layer.name) ?? []
          if (!h || !layer.compressible) continue
          const source = weightRows(network, layer)
          const error = async (method: Quantizer, more: object) =>
            (await outputError(source, await run(method, source, p, more), h)).relative
          const own = {
            magnitude: await error(magnitude, {}),
            wanda: await error(wanda, { importance: diagonalOf([h]) }),
            sparsegpt: await error(sparsegpt, { hessians: [h] }),
          }
          expect(own.sparsegpt, layer.name).toBeLessThan(own.wanda)
          for (const name of ['magnitude', 'wanda', 'sparsegpt'] as const) total[name] += own[name]
        }
        expect(total.wanda, JSON.stringify(p)).toBeLessThan(total.magnitude)
        expect(total.sparsegpt).toBeLessThan(0.8 * total.wanda)
      }
  })
})
