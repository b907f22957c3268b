import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MethodUse } from '../../../src-preload/contract/plan.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { readFloat32, weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import type { Batch, Dataset } from '../../../src-main/engine/data/types.ts'
import { segment } from '../../../src-main/engine/graph/segment.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { SessionOptions, TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { lossGraph, measureLoss } from '../../../src-main/engine/score/cross-entropy.ts'
import { gradientNorm } from '../../../src-main/engine/score/ecoflap.ts'
import { noiseBank, perturb } from '../../../src-main/engine/score/ecoflap/perturb.ts'
import { sparsityRatios } from '../../../src-main/engine/score/ecoflap/ratios.ts'
import { measureScores } from '../../../src-main/engine/score/measure.ts'
import { imageData, quiet, residualNetwork } from './network.ts'

const SEED = 31

test('ratios worked out by hand: what a full layer cannot take goes to the others', () => {
  // 3 x 100 weights, half of them kept: 150. Each keeps 40 at least, 30 are left, by 8 : 1 : 1: 24, 3, 3.
  expect(sparsityRatios([8, 1, 1], [100, 100, 100], 0.5, { max: 0.6 }).map((x) => x.toFixed(4))).toEqual(
    [0.36, 0.57, 0.57].map((x) => x.toFixed(4)),
  )
  // A layer of 10 that would take 24 of its 6 free ones takes 6; 30 - 6 go to the rest alike.
  const [small = NaN, ...others] = sparsityRatios([8, 1, 1], [10, 145, 145], 0.5, { max: 0.6 })
  expect(small).toBe(0)
  for (const ratio of others) expect(ratio).toBeCloseTo(1 - (0.4 * 145 + 12) / 145, 6)
  for (const ratio of sparsityRatios([0, 0], [10, 90], 0.3)) expect(ratio).toBeCloseTo(0.3, 9)
  expect(() => sparsityRatios([1], [1], 0.5, { max: 0.4 })).toThrow(/sparser than 0.4/)
  expect(() => sparsityRatios([-1], [1], 0.5)).toThrow(/negative/)
})

test('ratios: the whole has the asked sparsity, no layer more than the most, importance keeps weights', () => {
  const layers = fc.array(fc.tuple(fc.double({ min: 0, max: 10, noNaN: true }), fc.integer({ min: 1, max: 5000 })), {
    minLength: 1,
    maxLength: 20,
  })
  fc.assert(
    fc.property(layers, fc.double({ min: 0, max: 0.9, noNaN: true }), (pairs, global) => {
      const [importances, sizes] = [pairs.map(([value]) => value), pairs.map(([, size]) => size)]
      const max = Math.min(1, global + 0.1)
      const ratios = sparsityRatios(importances, sizes, global)
      const all = sizes.reduce((sum, size) => sum + size, 0)
      const zeros = ratios.reduce((sum, ratio, index) => sum + ratio * (sizes[index] ?? 0), 0)
      expect(zeros / all).toBeCloseTo(global, 6)
      for (const ratio of ratios) expect(ratio).toBeLessThanOrEqual(max)
      const perWeight = pairs.map(([value, size]) => value / size)
      for (const [a, ratio] of ratios.entries())
        for (const [b, other] of ratios.entries())
          if ((perWeight[a] ?? 0) > (perWeight[b] ?? 0)) expect(ratio).toBeLessThanOrEqual(other + 1e-6)
    }),
    { seed: SEED },
  )
})

test('on a quadratic the two-point estimate is exact along each direction, and the norm on average', async () => {
  // L(w) = 1/2 w^T A w + b^T w, gradient A w + b
  const size = 5
  const source = random(SEED)
  const normals = (count: number) => Array.from({ length: count }, () => source.normal())
  const [a, b, w] = [normals(size * size), normals(size), normals(size)]
  const loss = (at: readonly number[]) =>
    at.reduce(
      (sum, x, i) => sum + x * (b[i] ?? 0) + 0.5 * at.reduce((all, y, j) => all + x * y * (a[i * size + j] ?? 0), 0),
      0,
    )
  const gradient = b.map((x, i) =>
    w.reduce((sum, y, j) => sum + 0.5 * y * ((a[i * size + j] ?? 0) + (a[j * size + i] ?? 0)), x),
  )
  const draws = 400
  const bank = noiseBank(size, draws, SEED)
  const along = (step: number, draw: number) => loss(w.map((x, i) => x + step * Number(bank(draw).data[i])))
  const dots = Array.from({ length: draws }, (_, draw) =>
    gradient.reduce((sum, x, i) => sum + x * Number(bank(draw).data[i]), 0),
  )
  const norm = Math.sqrt(gradient.reduce((sum, x) => sum + x * x, 0))
  const few = Math.sqrt(dots.slice(0, 3).reduce((sum, dot) => sum + dot * dot, 0) / 3)
  expect(await gradientNorm(along, 3, 0.1), `seed ${SEED}`).toBeCloseTo(few, 8)
  expect((await gradientNorm(along, draws, 0.1)) / norm, `seed ${SEED}`).toBeCloseTo(1, 1)
})

const run = async (network: Network, overrides: ReadonlyMap<string, Float32Array>, image: TensorValue) => {
  if (network.graph === null) throw new Error('no graph')
  const reader = weightReader(network, overrides)
  const session = await openSession(network.graph, reader, { device: 'cpu' }, () => undefined)
  const { logits } = await session.run({ image })
  await session.release()
  return Array.from(logits?.data ?? [], Number)
}

