import { expect, test } from 'vitest'
import type { Layer, Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readMatrix, toMemoryOrder, weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Dataset } from '../../../src-main/engine/data/types.ts'
import { createJudge } from '../../../src-main/engine/evaluate/judge.ts'
import { segment } from '../../../src-main/engine/graph/segment.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { applyPlain, optionsFor } from '../../../src-main/engine/quantize/options.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import { measureSensitivity } from '../../../src-main/engine/score/sensitivity.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { imageData, quiet, residualNetwork } from './network.ts'

/** The same loss without cuts or weight inputs: the whole network with the weight replaced, against the original. */
async function lossByHand(network: Network, dataset: Dataset, layer: Layer, bits: number, samples: number) {
  const option = optionsFor(layer).find((one) => one.bits === bits)
  if (option === undefined || network.graph === null) throw new Error('no such option')
  const weight = toMemoryOrder(layer, dequantize(applyPlain(readMatrix(network, layer), option)))
  const overrides = new Map([[layer.name, weight]])
  const judge = await createJudge(network, { device: 'cpu', notify: () => undefined })
  const graph = segment(network.graph, { outputs: [judge.value] })
  const original = await openSession(graph, weightReader(network), { device: 'cpu' }, () => undefined)
  const candidate = await openSession(graph, weightReader(network, overrides), { device: 'cpu' }, () => undefined)
  let [sum, rows] = [0, 0]
  for await (const { feeds, targets } of dataset.calibrate.batches({ batchSize: 2, limit: samples })) {
    const fed = Object.fromEntries(original.inputNames.map((name) => [name, feeds[name] as never]))
    const a = (await original.run(fed))[judge.value]?.data as Float32Array
    const b = (await candidate.run(fed))[judge.value]?.data as Float32Array
    const head = layer.name === network.head?.weight ? weight : undefined
    const { kl } = await judge.compare(a, b, targets, head)
    sum += kl.reduce((total, value) => total + value, 0)
    rows += kl.length
  }
  await Promise.all([original.release(), candidate.release(), judge.release()])
  return sum / rows
}

const measureAll = async (network: Network, dataset: Dataset | null, samples: number) => {
  const blocks = [-1, ...network.blocks.map(({ index }) => index)]
  const results = []
  for (const block of blocks) {
    results.push(
      await measureSensitivity({ network, dataset, block, samples, device: 'cpu', ...offered(network) }, quiet),
    )
  }
  return results
}

const offered = (network: Network, every = true) => ({
  layers: new Map(network.layers.map((layer) => [layer.name, { options: optionsFor(layer) }])),
  every,
  importance: null,
})

test('each loss behind a cut equals that of the whole network with the weight replaced', async () => {
  const network = residualNetwork()
  const dataset = imageData()
  const results = await measureAll(network, dataset, 12)
  const layers = results.flatMap((result) => result.layers)
  expect(layers.map(({ name }) => name).sort()).toEqual(
    network.layers
      .filter(({ compressible }) => compressible)
      .map(({ name }) => name)
      .sort(),
  )
  expect(results.every(({ samples, source }) => samples === 12 && source.includes('12 images'))).toBe(true)
  for (const { name, losses } of layers) {
    const layer = network.layers.find((one) => one.name === name)
    if (layer === undefined) throw new Error(name)
    for (const bits of [2, 4]) {
      const found = losses[bits - 2]?.loss ?? NaN
      const expected = await lossByHand(network, dataset, layer, bits, 12)
      expect(found, `${name} at ${bits} bits`).toBeGreaterThan(0)
      // Log-probabilities are float32: seen were 7e-6 of losses of 1e-3 and more, and 3e-8 nats of those that are tiny.
      expect(Math.abs(found - expected), `${name} at ${bits} bits`).toBeLessThan(1e-5 * expected + 5e-8)
    }
    const widths = [2, 3, 4, 5, 6, 7, 8].map((bits) => optionsFor(layer).find((option) => option.bits === bits)?.id)
    const ladder = losses.filter(({ option }) => widths.includes(option)) // one option a width
    ladder.slice(1).forEach(({ error }, i) => expect(error).toBeLessThan(ladder[i]?.error ?? 0))
  }
})

test('without data the relative weight error stands in, and says so', async () => {
  const [result] = await measureAll(residualNetwork(), null, 8)
  expect(result).toMatchObject({ samples: 0, source: 'weight error only (no data)' })
  for (const { losses } of result?.layers ?? [])
    for (const { loss, outputError, error } of losses)
      expect([loss, outputError, error > 0]).toEqual([null, null, true])
})

test('the options of all layers take fewer forward passes than L K / 2 + L, for only a few of each kind are run', async () => {
  const network = residualNetwork()
  const layers = network.layers.filter(({ compressible }) => compressible)
  const dataset = imageData()
  const options = layers.reduce((sum, layer) => sum + optionsFor(layer).filter(({ id }) => id !== 'keep').length, 0)
  const bound = options / 2 + layers.length
  const passesOf = async (every: boolean) => {
    let passes = 0
    let run = 0
    for (const block of [-1, ...network.blocks.map(({ index }) => index)]) {
      const args = { network, dataset, block, samples: 12, device: 'cpu', ...offered(network, every) } as const
      const result = await measureSensitivity(args, quiet)
      passes += result.passes
      run += result.layers.flatMap(({ losses }) => losses.filter(({ loss }) => loss !== null)).length
    }
    return { passes, run }
  }
  const all = await passesOf(true)
  expect(all.run).toBe(options)
  expect(all.passes).toBeLessThan(options) // six layers, most work in the last: the mean suffix is no half here
  expect(all.passes).toBeGreaterThan(options / 8) // it counts what is run
  const few = await passesOf(false)
  expect(few.run).toBe(3 * layers.length)
  expect(few.passes).toBeLessThan(bound)
  expect(few.passes).toBeLessThan(all.passes * 0.6)
})

test('a data set without calibration samples is refused', async () => {
  const network = residualNetwork()
  const args = { network, dataset: imageData(0), block: 0, samples: 8, device: 'cpu', ...offered(network) } as const
  await expect(measureSensitivity(args, quiet)).rejects.toMatchObject({ code: 'bad-data' })
})

test.skipIf(!hasData)('a tied head changes with the embedding, an untied one alone', async () => {
  for (const [model, names] of [
    ['stories260K', ['model.embed_tokens.weight']],
    ['novels-5m', ['lm_head.weight', 'model.embed_tokens.weight']],
  ] as const) {
    const network = openNetwork(dataPath(model))
    const dataset = await openDataset({ path: dataPath(model), split: 'auto' }, network)
    const result = await measureSensitivity(
      { network, dataset, block: -1, samples: 1, device: 'cpu', ...offered(network) },
      quiet,
    )
    expect(result.layers.map(({ name }) => name).sort()).toEqual(names)
    for (const { name, losses } of result.layers) {
      const layer = network.layers.find((one) => one.name === name)
      if (layer === undefined) throw new Error(name)
      const expected = await lossByHand(network, dataset, layer, 3, 1)
      expect(Math.abs((losses[1]?.loss ?? NaN) / expected - 1), name).toBeLessThan(1e-3)
    }
  }
})
