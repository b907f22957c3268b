import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { tokenStrategies } from '../../../src-main/engine/calibrate/tokens/registry.ts'
import { strategyOf } from '../../../src-main/engine/calibrate/tokens/weigh.ts'
import { collectHessians } from '../../../src-main/engine/calibrate/collect.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { weightRows } from '../../../src-main/engine/checkpoint/weights.ts'
import { outputError } from '../../../src-main/engine/kernels/linear/error.ts'
import { inverseFactor } from '../../../src-main/engine/kernels/linear/factor.ts'
import { feedbackReference } from '../../../src-main/engine/kernels/linear/feedback.ref.ts'
import { createHessian } from '../../../src-main/engine/kernels/linear/hessian.ts'
import type { Hessian } from '../../../src-main/engine/kernels/linear/types.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { gptq } from '../../../src-main/engine/quantize/gptq.ts'
import { applyOption, rtnOption } from '../../../src-main/engine/quantize/options.ts'
import { rowsOf, type WeightRows } from '../../../src-main/engine/quantize/rows.ts'
import { rsq } from '../../../src-main/engine/quantize/rsq.ts'
import { rtn } from '../../../src-main/engine/quantize/rtn.ts'
import type { QuantizedMatrix } from '../../../src-main/engine/quantize/types.ts'
import { dataPath, hasData, skipReason } from '../../helpers/data.ts'
import { gaussianMatrix } from '../kernels/random.ts'
import { correlated, numbers } from '../linear/random.ts'

async function hessianOf(x: Float32Array, size: number): Promise<Hessian> {
  const builder = createHessian(size)
  await builder.add(x)
  return builder.finish()
}
const inputs = (size: number, rows = 3 * size, seed = size) => hessianOf(correlated(rows, size, seed), size)

type Parameters = Partial<Parameters_>
type Parameters_ = ReturnType<typeof gptq.params.parse>
const quantize = (source: WeightRows, hessians: Hessian[], p: Parameters, more: object = {}) =>
  Promise.resolve(gptq.apply(source, gptq.params.parse(p), { layer: 'fc', hessians, ...more }))
const plainly = (source: WeightRows, p: Parameters) =>
  Promise.resolve(rtn.apply(source, rtn.params.parse(p), { layer: 'fc' }))

const widths = [2, 3, 4, 8]
const ways: Parameters[] = [
  { sweeps: 0, actOrder: false },
  { sweeps: 0, actOrder: false, staticGroups: true },
  { sweeps: 0 },
  { granularity: 'channel', symmetric: false },
  {},
]

test.each(ways)('less output error than rounding to nearest at every width: %o', async (way) => {
  const matrix = rowsOf(gaussianMatrix(40, 200, 3))
  const h = await inputs(200)
  for (const bits of widths) {
    const ours = await outputError(matrix, await quantize(matrix, [h], { ...way, bits }), h)
    const nearest = await outputError(matrix, await plainly(matrix, { ...way, bits }), h)
    expect(ours.relative).toBeLessThan(0.85 * nearest.relative)
  }
})

test('each sweep, and activation order, lowers the error', async () => {
  const matrix = rowsOf(gaussianMatrix(60, 256, 5))
  const h = await inputs(256)
  const errorOf = async (p: Parameters) => (await outputError(matrix, await quantize(matrix, [h], p), h)).relative
  for (const bits of [2, 3, 4]) {
    const errors: number[] = []
    for (const sweeps of [0, 1, 2, 5]) errors.push(await errorOf({ bits, sweeps, actOrder: false }))
    errors.slice(1).forEach((error, i) => expect(error).toBeLessThan(errors[i] ?? 0))
    expect(await errorOf({ bits, sweeps: 0 })).toBeLessThan(errors[0] ?? 0)
  }
})

