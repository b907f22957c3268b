import { describe, expect, test } from 'vitest'
import { measureKernel } from '../../../src-main/engine/activate/kernel.ts'
import { crossquant } from '../../../src-main/engine/activate/crossquant.ts'
import { crossRef, largest, tokensRef } from '../../../src-main/engine/activate/rounding.ref.ts'
import { hasData } from '../../helpers/data.ts'
import { cols, linearNetwork, rowData, tokens } from './linear.ts'
import { openReal, quiet } from './run.ts'

test('counted as plain loops count', async () => {
  const x = tokens(2, 3) // one batch, so that its columns are those of all rows
  x.fill(0, 10, 20)
  const network = linearNetwork()
  const args = { network, dataset: rowData(x), samples: 2, seed: 1, device: 'cpu' as const }
  const { layers, total } = await measureKernel(args, { bits: 4, columns: 'batch', layers: 'all' }, quiet)
  const columns = Float32Array.from({ length: cols }, (_, j) => largest(x.filter((_, at) => at % cols === j)))
  const share = (values: Float32Array) => values.filter((value) => value === 0).length / x.length
  expect(total.zeros).toBe(10 / x.length)
  expect(total.perToken).toBe(share(tokensRef(x, cols, 4)))
  expect(total.crossQuant).toBeCloseTo(share(crossRef(x, columns, 0.15, 4)), 2)
  expect(layers).toEqual([{ layer: 'w', elements: x.length, ...total }])
  const parameters = crossquant.params.parse({ bits: 4, columns: 'batch', layers: 'all' })
  const [words] = (await crossquant.report?.(args, parameters, new Map(), quiet)) ?? []
  expect(words).toContain(`a scale per token ${(100 * total.perToken).toFixed(2)} %`)
})

describe.skipIf(!hasData)('real models', () => {
  // On stories260K, 64 channels wide, the two are alike: 0.043 and 0.041 at 8 bits.
  test.each([
    ['stories260K', 'stories260K', 1.1],
    ['novels-5m', 'novels-5m', 1],
    ['vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10', 1],
  ])('%s: smaller than with a scale per token, as the paper has it', async (file, data, share) => {
    const { network, dataset } = await openReal(file, data)
    const args = { network, dataset, samples: 2, seed: 1, device: 'cpu' as const }
    for (const bits of [8, 4]) {
      const { total } = await measureKernel(args, { bits, columns: 'calibrated' }, quiet)
      expect(total.crossQuant).toBeLessThan(share * total.perToken)
    }
  })
})
