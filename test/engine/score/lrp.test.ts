import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Batch } from '../../../src-main/engine/data/types.ts'
import { node } from '../../../src-main/engine/graph/ir.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import { lrp, planRelevance } from '../../../src-main/engine/score/lrp.ts'
import { measureScores } from '../../../src-main/engine/score/measure.ts'
import { readSizes } from '../../../src-main/engine/score/relevance/sizes.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { imageData, quiet, residualNetwork } from './network.ts'

const sample = (name: string) => resolve('resources/samples', name)
const models: [string, string, string, boolean][] = [
  ['the vision sample', sample('vision/model.onnx'), sample('vision'), true],
  ['the language sample', sample('language'), sample('language'), true],
  ['resnet20', dataPath('cifar10/resnet20.onnx'), dataPath('cifar10'), hasData],
  ['vit-cifar10', dataPath('vit-cifar10/vit_tiny_cifar10.onnx'), dataPath('vit-cifar10'), hasData],
  ['mobilenet', dataPath('mobilenet/mobilenet_v1_0.5_160.onnx'), dataPath('mobilenet'), hasData],
  ['squeezenet', dataPath('squeezenet/squeezenet1.1.onnx'), dataPath('squeezenet'), hasData],
  ['stories260K', dataPath('stories260K'), dataPath('stories260K'), hasData],
]

test.for(models)('every cut of %s holds the explained output to 1e-3', async ([, path, data, here], { skip }) => {
  skip(!here, 'no real models')
  const network = openNetwork(path)
  const dataset = await openDataset({ path: data, split: 'auto' }, network)
  const { explained, ...anyShape } = planRelevance(network)
  for await (const batch of dataset.calibrate.batches({ batchSize: 2, limit: 2 })) {
    const sizes = await readSizes(network, explained.value, batch, { device: 'cpu', notify: () => undefined })
    const { graph, readings, borders } = planRelevance(network, sizes)
    expect(borders.length).toBeGreaterThan(3)
    expect(graph.graph.nodes.length).toBeLessThanOrEqual(anyShape.graph.graph.nodes.length)
    const session = await openSession(graph.graph, weightReader(network), { device: 'cpu' }, () => undefined)
    const rows = { dtype: 'float32' as const, dims: [1, 1], data: Float32Array.of(1) }
    const given = Object.entries({ ...batch.feeds, [graph.rows]: rows }).filter(([name]) =>
      session.inputNames.includes(name),
    )
    const found = await session.run(Object.fromEntries(given))
    const sum = (name: string | null | undefined) =>
      Array.from(found[name ?? '']?.data ?? [], Number).reduce((all, value) => all + value, 0)
    const [total, absorbed] = [sum(graph.total), sum(graph.absorbed)]
    expect(total).toBeGreaterThan(1.9) // one for each image, or each token
    expect(absorbed / total).toBeLessThan(2e-3)
    borders.forEach(({ value }, index) => {
      const held = sum(graph.readings[readings.length + index])
      expect(held / total, value).toBeGreaterThan(1 - absorbed / total - 1e-3)
      expect(held / total, value).toBeLessThan(1 + 1e-3)
    })
    await session.release()
  }
})

const uses = [{ method: 'lrp', parameters: {} }]

test('the score: layers of one branch share alike, a branch and the stream beside it make one', async () => {
  const network = residualNetwork()
  const args = { network, dataset: imageData(), device: 'cpu', samples: 12 } as const
  const [result] = await measureScores(args, uses, quiet)
  const value = (name: string) => result?.values.find(({ key }) => key === name)?.value ?? NaN
  expect(result).toMatchObject({ method: 'lrp', per: 'layer', samples: 12 })
  expect(result?.values.map(({ key }) => key)).toEqual(
    network.layers.filter(({ compressible }) => compressible).map(({ name }) => name),
  )
  expect(value('stem.weight')).toBeCloseTo(1, 3)
  expect(value('head.weight')).toBeCloseTo(1, 3)
  for (const block of [0, 1, 2]) {
    const [first, second] = [value(`blocks.${block}.conv1.weight`), value(`blocks.${block}.conv2.weight`)]
    expect(first).toBeCloseTo(second, 4)
    expect(second).toBeGreaterThan(0.05)
    expect(second).toBeLessThan(0.95)
  }
  const parts = result?.values[0]?.parts
  expect(parts?.spread).toBeGreaterThan(1 / 32)
  expect(parts?.spread).toBeLessThanOrEqual(1)
  const [map] = result?.maps ?? []
  expect(map).toMatchObject({ rows: ['0', '1', '2'], cols: ['conv'] })
  expect(map?.values[1]).toBeCloseTo(2 * value('blocks.1.conv1.weight'), 3)
  const [again] = await measureScores(args, uses, quiet)
  expect(again?.values).toEqual(result?.values)
})

const notFinite = (batch: Batch): Batch => {
  const [name, image] = Object.entries(batch.feeds)[0] ?? []
  if (image?.data instanceof Float32Array) image.data[0] = NaN
  return name === undefined || image === undefined ? batch : { ...batch, feeds: { [name]: image } }
}

test('numbers that are not finite, and operators without a rule, are named', async () => {
  const network = residualNetwork()
  const dataset = imageData()
  const part = dataset.calibrate
  const spoiled = {
    ...dataset,
    calibrate: {
      ...part,
      *batches(options: Parameters<typeof part.batches>[0]) {
        for (const batch of part.batches(options) as Iterable<Batch>) yield notFinite(batch)
      },
    },
  }
  await expect(measureScores({ network, dataset: spoiled, device: 'cpu' }, uses, quiet)).rejects.toMatchObject({
    code: 'bad-data',
    data: { tensor: 'stem.weight' },
  })
  const { graph } = network
  if (graph === null) throw new Error('no graph')
  const nodes = graph.nodes.map((each) => (each.op === 'Relu' ? node('Det', each.inputs, each.outputs) : each))
  const strange = { ...network, graph: { ...graph, nodes } }
  expect(() => lrp.values(strange, {})).toThrow(/cannot pass through Det/)
  expect(() => lrp.values({ ...network, graph: null }, {})).toThrow(/holds tensors only/)
})