test('codes are those of a plain column-by-column GPTQ on the same grids', async () => {
  const cases = fc.record({
    rows: fc.integer({ min: 1, max: 8 }),
    cols: fc.integer({ min: 1, max: 300 }),
    groupSize: fc.integer({ min: 4, max: 300 }),
    bits: fc.integer({ min: 2, max: 8 }),
    symmetric: fc.boolean(),
    actOrder: fc.boolean(),
    seed: fc.nat(1000),
  })
  let [differing, all] = [0, 0]
  await fc.assert(
    fc.asyncProperty(cases, async ({ rows, cols, seed, ...p }) => {
      const matrix = { data: numbers(rows * cols, seed), rows, cols }
      const h = await inputs(cols, 2 * cols + 1, seed)
      const q = await quantize(rowsOf(matrix), [h], { ...p, sweeps: 0, staticGroups: true, ridge: false })
      const order = Uint32Array.from({ length: cols }, (_, i) => i)
      const energy = (i: number) => h.data[i * (cols + 1)] ?? 0
      if (p.actOrder) order.sort((a, b) => energy(b) - energy(a) || a - b)
      const factor = await inverseFactor(h, { damping: 0.01, order })
      const permuted = Float32Array.from(
        matrix.data,
        (_, i) => matrix.data[i - (i % cols) + (order[i % cols] ?? 0)] ?? 0,
      )
      const value = (code: number, group: number) => (code - (q.zeros[group] ?? 0)) * (q.scales[group] ?? 1)
      const truth = feedbackReference(permuted, { rows, cols }, factor.data, (place, row, w) => {
        const group = row * q.groups + Math.floor((order[place] ?? 0) / q.groupSize)
        const code = Math.round(w / (q.scales[group] ?? 1)) + (q.zeros[group] ?? 0)
        return value(Math.min(2 ** p.bits - 1, Math.max(0, code)), group)
      })
      const back = dequantize(q).data
      truth.forEach((expected, i) => {
        const found = back[i - (i % cols) + (order[i % cols] ?? 0)] ?? NaN
        differing += Number(Math.abs(found - expected) > 1e-6 * Math.abs(expected) + 1e-12)
        all++
      })
    }),
    { seed: 51, numRuns: 40 },
  )
  // float32 against float64: a weight at the edge between two codes may fall to either side, and those right of it follow.
  expect(differing / all).toBeLessThan(0.005)
})

test('the same bytes for any number of threads and in row slabs of any size', async () => {
  const matrix = rowsOf(gaussianMatrix(330, 130, 7))
  const h = await inputs(130)
  for (const p of [{}, { actOrder: false, symmetric: false, bits: 3 }] satisfies Parameters[]) {
    const [first, ...others] = await Promise.all([1, 2, 5].map((threads) => quantize(matrix, [h], p, { threads })))
    for (const other of others) expect(other).toEqual(first)
    const alone = await quantize({ rows: 1, cols: 130, read: () => matrix.read(200, 201) }, [h], p)
    expect((first as QuantizedMatrix).codes.subarray(200 * 130, 201 * 130)).toEqual(alone.codes)
  }
})

