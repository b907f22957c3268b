import { describe, expect, test } from 'vitest'
import { batchesOf } from '../../../src-main/engine/calibrate/batches.ts'
import { collectHessians } from '../../../src-main/engine/calibrate/collect.ts'
import { layerInputs } from '../../../src-main/engine/calibrate/inputs.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Batch, Dataset } from '../../../src-main/engine/data/types.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { imageData, quiet, residualNetwork } from '../score/network.ts'
import { capture, distance, plainHessian, rowsIn, unfolded } from './plain.ts'

const all = async (network: Network, dataset: Dataset, samples: number) => {
  const batches: Batch[] = []
  for await (const batch of batchesOf(network, dataset, samples)) batches.push(batch)
  return batches
}

/** Rows that the layer's input has in all batches; `use` tells which rows of a batch count. */
async function plainRows(network: Network, dataset: Dataset, samples: number, name: string) {
  if (network.graph === null) throw new Error('no graph')
  const input = layerInputs(network, network.graph).find(({ layer }) => layer.name === name)
  if (!input) throw new Error(`${name} has no input`)
  const batches = await all(network, dataset, samples)
  const values = await capture(network, input.value, batches)
  return Array.from({ length: input.groups }, (_, group) =>
    values.flatMap((value, at) => {
      const { targets } = batches[at] as Batch
      if (input.kind === 'unfolded') return unfolded(value, input.node, input.layer.shape.slice(2), group, input.groups)
      const rows = rowsIn(value.data as Float32Array, input.size)
      return network.task === 'causal-lm' ? rows.filter((_, row) => targets?.[row] !== -1) : rows
    }),
  )
}

async function compare(network: Network, dataset: Dataset, samples: number, layers: string[]): Promise<void> {
  const found = await collectHessians(network, dataset, { layers, samples, device: 'cpu' }, quiet)
  expect([...found.keys()].sort()).toEqual([...layers].sort())
  for (const name of layers) {
    const groups = await plainRows(network, dataset, samples, name)
    const hessians = found.get(name) ?? []
    expect(hessians.length, name).toBe(groups.length)
    groups.forEach((rows, group) => {
      const hessian = hessians[group]
      expect(hessian?.rows, name).toBe(rows.length)
      expect(distance(hessian?.data ?? [], plainHessian(rows, hessian?.size ?? 0)), name).toBeLessThan(2e-5)
    })
  }
}

test('Hessians of convolutions and products equal sums over captured activations', async () => {
  const network = residualNetwork()
  await compare(network, imageData(9), 9, ['stem.weight', 'blocks.1.conv2.weight', 'head.weight'])
})

describe.skipIf(!hasData)('on real models', () => {
  const open = async (checkpoint: string, data: string) => {
    const network = openNetwork(dataPath(checkpoint))
    return { network, dataset: await openDataset({ path: dataPath(data), split: 'auto' }, network) }
  }

  test('a language model: places that fill up short windows do not count', async () => {
    const { network, dataset } = await open('stories260K', 'stories260K/data.yaml')
    const block = ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.o_proj', 'mlp.up_proj', 'mlp.down_proj']
    const layers = [...block.map((name) => `model.layers.2.${name}.weight`), 'model.embed_tokens.weight']
    const batches = await all(network, dataset, 7)
    expect(batches.some(({ targets }) => targets?.includes(-1))).toBe(true)
    await compare(network, dataset, 7, layers)
  })

  test('a residual CNN with strides', async () => {
    const { network, dataset } = await open('cifar10/resnet20.onnx', 'cifar10/data.yaml')
    await compare(network, dataset, 3, ['onnx::Conv_253', 'onnx::Conv_274', 'linear.weight'])
  })

  test('a vision transformer', async () => {
    const { network, dataset } = await open('vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10/data.yaml')
    await compare(network, dataset, 3, ['patch_embed.weight', 'onnx::MatMul_604', 'onnx::MatMul_611', 'head.weight'])
  })

  test('grouped convolutions: one Hessian for each group', async () => {
    const { network, dataset } = await open('mobilenet/mobilenet_v1_0.5_160.onnx', 'mobilenet/data.yaml')
    await compare(network, dataset, 1, ['dwconv_15.weight', 'conv_16.weight', 'conv_28.weight'])
  })
})
