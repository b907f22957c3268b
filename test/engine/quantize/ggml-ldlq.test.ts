import { describe, expect, test } from 'vitest'
import type { Hessian } from '../../../src-main/engine/kernels/linear/types.ts'
import { encodeRows } from '../../../src-main/engine/kernels/ggml/encode.ts'
import { feedbackTypes } from '../../../src-main/engine/kernels/ggml/feedback/fields.ts'
import { ggmlTypes, rowBytes } from '../../../src-main/engine/kernels/ggml/types.ts'
import { outputError } from '../../../src-main/engine/kernels/linear/error.ts'
import { multiply } from '../../../src-main/engine/kernels/linear/multiply.ts'
import { collectHessians } from '../../../src-main/engine/calibrate/collect.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readMatrix } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { ggmlOption } from '../../../src-main/engine/export/gguf/types.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { ggmlLdlq } from '../../../src-main/engine/quantize/ggml-ldlq.ts'
import { refineBlocks } from '../../../src-main/engine/quantize/ggml-ldlq/refine-blocks.ts'
import { rowsOf } from '../../../src-main/engine/quantize/rows.ts'
import type { BlockMatrix, WeightMatrix } from '../../../src-main/engine/quantize/types.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { ggmlDequantize, hasGgml } from '../../helpers/ggml.ts'
import { gaussian, gaussianMatrix } from '../kernels/random.ts'

const seed = 31
const cols = 512
const matrix = gaussianMatrix(20, cols, seed)
const parametersOf = (given: object) => ggmlLdlq.params.parse({ sweeps: 2, ...given })

/** Of `rows` inputs with a few strong directions; fewer rows than columns make it singular. */
async function hessianOf(rows: number, size = cols): Promise<Hessian> {
  const next = gaussian(seed + 1)
  const rank = 24
  const basis = Float32Array.from({ length: rank * size }, next)
  const strength = Float32Array.from({ length: rows * rank }, (_, i) => next() * Math.exp(-(i % rank) / 8))
  const x = await multiply({ a: strength, b: basis, m: rows, n: size, k: rank })
  for (let i = 0; i < x.length; i++) x[i] = (x[i] ?? 0) + 0.4 * next()
  const data = await multiply({ a: x, b: x, m: size, n: size, k: rows, transA: true, alpha: 1 / rows })
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) data[i * size + j] = data[j * size + i] ?? 0
  return { size, data, rows }
}
const hessian = await hessianOf(1500)
const importanceOf = ({ data, size }: Hessian) =>
  Float32Array.from({ length: size }, (_, i) => data[i * (size + 1)] ?? 0)

const apply = (
  type: (typeof feedbackTypes)[number],
  given: Hessian | undefined,
  source: WeightMatrix = matrix,
  more = {},
) =>
  ggmlLdlq.apply(rowsOf(source), parametersOf({ type, ...more }), { layer: 'w', ...(given && { hessians: [given] }) })

describe.each(feedbackTypes)('%s (seed 31)', (type) => {
  test('loses less output than weighted rounding in as many bytes, and ggml reads the same weights', async () => {
    const made = await apply(type, hessian)
    expect(made.blocks.length).toBe(matrix.rows * rowBytes(type, cols))
    const weighted = { importance: importanceOf(hessian) }
    const blocks = encodeRows(type, { ...matrix, weights: matrix.data }, weighted)
    const nearest = await outputError(rowsOf(matrix), { ...made, blocks }, hessian)
    const found = await outputError(rowsOf(matrix), made, hessian)
    expect(found.error).toBeLessThan(0.5 * nearest.error)
    if (hasGgml) expect(dequantize(made).data).toEqual(ggmlDequantize(type, made.blocks))
  })

  test('blocks that stand are refined in place; more sweeps lose no more', async () => {
    const blocks = encodeRows(type, { ...matrix, weights: matrix.data })
    const start = { type, rows: matrix.rows, cols, blocks }
    let last = (await outputError(rowsOf(matrix), start, hessian)).error
    const context = { layer: 'w', hessians: [hessian] }
    let current: BlockMatrix = start
    for (let sweep = 0; sweep < 2; sweep++) {
      current = await refineBlocks(current, rowsOf(matrix), { sweeps: 1 }, context)
      const { error } = await outputError(rowsOf(matrix), current, hessian)
      expect(error).toBeLessThan(sweep === 0 ? 0.6 * last : last)
      expect(current.blocks.length).toBe(blocks.length)
      last = error
    }
    expect(start.blocks).toEqual(encodeRows(type, { ...matrix, weights: matrix.data })) // the given ones are left alone
  })
})