describe('what is unusual', () => {
  const parts = (source: WeightRows, begin: number, end: number) => rowsOf({ data: source.read(begin, end), rows: end - begin, cols: source.cols }) // prettier-ignore

  test('groups of a convolution each have their Hessian', async () => {
    const matrix = rowsOf(gaussianMatrix(12, 27, 9))
    const [a, b] = [await inputs(27, 100, 1), await inputs(27, 100, 2)]
    const both = await quantize(matrix, [a, b], { granularity: 'channel' })
    const first = await quantize(parts(matrix, 0, 6), [a], { granularity: 'channel' })
    const second = await quantize(parts(matrix, 6, 12), [b], { granularity: 'channel' })
    expect([...both.codes]).toEqual([...first.codes, ...second.codes])
    await expect(quantize(matrix, [a, b, a, b, a], {})).rejects.toThrow('5 Hessians do not fit 12 x 27')
  })

  test('fewer calibration rows than inputs work through damping, said where it must be raised', async () => {
    const matrix = rowsOf(gaussianMatrix(10, 160, 2))
    const h = await inputs(160, 12)
    const notices: string[] = []
    const notify = (text: string) => notices.push(text)
    const q = await quantize(matrix, [h], { damping: 0, ridge: false }, { notify })
    expect(notices[0]).toMatch(/layer fc could not be factored with damping 0 \(12 calibration rows for 160 inputs\)/)
    const nearest = await outputError(matrix, await plainly(matrix, {}), h)
    expect((await outputError(matrix, q, h)).error).toBeLessThan(nearest.error)
  })

  test.each([{ cols: 1 }, { cols: 70, groupSize: 64 }, { cols: 300, groupSize: 280 }, { cols: 100, groupSize: 7 }])(
    'odd shapes: %o',
    async ({ cols, ...p }) => {
      const matrix = rowsOf(gaussianMatrix(9, cols, 4))
      const h = await inputs(cols, 2 * cols + 3)
      const q = await quantize(matrix, [h], { ...p, bits: 3 })
      const plain = await plainly(matrix, { ...p, bits: 3 })
      expect({ groups: q.groups, groupSize: q.groupSize }).toEqual({ groups: plain.groups, groupSize: plain.groupSize })
      const [ours, nearest] = [await outputError(matrix, q, h), await outputError(matrix, plain, h)]
      // One weight a grid is exact up to the rounding of its float16 scale: both are noise then.
      expect(ours.error).toBeLessThanOrEqual(nearest.error * (1 + 1e-5) + 1e-7 * nearest.energy)
    },
  )

  test('rows of zeros and inputs that never come stay what they are', async () => {
    const matrix = gaussianMatrix(6, 96, 6)
    matrix.data.fill(0, 96, 2 * 96)
    const x = correlated(200, 96, 3).map((value, i) => (i % 96 === 5 ? 0 : value))
    const q = await quantize(rowsOf(matrix), [await hessianOf(x, 96)], { bits: 2 })
    const back = dequantize(q).data
    expect(back.subarray(96, 2 * 96).every((value) => Math.abs(value) === 0)).toBe(true)
    expect(back.every(Number.isFinite)).toBe(true)
  })

  test('a Hessian of zeros gives codes as by rounding, and a person hears of it', async () => {
    const matrix = rowsOf(gaussianMatrix(6, 96, 6))
    const notices: string[] = []
    const zeros = { size: 96, data: new Float32Array(96 * 96), rows: 100 }
    const q = await quantize(matrix, [zeros], { sweeps: 2 }, { notify: (text: string) => notices.push(text) })
    expect(notices).toHaveLength(1)
    const lost = (codes: QuantizedMatrix) => dequantize(codes).data.reduce((sum, value, i) => sum + (value - (matrix.read(0, 6)[i] ?? 0)) ** 2, 0) // prettier-ignore
    expect(lost(q) / lost((await plainly(matrix, {})) as QuantizedMatrix)).toBeCloseTo(1, 1)
  })

  test('weights that are not finite, Hessians that are not, and none at all are refused by name', async () => {
    const matrix = gaussianMatrix(4, 32, 1)
    const h = await inputs(32)
    const broken = { ...matrix, data: matrix.data.map((w, i) => (i === 37 ? NaN : w)) }
    await expect(quantize(rowsOf(broken), [h], {})).rejects.toThrow('Layer fc: weight [1, 5] is NaN')
    const infinite = { ...h, data: h.data.map((value, i) => (i === 33 ? Infinity : value)) }
    await expect(quantize(rowsOf(matrix), [infinite], {})).rejects.toThrow(
      'The Hessian of layer fc has Infinity for input 1',
    )
    await expect(quantize(rowsOf(matrix), [], {})).rejects.toThrow('Layer fc: GPTQ needs calibration data')
  })

  test('weights far outside float16 get float32 scales', async () => {
    for (const size of [1e-20, 1e20]) {
      const matrix = gaussianMatrix(4, 64, 1)
      const scaled = rowsOf({ ...matrix, data: matrix.data.map((w) => w * size) })
      const h = await inputs(64)
      const q = await quantize(scaled, [h], {})
      expect(q.scaleType).toBe('float32')
      const same = await outputError(rowsOf(matrix), await quantize(rowsOf(matrix), [h], {}), h)
      const lost = dequantize(q).data.map((value, i) => value / size - (matrix.data[i] ?? 0))
      expect(Math.sqrt(lost.reduce((sum, d) => sum + d * d, 0))).toBeLessThan(1)
      expect(same.relative).toBeLessThan(0.02)
    }
  })
})

