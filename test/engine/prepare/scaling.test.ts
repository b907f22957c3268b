import { afterAll, describe, expect, test } from 'vitest'
import { collectHessians } from '../../../src-main/engine/calibrate/collect.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { weightRows } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Dataset } from '../../../src-main/engine/data/types.ts'
import { outputError } from '../../../src-main/engine/kernels/linear/error.ts'
import { awq } from '../../../src-main/engine/prepare/awq.ts'
import type { Preparation } from '../../../src-main/engine/prepare/define.ts'
import { fireqSmooth, keyFactors } from '../../../src-main/engine/prepare/fireq-smooth.ts'
import { findKeySeams } from '../../../src-main/engine/prepare/keys.ts'
import { wiringOf } from '../../../src-main/engine/prepare/linears.ts'
import { byChannel, observe } from '../../../src-main/engine/prepare/observe.ts'
import { runnable } from '../../../src-main/engine/prepare/seamed.ts'
import { findSeams } from '../../../src-main/engine/prepare/seams.ts'
import { smooth } from '../../../src-main/engine/prepare/smooth.ts'
import { rtn } from '../../../src-main/engine/quantize/rtn.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { quiet } from '../score/network.ts'
import { distance, feedsFor } from './compare.ts'

const seed = 3
const samples = 4
const open: Network[] = []
afterAll(() => {
  for (const network of open) network.source.close()
})

async function opened(model: string, data: string): Promise<{ network: Network; dataset: Dataset }> {
  const network = openNetwork(dataPath(model))
  open.push(network)
  return { network, dataset: await openDataset({ path: dataPath(data), split: 'auto' }, network) }
}

/** The network after a preparation that measures, with what it measured. */
async function prepared(
  method: Preparation,
  network: Network,
  dataset: Dataset,
  given: Record<string, unknown>,
): Promise<Network> {
  const parameters = method.params.parse(given)
  expect(method.refuses(network, parameters)).toBeNull()
  const measured = await method.measure?.({ network, dataset, samples, seed, device: 'cpu' }, parameters, quiet)
  return method.apply(network, parameters, { seed, measured: measured ?? null })
}

/** Sum over layers of the output error of rounding to nearest, on calibration data. */
async function roundingError(network: Network, dataset: Dataset, bits: number): Promise<number> {
  const hessians = await collectHessians(network, dataset, { samples, device: 'cpu' }, quiet)
  let error = 0
  for (const layer of network.layers) {
    const own = hessians.get(layer.name)
    if (!own || layer.role === 'head') continue
    const rows = weightRows(network, layer)
    const grid = rtn.params.parse({ bits, groupSize: 32 })
    const found = await outputError(rows, await rtn.apply(rows, grid, { layer: layer.name }), own)
    error += found.relative
  }
  return error
}

describe.skipIf(!hasData)(`scaling by activations (seed ${seed})`, () => {
  test.each([2, 3, 4])('AWQ: the function stays, rounding to %i bits loses less', async (bits) => {
    const { network, dataset } = await opened('stories260K', 'stories260K/data.yaml')
    const scaled = await prepared(awq, network, dataset, { bits, groupSize: 32, steps: 8 })
    expect(await distance(network, scaled, feedsFor(network, 40, seed))).toBeLessThan(1e-5)
    const [before, after] = [await roundingError(network, dataset, bits), await roundingError(scaled, dataset, bits)]
    expect(after / before).toBeLessThan(0.985)
  })

  test.each([
    ['stories260K', 'stories260K/data.yaml', 'norms'],
    ['vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10/data.yaml', 'all'],
    ['cifar10/resnet20.onnx', 'cifar10/data.yaml', 'all'],
  ])('SmoothQuant: %s keeps its function and its activations stand out less', async (model, data, seams) => {
    const { network, dataset } = await opened(model, data)
    const smoothed = await prepared(smooth, network, dataset, { seams })
    expect(await distance(network, smoothed, feedsFor(network, 32, seed))).toBeLessThan(1e-5)
    const spread = async (of: Network) => {
      const given = runnable(of)
      const list = findSeams(given.graph).filter(({ kind }) => seams === 'all' || kind === 'norm')
      const seen = await observe({ network: given, dataset, samples, device: 'cpu', seed }, list, quiet)
      const ratios = list.map((seam) => {
        const most = byChannel(seam, seen.get(seam.name)?.maxAbs ?? new Float32Array(), 'max').filter((x) => x > 0)
        return Math.max(...most) / most.toSorted()[most.length >> 1]!
      })
      return ratios.reduce((sum, value) => sum + Math.log(value), 0) / ratios.length
    }
    expect(await spread(smoothed)).toBeLessThan((await spread(network)) * 0.85)
  })

  test('FireQ: the function stays, keys spread less, pairs share their factor', async () => {
    const { network, dataset } = await opened('stories260K', 'stories260K/data.yaml')
    const scaled = await prepared(fireqSmooth, network, dataset, { keys: 0.5 })
    expect(await distance(network, scaled, feedsFor(network, 40, seed))).toBeLessThan(1e-5)
    const spread = async (of: Network) => {
      const given = runnable(of)
      const list = findKeySeams(wiringOf(given.graph))
      const seen = await observe({ network: given, dataset, samples, device: 'cpu', seed }, list, quiet)
      return list.reduce((sum, seam) => {
        const most = byChannel(seam, seen.get(seam.name)?.maxAbs ?? new Float32Array(), 'max')
        return sum + Math.log(Math.max(...most) / Math.min(...most))
      }, 0)
    }
    expect(await spread(scaled)).toBeLessThan((await spread(network)) * 0.9)
    const partner = Int32Array.of(1, 0, 2)
    expect([...keyFactors({ partner }, Float32Array.of(1, 4, 1), 0.5)].map((s) => s.toFixed(4))).toEqual(
      [1.2599, 1.2599, 0.63].map((s) => s.toFixed(4)),
    )
  })

  test('factors of another network are refused', async () => {
    const { network } = await opened('stories260K', 'stories260K/data.yaml')
    const measured = new Map([['elsewhere/norm/scale', new Float32Array(4)]])
    expect(() => awq.apply(network, awq.params.parse({}), { seed, measured })).toThrow(/elsewhere/)
    const seam = findSeams(runnable(network).graph)[0]
    const zero = new Map([[`${seam?.name}/scale`, new Float32Array(seam?.channels ?? 0)]])
    expect(() => awq.apply(network, awq.params.parse({}), { seed, measured: zero })).toThrow(/factors/)
  })

  test('a network without seams is refused in words', async () => {
    const { network } = await opened('mobilenet/mobilenet_v1_0.5_160.onnx', 'mobilenet/data.yaml')
    expect(awq.refuses(network, awq.params.parse({}))).toMatch(/no two weights/)
  })
})