test.skipIf(!hasData).each(['Q4_0', 'Q3_K', 'IQ2_XXS'] as const)(
  '%s: less output error on a real layer',
  async (type) => {
    const network = openNetwork(dataPath('novels-5m'))
    try {
      const dataset = await openDataset({ path: dataPath('novels-5m'), split: 'auto' }, network)
      const layer = network.layers.find(({ name }) => name.includes('layers.2.mlp.down'))
      if (!layer) throw new Error('novels-5m has no layers.2.mlp.down')
      const quiet = { progress: () => undefined, notify: () => undefined }
      const options = { layers: [layer.name], samples: 8, device: 'cpu' as const }
      const own = (await collectHessians(network, dataset, options, quiet)).get(layer.name)?.[0]
      if (!own) throw new Error('no Hessian')
      const weights = readMatrix(network, layer)
      const made = await apply(type, own, weights, { sweeps: 1 })
      const blocks = encodeRows(type, { ...weights, weights: weights.data }, { importance: importanceOf(own) })
      const nearest = await outputError(rowsOf(weights), { ...made, blocks }, own)
      expect((await outputError(rowsOf(weights), made, own)).error).toBeLessThan(0.8 * nearest.error)
    } finally {
      network.source.close()
    }
  },
)

test('a second start loses no more than the first', async () => {
  const errors = []
  for (const starts of [1, 2]) errors.push(await outputError(rowsOf(matrix), await apply('Q3_K', hessian, matrix, { starts }), hessian)) // prettier-ignore
  expect(errors[1]?.error).toBeLessThan(errors[0]?.error ?? 0)
})

test('progress grows to 1, and a throw from it stops the work', async () => {
  const seen: number[] = []
  const run = (progress: (fraction: number) => void) =>
    ggmlLdlq.apply(rowsOf(matrix), parametersOf({ type: 'Q4_0', starts: 2 }), {
      layer: 'w',
      hessians: [hessian],
      progress,
    })
  await run((fraction) => seen.push(fraction))
  expect(seen.length).toBeGreaterThan(20)
  expect(seen.every((fraction, i) => fraction >= (seen[i - 1] ?? 0))).toBe(true)
  expect(seen.at(-1)).toBe(1)
  const stop = () => {
    throw new Error('stopped')
  }
  await expect(run(stop)).rejects.toThrow('stopped')
})

test('tokens are weighed as RSQ weighs them', () => {
  const parse = (given: object) => ggmlLdlq.tokens?.(ggmlLdlq.params.parse(given))
  expect(parse({})).toBeNull()
  expect(parse({ tokens: 'attention', rMin: 0.1 })).toEqual({ strategy: 'attention', parameters: { rMin: 0.1 } })
  expect(parse({ tokens: 'first' })).toEqual({ strategy: 'first', parameters: { n: 256, rMin: 0.7 } })
})

test('fewer calibration rows than columns: damped, and still no worse than rounding', async () => {
  const few = await hessianOf(40)
  const made = await apply('Q4_K', few)
  const blocks = encodeRows('Q4_K', { ...matrix, weights: matrix.data }, { importance: importanceOf(few) })
  const nearest = await outputError(rowsOf(matrix), { ...made, blocks }, few)
  expect((await outputError(rowsOf(matrix), made, few)).error).toBeLessThan(nearest.error)
})