describe('options', () => {
  const parameters = gptq.params.parse({})

  test('a twin stores the form of its plain option', () => {
    const twin = gptq.twin?.(rtnOption(4, 64), parameters)
    expect(twin).toMatchObject({ id: 'gptq-4-g64', method: 'gptq', bits: 4, form: 'rtn-4-g64' })
    expect(twin?.parameters).toEqual({ granularity: 'group', groupSize: 64, symmetric: true, search: 'mse', damping: 0.01, ridge: true, actOrder: true, staticGroups: false, sweeps: 2 }) // prettier-ignore
    expect(rsq.twin?.(rtnOption(3, null, false), rsq.params.parse({}))?.id).toBe('rsq-3-channel-affine')
    const tensor = { ...rtnOption(4, null), parameters: { granularity: 'tensor' } }
    expect(gptq.twin?.(tensor, parameters)).toBeNull()
  })

  test('blocks of GGUF go to error feedback in blocks', () => {
    const plain: Option = { id: 'gguf-q4_k', method: 'ggml', bits: 4.5, parameters: { type: 'Q4_K' } }
    expect(gptq.twin?.(plain, parameters)).toMatchObject({ method: 'ggml-ldlq', form: 'gguf-q4_k', parameters: { tokens: 'none' } }) // prettier-ignore
    expect(rsq.twin?.(plain, rsq.params.parse({}))).toMatchObject({ parameters: { tokens: 'attention' } })
  })

  test('a twin is carried out and stores the same form', async () => {
    const matrix = gaussianMatrix(16, 128, 2)
    const plain = rtnOption(4, 32)
    const hessians = [await inputs(128)]
    const twin = gptq.twin?.(plain, parameters) ?? plain
    const made = (await applyOption(matrix, twin, { layer: 'fc', hessians })) as QuantizedMatrix
    const other = (await applyOption(matrix, plain)) as QuantizedMatrix
    const { codes: _, scales: __, zeros: ___, ...form } = made
    expect(other).toMatchObject(form)
  })

  test('RSQ knows every way to weigh tokens, with parameters that fit', () => {
    const known = rsq.params.shape.strategy.unwrap().options
    expect([...known].sort()).toEqual(tokenStrategies.map(({ id }) => id).sort())
    for (const strategy of known) {
      const weighting = rsq.tokens?.(rsq.params.parse({ strategy }))
      expect(weighting && strategyOf(weighting).id).toBe(strategy)
    }
    expect(rsq.prepare).toEqual([{ method: 'rotate', parameters: { stream: false } }])
  })
})

describe.skipIf(!hasData)(`on a real model (${skipReason} otherwise)`, () => {
  test('on its own activations, output error below rounding to nearest in every layer', async () => {
    const network = openNetwork(dataPath('stories260K'))
    const dataset = await openDataset({ path: dataPath('stories260K'), split: 'auto' }, network)
    const quiet = { progress: () => undefined, notify: () => undefined }
    const hessians = await collectHessians(network, dataset, { samples: 16, device: 'cpu' }, quiet)
    for (const bits of widths) {
      const shares: number[] = []
      for (const layer of network.layers) {
        const [h] = hessians.get(layer.name) ?? []
        if (!h || !layer.compressible) continue
        const source = weightRows(network, layer)
        const p = { bits, groupSize: 32 }
        const ours = await outputError(source, await quantize(source, [h], p), h)
        shares.push(ours.error / (await outputError(source, await plainly(source, p), h)).error)
      }
      expect(shares.length).toBeGreaterThan(30)
      expect(Math.max(...shares)).toBeLessThan(1)
    }
  })

  test.each(widths)('output error below rounding to nearest at %i bits in every kind of layer', async (bits) => {
    const network = openNetwork(dataPath('stories260K'))
    const kinds = network.layers.filter(({ compressible, block }) => compressible && block === 1)
    expect(kinds.length).toBeGreaterThan(5)
    for (const layer of kinds) {
      const source = weightRows(network, layer)
      const h = await inputs(layer.cols)
      const p = { bits, groupSize: 32 }
      const ours = await outputError(source, await quantize(source, [h], p), h)
      const nearest = await outputError(source, await plainly(source, p), h)
      expect(ours.relative).toBeLessThan(0.85 * nearest.relative)
    }
  })
})
