import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import type { MethodUse } from '../../../src-preload/contract/plan.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Batch, Dataset } from '../../../src-main/engine/data/types.ts'
import { segment } from '../../../src-main/engine/graph/segment.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { largestThreshold } from '../../../src-main/engine/score/activation-sparsity.ts'
import { activationSites } from '../../../src-main/engine/score/activation/sites.ts'
import { measureScores } from '../../../src-main/engine/score/measure.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { imageData, quiet, residualNetwork } from './network.ts'

const use = (parameters: MethodUse['parameters']): MethodUse[] => [{ method: 'activation-sparsity', parameters }]

test('bisection finds the largest threshold that fits, to the step it was given', async () => {
  const tried: number[] = []
  const fits = (limit: number) => (threshold: number) => {
    tried.push(threshold)
    return Promise.resolve(threshold <= limit)
  }
  const found = await largestThreshold(fits(0.25), 8, 16)
  expect(found).toBeLessThanOrEqual(0.25)
  expect(found).toBeGreaterThan(0.2499)
  expect(tried).toHaveLength(17)
  expect(await largestThreshold(fits(9), 8, 16)).toBe(8)
  expect(await largestThreshold(fits(-1), 8, 16)).toBe(0)
  expect(await largestThreshold(fits(1), 0, 16)).toBe(0)
})

test('what layers read from activation functions: gated, in two parts, through pooling', () => {
  const layers = (path: string) => activationSites(openNetwork(path)).map((site) => site.layers.map(({ name }) => name))
  expect(activationSites(residualNetwork()).map(({ value }) => value)).toEqual([
    ...['stem.out', 'blocks.0.b', 'blocks.0.out', 'blocks.1.b', 'blocks.1.out', 'blocks.2.b'],
  ])
  const language = layers(resolve('resources/samples/language'))
  expect(language.flat().every((name) => name.endsWith('mlp.down_proj.weight'))).toBe(true)
  expect(language).toHaveLength(6)
})

test.skipIf(!hasData)('two layers that read the same share one threshold; GELU of single operators is known', () => {
  const squeeze = activationSites(openNetwork(dataPath('squeezenet/squeezenet1.1.onnx')))
  expect(squeeze.filter(({ layers }) => layers.length === 2)).toHaveLength(8) // 1x1 and 3x3 of each fire module
  expect(activationSites(openNetwork(dataPath('vit-cifar10/vit_tiny_cifar10.onnx')))).toHaveLength(6)
})

const [only] = [...(imageData(12).calibrate.batches({ batchSize: 12 }) as Iterable<Batch>)]

/** By hand: activations of one value, cut off below t, sent through the rest of the network; mean cross-entropy. */
async function byHand(value: string, threshold: number) {
  const network = residualNetwork()
  if (network.graph === null || only === undefined) throw new Error('nothing to run')
  const run = async (inputs: string[], output: string, feeds: Record<string, TensorValue>) => {
    const graph = segment(network.graph ?? ({} as never), { inputs, outputs: [output] })
    const session = await openSession(graph, weightReader(network), { device: 'cpu' }, () => undefined)
    const given = Object.entries(feeds).filter(([name]) => session.inputNames.includes(name))
    const found = (await session.run(Object.fromEntries(given)))[output]
    await session.release()
    if (found === undefined) throw new Error(output)
    return found
  }
  const block = 'blocks.0.out'
  const stream = await run([], block, only.feeds)
  const active = await run([], value, only.feeds)
  const data = Float32Array.from(active.data as Float32Array, (x) => (Math.abs(x) > threshold ? x : 0))
  const logits = await run([value, block], 'logits', { [value]: { ...active, data }, [block]: stream })
  const own = await run([], 'logits', only.feeds)
  let loss = 0
  for (let row = 0; row < only.size; row++) {
    const [scores, was] = [logits, own].map(({ data }) => Array.from(data.slice(row * 10, row * 10 + 10), Number))
    const target = was?.indexOf(Math.max(...was)) ?? -1
    loss += Math.log(scores?.reduce((sum, score) => sum + Math.exp(score), 0) ?? NaN) - (scores?.[target] ?? NaN)
  }
  const zero = data.reduce((count, x) => count + (x === 0 ? 1 : 0), 0) / data.length
  const nonzero = (active.data as Float32Array).reduce((count, x) => count + (x !== 0 ? 1 : 0), 0) / data.length
  return { loss: loss / only.size, zero, nonzero }
}