test.each(['Q4_0', 'Q2_K', 'IQ2_XS', 'IQ3_XXS'] as const)(
  '%s: rows of zeros and inputs that are never on',
  async (type) => {
    const dark = { ...hessian, data: hessian.data.slice() }
    for (let i = 0; i < cols; i++) for (const j of [3, 300]) dark.data[i * cols + j] = dark.data[j * cols + i] = 0
    const data = matrix.data.slice()
    data.fill(0, cols, 2 * cols)
    const made = await apply(type, dark, { ...matrix, data })
    const weights = dequantize(made).data
    expect(weights.every(Number.isFinite)).toBe(true)
    expect(weights.slice(cols, 2 * cols).every((value) => value === 0)).toBe(true)
  },
)

test('a Hessian of zeros: rounding, and it is said', async () => {
  const notices: string[] = []
  const zero = { size: cols, data: new Float32Array(cols * cols), rows: 0 }
  const context = { layer: 'w', hessians: [zero], notify: (notice: string) => notices.push(notice) }
  const made = await ggmlLdlq.apply(rowsOf(matrix), parametersOf({ type: 'Q4_K' }), context)
  expect(notices.join()).toContain('zeros')
  expect(made.blocks).toEqual(encodeRows('Q4_K', { ...matrix, weights: matrix.data }))
})

test('one Hessian for each group of a convolution', async () => {
  const other = await hessianOf(700)
  const both = await ggmlLdlq.apply(rowsOf(matrix), parametersOf({ type: 'Q4_K' }), {
    layer: 'w',
    hessians: [hessian, other],
  })
  const half = matrix.rows / 2
  const part = (from: number) => ({ rows: half, cols, data: matrix.data.slice(from * cols, (from + half) * cols) })
  const [first, second] = [await apply('Q4_K', hessian, part(0)), await apply('Q4_K', other, part(half))]
  expect(both.blocks).toEqual(Uint8Array.from([...first.blocks, ...second.blocks]))
})

test('broken input is refused by name', async () => {
  const broken = { ...matrix, data: matrix.data.slice() }
  broken.data[cols + 7] = NaN
  await expect(apply('Q4_K', hessian, broken)).rejects.toThrow(/Layer w: weight \[1, 7\] is NaN/)
  const infinite = { ...hessian, data: hessian.data.slice() }
  infinite.data[5] = Infinity
  await expect(apply('Q4_K', infinite)).rejects.toThrow(/not finite/)
  await expect(apply('Q4_K', undefined)).rejects.toThrow(/needs a Hessian/)
  await expect(apply('Q4_K', await hessianOf(60, 256))).rejects.toThrow(/do not fit/)
  const odd = gaussianMatrix(2, 320, seed)
  await expect(apply('Q4_K', hessian, odd)).rejects.toThrow(/no whole Q4_K blocks of 256/)
  const f16 = { type: 'F16' as const, rows: 1, cols, blocks: new Uint8Array(cols * 2) }
  await expect(refineBlocks(f16, rowsOf({ ...matrix, rows: 1 }), { sweeps: 1 }, { layer: 'w', hessians: [hessian] })).rejects.toThrow(/F16/) // prettier-ignore
})

test('it is the twin of plain block types', () => {
  const twin = ggmlLdlq.twin?.(ggmlOption('Q4_K', true), parametersOf({}))
  expect(twin).toMatchObject({ id: 'ggml-ldlq-q4_k', method: 'ggml-ldlq', form: 'gguf-q4_k-w', bits: 4.5 })
  expect(ggmlLdlq.params.parse({ ...twin?.parameters })).toMatchObject({ type: 'Q4_K', sweeps: 2 })
  expect(ggmlLdlq.twin?.(ggmlOption('BF16'), parametersOf({}))).toBeNull()
  expect(feedbackTypes.every((type) => ggmlTypes[type].blockSize > 1)).toBe(true)
})
