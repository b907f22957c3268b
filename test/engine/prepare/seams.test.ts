import { afterAll, describe, expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import { findKeySeams } from '../../../src-main/engine/prepare/keys.ts'
import { wiringOf } from '../../../src-main/engine/prepare/linears.ts'
import { scaleSeams } from '../../../src-main/engine/prepare/scale.ts'
import { findSeams } from '../../../src-main/engine/prepare/seams.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { allCases } from './cases.ts'
import { distance, type Feeds, feedsFor } from './compare.ts'

const seed = 5
const open: Network[] = []
afterAll(() => {
  for (const network of open) network.source.close()
})

/** How many seams of each kind; moves factors from e^-2 to e^2 over all of them and gives the error of the outputs. */
async function moved(network: Network, feeds: Feeds): Promise<{ kinds: Record<string, number>; error: number }> {
  const { graph } = network
  if (!graph) throw new Error('no graph')
  const keys = findKeySeams(wiringOf(graph))
  const seams = [...findSeams(graph), ...keys]
  expect(new Set(seams.map(({ name }) => name)).size).toBe(seams.length)
  const { uniform } = random(seed)
  const factors = new Map(
    seams.map(({ name, channels }) => [
      name,
      Float32Array.from({ length: channels }, () => Math.exp(uniform() * 4 - 2)),
    ]),
  )
  // Channels that turn together share their factor.
  for (const { name, partner } of keys) {
    const s = factors.get(name)
    partner.forEach((other, channel) => s && (s[other] = s[channel] as number))
  }
  const used = Object.fromEntries(Object.entries(feeds).filter(([name]) => graph.inputs.some((i) => i.name === name)))
  const kinds = Object.fromEntries(
    [...Map.groupBy(seams, ({ kind }) => kind)].map(([kind, list]) => [kind, list.length]),
  )
  return { kinds, error: await distance(network, scaleSeams({ ...network, graph }, seams, factors), used) }
}

describe(`factors move over every seam without a change (seed ${seed})`, () => {
  test.each(allCases.map((each) => [each.name, each] as const))('%s', async (_, each) => {
    const { network, feeds, close } = each.open()
    try {
      const { error, kinds } = await moved(network, feeds)
      expect(error).toBeLessThan(5e-6)
      expect(kinds['values']).toBeGreaterThan(0)
      expect(kinds['keys']).toBeGreaterThan(0)
    } finally {
      close()
    }
  })
})

describe.skipIf(!hasData)('real models', () => {
  test.each([
    ['stories260K', { norm: 10, values: 5, gated: 5, keys: 5 }], // the last norm's reader is the embedding
    ['novels-5m', { norm: 17, values: 8, gated: 8, keys: 8 }],
    ['vit-cifar10/vit_tiny_cifar10.onnx', { norm: 13, values: 6 }], // GELU lets no factor through
    ['cifar10/resnet20.onnx', { plain: 9 }],
    ['squeezenet/squeezenet1.1.onnx', { plain: 9 }],
    ['mobilenet/mobilenet_v1_0.5_160.onnx', {}], // neither does a ReLU that ends at 6
  ])('%s', async (path, expected) => {
    const network = openNetwork(dataPath(path))
    open.push(network)
    const { kinds, error } = await moved(network, feedsFor(network, 32, seed))
    expect(kinds).toEqual(expected)
    expect(error).toBeLessThan(5e-6)
  })
})
