import { afterAll, describe, expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readMatrix, toMemoryOrder, weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { batchesOf } from '../../../src-main/engine/calibrate/batches.ts'
import { evaluateNetwork } from '../../../src-main/engine/evaluate/evaluate.ts'
import { biasCorrection } from '../../../src-main/engine/prepare/bias-correction.ts'
import { biasedLayers, withMeans } from '../../../src-main/engine/prepare/channel-means.ts'
import { runnable } from '../../../src-main/engine/prepare/seamed.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { applyOption, rtnOption } from '../../../src-main/engine/quantize/options.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { quiet } from '../score/network.ts'

const open: Network[] = []
afterAll(() => {
  for (const network of open) network.source.close()
})
const given = { samples: 32, seed: 0, device: 'cpu' } as const

/** Every compressible layer at so many bits. */
async function rounded(network: Network, bits: number): Promise<Map<string, Float32Array>> {
  const weights = new Map<string, Float32Array>()
  for (const layer of network.layers.filter(({ compressible }) => compressible)) {
    const made = await applyOption(readMatrix(network, layer), rtnOption(bits, null), { layer: layer.name })
    weights.set(layer.name, toMemoryOrder(layer, dequantize(made)))
  }
  return weights
}

describe.skipIf(!hasData)('a convolutional network', () => {
  test('means are the original ones again, and less is lost', async () => {
    const network = openNetwork(dataPath('cifar10/resnet20.onnx'))
    open.push(network)
    const dataset = await openDataset({ path: dataPath('cifar10/data.yaml'), split: 'auto' }, network)
    const compressed = await rounded(network, 4)
    const measured = (await biasCorrection.measure?.({ network, dataset, ...given, compressed }, {}, quiet)) ?? null
    expect(measured?.size).toBe(compressed.size)
    const corrected = biasCorrection.apply(network, {}, { seed: 0, measured })

    // One batch: its means after correction are those of the original in every layer.
    const layers = biasedLayers(runnable(network).graph)
    const meansOf = async (of: Network, weights?: ReadonlyMap<string, Float32Array>) => {
      const { graph, means } = withMeans(runnable(of).graph, layers, false)
      const session = await openSession(graph, weightReader({ ...of, graph }, weights), { device: 'cpu' }, () => {})
      for await (const batch of batchesOf(network, dataset, given.samples)) {
        const found = await session.run(batch.feeds)
        await session.release()
        return layers.map(({ weight }) => [
          ...((found[means.get(weight) ?? '']?.data as Float32Array | undefined) ?? []),
        ])
      }
      return []
    }
    const [wanted, before, after] = [await meansOf(network), await meansOf(network, compressed), await meansOf(corrected, compressed)] // prettier-ignore
    for (const [at, target] of wanted.entries()) {
      const far = (means?: number[]) => Math.hypot(...target.map((x, c) => x - (means?.[c] ?? NaN)))
      expect(far(after[at])).toBeLessThan(0.01 * far(before[at]))
    }

    const loss = async (of: Network) => {
      const args = { network: of, dataset, part: 'evaluate', overrides: compressed, against: network, device: 'cpu', limit: 128 } as const // prettier-ignore
      return (await evaluateNetwork(args, quiet)).metrics.klDivergence?.value ?? NaN
    }
    expect(await loss(corrected)).toBeLessThan(0.8 * (await loss(network)))
  })

  test('networks without biases are refused, nothing measured changes nothing', () => {
    const network = openNetwork(dataPath('stories260K'))
    open.push(network)
    expect(biasCorrection.refuses(network, {})).toContain('bias')
    expect(() => biasCorrection.apply(network, {}, { seed: 0, measured: null })).toThrow('does not fit')
  })
})
