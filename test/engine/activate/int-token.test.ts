import { describe, expect, test } from 'vitest'
import { intToken } from '../../../src-main/engine/activate/int-token.ts'
import { tokensRef } from '../../../src-main/engine/activate/rounding.ref.ts'
import { analyse } from '../../../src-main/engine/graph/structure.ts'
import { hasData } from '../../helpers/data.ts'
import { imageData, residualNetwork } from '../score/network.ts'
import { floatsOf, inputOf, lossOf, openReal, rounded, valuesOf } from './run.ts'

test('an image has one scale for all its sums', async () => {
  const network = residualNetwork()
  const made = await rounded(intToken, network, { bits: 4 })
  const after = inputOf(made, 'blocks.1.conv1.weight')
  const found = await valuesOf(made, imageData(), ['blocks.0.out', after], 3)
  expect(floatsOf(found[after])).toEqual(tokensRef(floatsOf(found['blocks.0.out']), 32 * 64, 4))
})

test('what the last layer reads stays as it is, unless asked; single layers can be named', async () => {
  const network = residualNetwork()
  const roundedIn = async (parameters = {}) => (await rounded(intToken, network, parameters)).rounding?.[0]?.layers
  expect(await roundedIn()).not.toContain('head.weight')
  expect(await roundedIn()).toHaveLength(7)
  expect(await roundedIn({ layers: 'all' })).toContain('head.weight')
  expect(await roundedIn({ only: ['blocks.1.conv1.weight'] })).toEqual(['blocks.1.conv1.weight'])
  await expect(roundedIn({ only: ['nothing'] })).rejects.toThrow('no compressible layer "nothing"')
})

describe.skipIf(!hasData)('real models', () => {
  test('every token of a language model as the plain loop rounds it; layers and blocks are found as before', async () => {
    const { network, dataset } = await openReal('stories260K')
    const made = await rounded(intToken, network, { bits: 8, layers: 'all' })
    const layer = 'model.layers.2.mlp.down_proj.weight'
    const [before, after] = [inputOf(network, layer), inputOf(made, layer)]
    expect(after).not.toBe(before)
    const values = await valuesOf(made, dataset, [before, after], 2)
    const cols = values[before]?.dims.at(-1) ?? 0
    expect(floatsOf(values[after])).toEqual(tokensRef(floatsOf(values[before]), cols, 8))
    expect(made.head?.hidden).not.toBe(network.head?.hidden)
    expect(made.layers).toBe(network.layers)
    expect(made.blocks).toBe(network.blocks)
  })

  test.each(['cifar10/resnet20.onnx', 'vit-cifar10/vit_tiny_cifar10.onnx', 'squeezenet/squeezenet1.1.onnx'])(
    '%s: opened from the rewritten graph alone, it has the same layers and blocks',
    async (file) => {
      const { network } = await openReal(file, file.split('/')[0])
      const made = await rounded(intToken, network, { bits: 8, layers: 'all' })
      if (!made.graph || !network.graph) throw new Error('no graph')
      const [one, other] = [network.graph, made.graph].map((graph) => analyse(graph, network.source.tensors))
      const told = (found = one) => found?.layers.map(({ name, role, block, rows, cols }) => [name, role, block, rows, cols]) // prettier-ignore
      expect(told(other)).toEqual(told(one))
      const weights = (found = one) => found?.blocks.map(({ name, layers }) => [name, layers])
      expect(weights(other)).toEqual(weights(one))
    },
  )

  test.each([
    ['stories260K', 'stories260K', 4, 0.003],
    ['vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10', 64, 0.0005],
  ])('%s: eight bits cost next to nothing, fewer cost more', async (file, data, samples, limit) => {
    const { network, dataset } = await openReal(file, data)
    const losses: number[] = []
    for (const bits of [8, 6, 4])
      losses.push(await lossOf(network, await rounded(intToken, network, { bits }), dataset, samples))
    expect(losses[0]).toBeLessThan(limit)
    expect(losses).toEqual([...losses].sort((a, b) => a - b))
  })
})
