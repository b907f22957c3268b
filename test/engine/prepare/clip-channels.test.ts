import { afterAll, describe, expect, test } from 'vitest'
import { intTensor } from '../../../src-main/engine/activate/int-tensor.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { channelRanges, clipChannels, reparameterize } from '../../../src-main/engine/prepare/clip-channels.ts'
import { observe } from '../../../src-main/engine/prepare/observe.ts'
import { runnable } from '../../../src-main/engine/prepare/seamed.ts'
import { findSeams } from '../../../src-main/engine/prepare/seams.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { quiet } from '../score/network.ts'
import { distance, feedsFor } from './compare.ts'

const seed = 2
const open: Network[] = []
const opened = (path: string): Network => {
  const network = openNetwork(dataPath(path))
  open.push(network)
  return network
}
afterAll(() => {
  for (const network of open) network.source.close()
})

test('every channel ends in the same range', () => {
  const ranges = [
    { low: -1, high: 3 },
    { low: 0, high: 10 },
    { low: -0.2, high: 0.2 },
    { low: 0, high: 0 }, // never used
  ]
  const { scale, offset, range } = reparameterize(ranges, 255)
  const [low = 0, high = 0] = range
  const step = (high - low) / 255
  ranges.slice(0, 3).forEach((own, c) => {
    const moved = (x: number) => (x + (offset[c] ?? 0)) / (scale[c] ?? 1)
    expect(Math.abs(moved(own.low) - low)).toBeLessThanOrEqual(step * 0.51)
    expect(Math.abs(moved(own.high) - high)).toBeLessThanOrEqual(step * 0.51)
  })
  expect([scale[3], offset[3]]).toEqual([1, 0])
})

test('ranges leave out the tails', () => {
  const rows = Float32Array.from({ length: 2000 }, (_, i) => (i % 2 === 0 ? i / 2 : -i)) // 0 .. 999 and -1 .. -1999
  expect(channelRanges(rows, 2, 1)).toEqual([
    { low: 0, high: 999 },
    { low: -1999, high: 0 },
  ])
  expect(channelRanges(rows, 2, 0.99).map(({ low, high }) => high - low)).toEqual([989, 1979])
})

describe.skipIf(!hasData)('real models', () => {
  test(`ViT: the function stays, rounded activations lose less (seed ${seed})`, async () => {
    const network = opened('vit-cifar10/vit_tiny_cifar10.onnx')
    const dataset = await openDataset({ path: dataPath('vit-cifar10/data.yaml'), split: 'auto' }, network)
    const parameters = clipChannels.params.parse({ bits: 8 })
    const args = { network, dataset, samples: 32, seed, device: 'cpu' } as const
    const measured = (await clipChannels.measure?.(args, parameters, quiet)) ?? null
    const moved = clipChannels.apply(network, parameters, { seed, measured })
    const feeds = feedsFor(network, 32, seed)
    expect(await distance(network, moved, feeds)).toBeLessThan(1e-5)

    const spread = async (of: Network) => {
      const given = runnable(of)
      const seams = findSeams(given.graph).filter(({ kind }) => kind === 'norm')
      const seen = await observe({ ...args, network: given }, seams, quiet)
      return seams.reduce((sum, { name }) => {
        const { low, high } = seen.get(name) ?? { low: new Float32Array(), high: new Float32Array() }
        const widths = high.map((value, c) => value - (low[c] ?? 0))
        return sum + Math.log(Math.max(...widths) / Math.min(...widths))
      }, 0)
    }
    expect(await spread(moved)).toBeLessThan((await spread(network)) * 0.6)

    const rounded = async (of: Network) => {
      const settings = intTensor.params.parse({ bits: 6 })
      const ranges = (await intTensor.measure?.({ ...args, network: of }, settings, quiet)) ?? null
      return intTensor.apply(of, settings, { seed, measured: ranges })
    }
    const first = dataset.evaluate.batches({ batchSize: 32, limit: 32 })
    for await (const batch of first) {
      const [before, after] = [
        await distance(network, await rounded(network), batch.feeds),
        await distance(network, await rounded(moved), batch.feeds),
      ]
      expect(after).toBeLessThan(before)
    }
  })

  test('norms without shifts are refused in words', () => {
    expect(clipChannels.refuses(opened('stories260K'), clipChannels.params.parse({}))).toMatch(/no LayerNorm/)
  })
})