test('sparsity, density and rise are those of the network with the activations cut off by hand', async () => {
  // Without labels: its own answers get less likely with every activation that is left out.
  const dataset = imageData(12)
  const part = dataset.calibrate
  function* batches(options: Parameters<typeof part.batches>[0]): Generator<Batch> {
    for (const batch of part.batches(options) as Iterable<Batch>) yield { ...batch, targets: null }
  }
  const unlabelled: Dataset = { ...dataset, calibrate: { ...part, batches }, fingerprint: 'unlabelled' }
  const args = { network: residualNetwork(), dataset: unlabelled, device: 'cpu', samples: 12 } as const
  const [result] = await measureScores(args, use({ percent: 2, steps: 12 }), quiet)
  const found = result?.values.find(({ key }) => key === 'blocks.1.conv2.weight')
  const { sparsity = NaN, density, threshold = NaN, rise = NaN } = found?.parts ?? {}
  const [base, cut, beyond] = await Promise.all([0, threshold, threshold * 1.02].map((t) => byHand('blocks.1.b', t)))
  expect(density).toBeCloseTo(base?.nonzero ?? NaN, 5)
  expect(sparsity).toBeCloseTo(cut?.zero ?? NaN, 5)
  expect(found?.value).toBeCloseTo(1 - sparsity, 9)
  expect(rise).toBeCloseTo(Math.expm1((cut?.loss ?? NaN) - (base?.loss ?? NaN)), 4)
  expect(rise).toBeLessThanOrEqual(0.02)
  expect(Math.expm1((beyond?.loss ?? NaN) - (base?.loss ?? NaN))).toBeGreaterThan(0.0195) // no more would do
  expect(sparsity).toBeGreaterThan(1 - (density ?? NaN))
})

test('a larger rise allows no fewer zeros, and all together keep the bound with no more than alone', async () => {
  const path = resolve('resources/samples/language')
  const network = openNetwork(path)
  const dataset = await openDataset({ path, split: 'auto' }, network)
  const args = { network, dataset, device: 'cpu', samples: 2 } as const
  const [one] = await measureScores(args, use({ percent: 0.5, steps: 7 }), quiet)
  const [ten] = await measureScores(args, use({ percent: 10, steps: 7 }), quiet)
  expect(one?.values).toHaveLength(6)
  one?.values.forEach(({ key, value, parts }, index) => {
    const other = ten?.values[index]
    expect(other?.key).toBe(key)
    expect(other?.value).toBeLessThanOrEqual(value)
    expect(parts?.rise).toBeLessThanOrEqual(0.005)
    expect(parts?.together).toBeLessThanOrEqual((parts?.sparsity ?? 0) + 1e-6)
  })
  expect(ten?.values.some(({ value }, index) => value < (one?.values[index]?.value ?? 0))).toBe(true)
  expect(one?.notes?.[0]).toMatch(/% of the activations are zero within 0.5 %/)
})

test('a network without activation functions, and activations that are not finite, are named', async () => {
  const network = residualNetwork()
  const args = { dataset: imageData(6), device: 'cpu', samples: 6 } as const
  const { graph } = network
  if (graph === null) throw new Error('no graph')
  const nodes = graph.nodes.map((each) => (each.op === 'Relu' ? { ...each, op: 'Identity' } : each))
  const linear = { ...network, graph: { ...graph, nodes } }
  await expect(measureScores({ ...args, network: linear }, use({}), quiet)).rejects.toThrow(/no layer reads/)
  const { source } = network
  const spoiled = {
    ...network,
    fingerprint: 'spoiled',
    source: {
      ...source,
      tensors: source.tensors,
      read: (name: string, range?: { begin: number; end: number }) => {
        const bytes = source.read(name, range).slice()
        if (name === 'blocks.1.conv1.weight') new Float32Array(bytes.buffer)[0] = NaN
        return bytes
      },
    },
  }
  await expect(measureScores({ ...args, network: spoiled }, use({}), quiet)).rejects.toMatchObject({
    code: 'bad-data',
    data: { file: network.path },
  })
})
