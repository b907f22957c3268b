import { describe, expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Dataset } from '../../../src-main/engine/data/types.ts'
import { evaluateNetwork } from '../../../src-main/engine/evaluate/evaluate.ts'
import { removeBlocks } from '../../../src-main/engine/graph/rewrites/remove-blocks.ts'
import { measureDepth } from '../../../src-main/engine/score/depth.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { imageData, quiet, residualNetwork } from './network.ts'

const without = (network: Network, blocks: number[]) =>
  removeBlocks.apply(network, { blocks }, { seed: 0, measured: null })

const measure = (
  whole: Network,
  dataset: Dataset,
  removed: number[],
  samples: number,
  notify: (notice: string) => unknown = quiet.notify,
) => {
  const left = without(whole, removed)
  const refuses = (block: number) => removeBlocks.refuses(left, { blocks: [block] })
  return measureDepth(
    { whole, left, refuses, dataset, samples, device: 'cpu' },
    { ...quiet, notify: (notice) => void notify(notice) },
  )
}

/** The same loss without cached activations: the network with the blocks really left out, evaluated against the whole one. */
async function byHand(whole: Network, dataset: Dataset, removed: number[]) {
  const part = 'calibrate' as const
  const args = { network: without(whole, removed), dataset, part, overrides: new Map(), against: whole, device: 'cpu' as const } // prettier-ignore
  const kl = (await evaluateNetwork(args, quiet)).metrics.klDivergence
  if (kl === undefined) throw new Error('no KL divergence')
  return kl
}

test.each([[[]], [[1]]])('each block beside %j, as measured with it really left out', async (removed) => {
  const network = residualNetwork()
  const dataset = imageData(70)
  const { candidates, samples, source } = await measure(network, dataset, removed, 70)
  expect(samples).toBe(70)
  expect(source).toContain('70 images')
  expect(candidates.map(({ block }) => block)).toEqual([0, 1, 2].filter((block) => !removed.some((gone) => gone === block))) // prettier-ignore
  for (const { block, loss, standardError } of candidates) {
    const { value, high } = await byHand(network, dataset, [...removed, block])
    expect(loss).toBeGreaterThan(0)
    expect(Math.abs(loss / value - 1)).toBeLessThan(1e-4)
    expect(Math.abs(standardError / (((high ?? NaN) - value) / 1.959964) - 1)).toBeLessThan(1e-4)
  }
})

test('the last block stays', async () => {
  const notices: string[] = []
  const found = await measure(residualNetwork(), imageData(4), [0, 2], 4, (notice) => notices.push(notice))
  expect(found.candidates).toEqual([])
  expect(notices).toEqual(found.notices)
  expect(notices[0]).toContain('block 2: no block would be left')
})

describe.skipIf(!hasData)('on real models', () => {
  test('a Llama: the value that enters a block stands for what leaves it', async () => {
    const whole = openNetwork(dataPath('stories260K'))
    const dataset = await openDataset({ path: dataPath('stories260K', 'calib_tinystories_docs.txt'), split: 'none' }, whole) // prettier-ignore
    const few = { ...dataset, calibrate: { ...dataset.calibrate, batches: (args: { batchSize: number }) => dataset.calibrate.batches({ ...args, limit: 4 }) } } // prettier-ignore
    const { candidates } = await measure(whole, few, [2], 4)
    expect(candidates.map(({ block }) => block)).toEqual([0, 1, 3, 4])
    for (const { block, loss } of candidates) {
      const { value } = await byHand(whole, few, [2, block])
      expect(Math.abs(loss / value - 1)).toBeLessThan(1e-3)
    }
    whole.source.close()
  })

  test('a ResNet: blocks that make the stream smaller stay, and are told', async () => {
    const whole = openNetwork(dataPath('cifar10', 'resnet20.onnx'))
    const { candidates, notices } = await measure(whole, cifar(), [], 8)
    expect(candidates).toHaveLength(7)
    expect(notices.join()).toContain('2 of 9 blocks cannot be left out')
    whole.source.close()
  })
})

/** Noise in the shape of CIFAR-10: which blocks can go does not depend on the images. */
function cifar(): Dataset {
  const data = imageData(8)
  const batches = function* () {
    yield { feeds: { [inputOf()]: { dtype: 'float32' as const, dims: [8, 3, 32, 32], data: new Float32Array(8 * 3072).map((_, i) => Math.sin(i)) } }, size: 8, targets: new Int32Array(8) } // prettier-ignore
  }
  return { ...data, calibrate: { ...data.calibrate, batches } }
}

function inputOf(): string {
  const network = openNetwork(dataPath('cifar10', 'resnet20.onnx'))
  network.source.close()
  return network.graph?.inputs[0]?.name ?? ''
}
