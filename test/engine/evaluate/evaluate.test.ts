import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { readFloat32, weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { clearOutputCache } from '../../../src-main/engine/evaluate/cache.ts'
import { evaluateNetwork, type EvaluateArguments } from '../../../src-main/engine/evaluate/evaluate.ts'
import type { TaskProgress } from '../../../src-main/engine/protocol.ts'
import { evaluationSchema } from '../../../src-preload/contract/results.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { scratch } from '../data/fixtures.ts'

async function evaluate(
  model: string,
  data: string,
  more: Partial<EvaluateArguments> = {},
  split: 'auto' | 'none' = 'auto',
) {
  const network = openNetwork(model)
  try {
    const dataset = await openDataset({ path: data, split }, network)
    const steps: TaskProgress[] = []
    const context = {
      progress: (update: TaskProgress) => steps.push(update),
      notify: (text: string) => expect.unreachable(text),
    }
    const result = await evaluateNetwork(
      { network, dataset, part: 'evaluate', overrides: null, device: 'cpu', ...more },
      context,
    )
    return { ...result, steps }
  } finally {
    network.source.close()
  }
}

/** Every weight rounded to `bits` with one scale. */
function rounded(network: Network, bits: number): Map<string, Float32Array> {
  const overrides = new Map<string, Float32Array>()
  for (const layer of network.layers.filter((each) => each.compressible)) {
    const weight = readFloat32(network, layer.name)
    const step = weight.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / (2 ** (bits - 1) - 1)
    overrides.set(
      layer.name,
      weight.map((value) => Math.round(value / step) * step),
    )
  }
  return overrides
}

beforeEach(clearOutputCache)

/** The README beside the models, as printed there. */
const published = [
  ['cifar10/resnet20.onnx', 'cifar10/data.yaml', 'auto', { top1: '81.28', crossEntropy: '0.87838' }],
  ['cifar10/resnet32.onnx', 'cifar10/data.yaml', 'auto', { top1: '82.42', crossEntropy: '0.91904' }],
  ['cifar10/resnet56.onnx', 'cifar10/data.yaml', 'auto', { top1: '83.54', crossEntropy: '0.93908' }],
  ['vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10/data.yaml', 'auto', { top1: '68.66', crossEntropy: '0.90083' }],
  [
    'squeezenet/squeezenet1.1.onnx',
    'squeezenet/data.yaml',
    'none',
    { top1: '61.0', top5: '83.0', crossEntropy: '1.69963' },
  ],
  [
    'mobilenet/mobilenet_v1_0.5_160.onnx',
    'mobilenet/data.yaml',
    'none',
    { top1: '68.2', top5: '86.8', crossEntropy: '1.3483' },
  ],
  ['stories260K', 'stories260K/data.yaml', 'auto', { perplexity: '4.7581' }],
  ['stories260K', 'context: 512', 'auto', { perplexity: '4.2912' }],
  ['novels-5m', 'novels-5m/data.yaml', 'auto', { perplexity: '30.4995' }],
] as const
const predicted = new Map([
  ['stories260K', 41_393],
  ['novels-5m', 44_492],
])

describe.skipIf(!hasData)('the float32 figures of the models beside us, to the printed digit', () => {
  test.each(published)('%s on %s, split %s', { timeout: 300_000 }, async (model, data, split, figures) => {
    let path = dataPath(data)
    if (data === 'context: 512') {
      path = join(scratch(), 'data.yaml')
      const text = dataPath(model, 'valid.txt')
      writeFileSync(path, `kind: text\nevaluate: { text: ${text} }\ncontext: 512\ndocument-separator: "<|endoftext|>"`)
    }
    const result = await evaluate(dataPath(model), path, {}, split)
    for (const [metric, printed] of Object.entries(figures)) {
      const digits = printed.split('.')[1]?.length ?? 0
      const value = (result.metrics[metric]?.value ?? Number.NaN) * (metric.startsWith('top') ? 100 : 1)
      expect(value.toFixed(digits), metric).toBe(printed)
    }
    if (data.endsWith('.yaml') && predicted.has(model)) expect(result.predictions).toBe(predicted.get(model))
  })
})

describe.skipIf(!hasData)('candidates against their original', () => {
  const models = [
    ['cifar10/resnet20.onnx', 'cifar10/data.yaml', 200],
    ['stories260K', 'stories260K/data.yaml', 20],
  ] as const

  test.each(models)('%s: its own weights change nothing; fewer bits are never nearer', async (model, data, limit) => {
    const network = openNetwork(dataPath(model))
    const run = (bits: number | null) => {
      const overrides =
        bits === null
          ? new Map(network.layers.map((layer) => [layer.name, readFloat32(network, layer.name)]))
          : rounded(network, bits)
      return evaluate(dataPath(model), dataPath(data), { overrides, limit })
    }
    const same = await run(null)
    expect(same.metrics.klDivergence).toEqual({ value: 0, low: 0, high: 0 })
    expect(same.metrics.agreement?.value).toBe(1)
    const divergences: number[] = []
    for (const bits of [8, 6, 4]) {
      const { metrics } = await run(bits)
      const { value, low, high } = metrics.klDivergence ?? { value: Number.NaN, low: null, high: null }
      expect(low).toBeLessThan(value)
      expect(high).toBeGreaterThan(value)
      divergences.push(value)
    }
    expect(divergences).toEqual([...divergences].sort((one, other) => one - other))
    network.source.close()
  })

  test('a kept original gives what a computed one gives, and the result fits the contract', async () => {
    const network = openNetwork(dataPath('cifar10/resnet20.onnx'))
    const overrides = rounded(network, 5)
    const ask = () =>
      evaluate(dataPath('cifar10/resnet20.onnx'), dataPath('cifar10/data.yaml'), { overrides, limit: 130 })
    const [first, second] = [await ask(), await ask()]
    expect(second.metrics).toEqual(first.metrics)
    expect(first.samples).toBe(130)
    expect(first.metrics.top1Difference).toBeDefined()
    evaluationSchema.parse({ ...first, id: 'e', variant: null, bytes: 0 })
    const fractions = first.steps.map((step) => step.fraction)
    expect(fractions).toEqual([...fractions].sort((one, other) => one - other))
    expect(first.steps.at(-1)).toEqual({ fraction: 1, step: '130 of 130 images' })
    expect(first.samplesPerSecond).toBeGreaterThan(0)
    network.source.close()
  })

  test('another batch size gives the same metrics but for the last digits', async () => {
    const ask = (batchSize: number) =>
      evaluate(dataPath('stories260K'), dataPath('stories260K/data.yaml'), { batchSize, limit: 12 })
    const [one, many] = [await ask(1), await ask(12)]
    expect(many.predictions).toBe(one.predictions)
    expect(many.metrics.perplexity?.value).toBeCloseTo(one.metrics.perplexity?.value ?? Number.NaN, 4)
  })

  test('against another checkpoint: logits and hidden states meet', async () => {
    const against = openNetwork(dataPath('stories260K'))
    const overrides = rounded(against, 6)
    const run = (other: Network | undefined) =>
      evaluate(dataPath('stories260K'), dataPath('stories260K/data.yaml'), { overrides, against: other, limit: 6 })
    const usual = await run(undefined)
    clearOutputCache()
    const twin = await run(against)
    expect(twin.metrics.klDivergence?.value).toBeCloseTo(usual.metrics.klDivergence?.value ?? Number.NaN, 9)
    clearOutputCache()
    const headless = await run({ ...against, head: null })
    expect(headless.metrics.klDivergence?.value).toBeCloseTo(usual.metrics.klDivergence?.value ?? Number.NaN, 6)
    expect(headless.metrics.logPerplexityRatio?.value).toBeCloseTo(
      usual.metrics.logPerplexityRatio?.value ?? Number.NaN,
      5,
    )
    const stranger = openNetwork(dataPath('cifar10/resnet20.onnx'))
    await expect(run(stranger)).rejects.toMatchObject({ code: 'bad-arguments' })
    against.source.close()
    stranger.source.close()
  })

  test('a network without classes is judged by its outputs', async () => {
    const model = dataPath('silero-vad/silero_vad_16k_op15.onnx')
    const network = openNetwork(model)
    const path = join(scratch(), 'noise.yaml')
    writeFileSync(
      path,
      'kind: noise\nsamples: 6\ndims: { sequence: 512 }\ninputs: { input: { deviation: 0.1 }, sr: { value: 16000 } }',
    )
    const decibels: number[] = []
    const same = new Map(network.layers.map((layer) => [layer.name, readFloat32(network, layer.name)]))
    expect((await evaluate(model, path, { overrides: same })).metrics).toMatchObject({
      sqnrDb: { value: 300 },
      maxAbsDifference: { value: 0 },
    })
    for (const bits of [12, 8, 4]) {
      const { metrics, samples } = await evaluate(model, path, { overrides: rounded(network, bits) })
      expect(samples).toBe(5)
      expect(metrics.maxAbsDifference?.value).toBeGreaterThan(0)
      decibels.push(metrics.sqnrDb?.value ?? Number.NaN)
    }
    expect(decibels).toEqual([...decibels].sort((one, other) => other - one))
    expect(decibels[0]).toBeGreaterThan(20)
    network.source.close()
  })

  test('weights that overflow are a fault, not a metric', async () => {
    const network = openNetwork(dataPath('stories260K'))
    const name = network.layers.find((layer) => layer.role === 'down')?.name ?? ''
    const overrides = new Map([[name, readFloat32(network, name).map(() => Number.NaN)]])
    await expect(
      evaluate(dataPath('stories260K'), dataPath('stories260K/data.yaml'), { overrides, limit: 2 }),
    ).rejects.toMatchObject({ code: 'verification' })
    network.source.close()
  })

  test('a part without samples is bad data', async () => {
    const path = join(scratch(), 'data.yaml')
    writeFileSync(path, `kind: text\nevaluate: { text: ${dataPath('stories260K/valid.txt')} }`)
    await expect(evaluate(dataPath('stories260K'), path, { part: 'calibrate' })).rejects.toMatchObject({
      code: 'bad-data',
    })
  })
})

test.skipIf(!hasData)(
  'a language model that came as ONNX is judged by its words, with the tokenizer beside it',
  async () => {
    const folder = scratch()
    const network = openNetwork(dataPath('stories260K'))
    if (!network.graph) throw new Error('no graph')
    writeFileSync(join(folder, 'model.onnx'), encodeModel(network.graph, weightReader(network)))
    for (const name of ['tokenizer.json', 'config.json'])
      copyFileSync(dataPath('stories260K', name), join(folder, name))
    const limit = 30
    const data = dataPath('stories260K/data.yaml')
    const exported = await evaluate(join(folder, 'model.onnx'), data, { limit, against: network })
    const original = await evaluate(dataPath('stories260K'), data, { limit })
    expect(exported.predictions).toBe(original.predictions)
    expect(exported.metrics.perplexity?.value).toBeCloseTo(original.metrics.perplexity?.value ?? Number.NaN, 4)
    expect(exported.metrics.klDivergence?.value).toBeLessThan(1e-8)
    network.source.close()
  },
)