test('noise inside the graph does what replaced weights do, repeated where it is shorter than they are', async () => {
  const network = residualNetwork()
  const [batch] = [...(imageData().calibrate.batches({ batchSize: 3 }) as Iterable<{ feeds: { image: TensorValue } }>)]
  if (network.graph === null || batch === undefined) throw new Error('nothing to run')
  const names = ['head.weight', 'blocks.1.conv1.weight']
  const noisy = perturb(segment(network.graph, { outputs: ['logits'] }), names, 1001)
  const noise = noiseBank(noisy.length, 1, SEED)(0)
  const session = await openSession(noisy.graph, weightReader(network), { device: 'cpu' }, () => undefined)
  for (const [name, step] of [
    ['head.weight', 0.3],
    ['blocks.1.conv1.weight', -0.2],
  ] as const) {
    const feeds: Record<string, TensorValue> = { ...batch.feeds, [noisy.noise]: noise }
    for (const [weight, input] of noisy.steps)
      feeds[input] = { dtype: 'float32', dims: [], data: Float32Array.of(weight === name ? step : 0) }
    const { logits } = await session.run(feeds)
    const moved = readFloat32(network, name).map((w, i) => w + step * Number(noise.data[i % noisy.length]))
    const expected = await run(network, new Map([[name, moved]]), batch.feeds.image)
    const still = await run(network, new Map(), batch.feeds.image)
    expected.forEach((value, index) => expect(Number(logits?.data[index])).toBeCloseTo(value, 4))
    expect(Math.abs((expected[0] ?? 0) - (still[0] ?? 0))).toBeGreaterThan(1e-3)
  }
  await session.release()
})

/** Norm of the gradient of the head by central differences of each of its weights. */
async function headNorm(network: Network, dataset: Dataset): Promise<number> {
  const graph = lossGraph(network)
  const options: SessionOptions = { device: 'cpu', weightInputs: ['head.weight'] }
  const session = await openSession(graph.graph, weightReader(network), options, () => undefined)
  const [batch] = [...(dataset.calibrate.batches({ batchSize: 64 }) as Iterable<Batch>)]
  if (batch === undefined) throw new Error('no batch')
  const weight = readFloat32(network, 'head.weight')
  const at = async (index: number, step: number) => {
    const data = weight.slice()
    data[index] = (data[index] ?? 0) + step
    const fed = { ...batch.feeds, 'head.weight': { dtype: 'float32' as const, dims: [10, 32], data } }
    const { sum, rows } = await measureLoss(session, graph, fed, batch.targets ?? new Int32Array())
    return sum / rows
  }
  let squares = 0
  for (let index = 0; index < weight.length; index++)
    squares += (((await at(index, 0.02)) - (await at(index, -0.02))) / 0.04) ** 2
  await session.release()
  return Math.sqrt(squares)
}

test('the score, in one pass with another, is the norm of the gradient', async () => {
  const network = residualNetwork()
  const dataset = imageData(12)
  const uses: MethodUse[] = [
    { method: 'lim', parameters: {} },
    { method: 'ecoflap', parameters: { perturbations: 48, sparsity: 0.6 } },
  ]
  const args = { network, dataset, device: 'cpu', samples: 12, seed: SEED } as const
  const [, result] = await measureScores(args, uses, quiet)
  const compressible = network.layers.filter((layer) => layer.compressible)
  expect(result?.values.map(({ key }) => key).sort()).toEqual(compressible.map(({ name }) => name).sort())
  const head = result?.values.find(({ key }) => key === 'head.weight')?.value ?? NaN
  const norm = await headNorm(network, dataset)
  expect(head / norm, `seed ${SEED}`).toBeGreaterThan(0.75)
  expect(head / norm, `seed ${SEED}`).toBeLessThan(1.33)
  const zeros = compressible.map(
    ({ name, parameters }) => parameters * (result?.values.find(({ key }) => key === name)?.parts?.sparsity ?? NaN),
  )
  const all = compressible.reduce((sum, { parameters }) => sum + parameters, 0)
  expect(zeros.reduce((sum, count) => sum + count, 0) / all).toBeCloseTo(0.6, 6)
})

const few = [{ method: 'ecoflap', parameters: { perturbations: 2 } }]

test('without labels the network’s own answers stand in; the same seed gives the same values', async () => {
  const network = residualNetwork()
  const labelled = imageData(6)
  const part = labelled.calibrate
  const dataset: Dataset = {
    ...labelled,
    calibrate: {
      ...part,
      *batches(options) {
        for (const batch of part.batches(options) as Iterable<Batch>) yield { ...batch, targets: null }
      },
    },
    fingerprint: 'without labels',
  }
  const args = { network, dataset, device: 'cpu', samples: 6, seed: 4 } as const
  const [first] = await measureScores(args, few, quiet)
  const [again] = await measureScores(args, few, quiet)
  const [other] = await measureScores({ ...args, seed: 5 }, few, quiet)
  expect(first?.values.every(({ value }) => value > 0)).toBe(true)
  expect(again?.values).toEqual(first?.values)
  expect(other?.values).not.toEqual(first?.values)
})

test('weights that are not finite are named, and so is a network without a loss', async () => {
  const network = residualNetwork()
  const { source } = network
  const spoiled: Network = {
    ...network,
    fingerprint: 'spoiled',
    source: {
      ...source,
      tensors: source.tensors,
      read: (name, range) => {
        const bytes = source.read(name, range).slice()
        if (name === 'head.weight') new Float32Array(bytes.buffer)[0] = NaN
        return bytes
      },
    },
  }
  const args = { dataset: imageData(6), device: 'cpu', samples: 6 } as const
  await expect(measureScores({ ...args, network: spoiled }, few, quiet)).rejects.toMatchObject({ code: 'bad-data' })
  const features: Network = { ...network, task: 'image-features' }
  await expect(measureScores({ ...args, network: features }, few, quiet)).rejects.toMatchObject({ code: 'unsupported' })
})
