// What formats make of networks with rounded activations: ONNX writes the graph, compressed-tensors tells of it, others refuse.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { crossquant } from '../../../src-main/engine/activate/crossquant.ts'
import { fp8 } from '../../../src-main/engine/activate/fp8.ts'
import { intTensor } from '../../../src-main/engine/activate/int-tensor.ts'
import { intToken } from '../../../src-main/engine/activate/int-token.ts'
import { kvCache } from '../../../src-main/engine/activate/kv-cache.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { clearOutputCache } from '../../../src-main/engine/evaluate/cache.ts'
import { exporters } from '../../../src-main/engine/export/registry.ts'
import { hasData } from '../../helpers/data.ts'
import { compress } from '../export/compress.ts'
import { quiet, temporaryFolder } from '../score/network.ts'
import { lossOf, openReal, rounded } from './run.ts'

beforeEach(clearOutputCache)

const exporterOf = (id: string) => {
  const found = exporters.find((exporter) => exporter.id === id)
  if (!found) throw new Error(`no exporter ${id}`)
  return found
}

/** Every layer at 8 bits, written; the folder and what was verified. */
async function written(network: Network, id: string, dataset: Parameters<typeof lossOf>[2]) {
  const exporter = exporterOf(id)
  const folder = temporaryFolder()
  const plan = exporter.planBytes(network, undefined)
  const { artifacts, plannedBytes } = compress(network, plan, join(folder, 'artifacts'), () => 8)
  const path = join(folder, id === 'onnx' ? 'out.onnx' : 'out')
  const args = { network, artifacts, path, dataset, overwrite: false, plannedBytes }
  return { path, plannedBytes, result: await exporter.write(args, quiet) }
}

describe.skipIf(!hasData)('real models', () => {
  test.each([
    ['stories260K', 'stories260K', intToken],
    ['cifar10/resnet20.onnx', 'cifar10', intTensor],
    ['vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10', intTensor],
  ] as const)(
    '%s as ONNX: as large as planned, reopened with the same layers, and as good',
    async (file, data, method) => {
      const { network, dataset } = await openReal(file, data)
      const made = await rounded(method, network, {}, dataset)
      const { path, plannedBytes, result } = await written(made, 'onnx', dataset)
      const bytes = result.files.reduce((sum, file) => sum + file.bytes, 0)
      expect(Math.abs(bytes - plannedBytes)).toBeLessThan(64) // what layers share is planned in equal parts
      const again = openNetwork(path)
      expect(again.layers.filter(({ compressible }) => compressible).length).toBeGreaterThan(0)
      expect(await lossOf(network, again, dataset, 4)).toBeLessThan(0.03)
      again.source.close()
    },
  )

  test('stories260K as a compressed-tensors folder: W8A8 as vLLM reads it', async () => {
    const { network, dataset } = await openReal('stories260K')
    const made = await rounded(intToken, network)
    const { path, plannedBytes, result } = await written(made, 'compressed-tensors', dataset)
    const weights = result.files.filter(({ path }) => path.endsWith('.safetensors'))
    expect(weights.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(plannedBytes)
    const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as {
      quantization_config: { format: string; config_groups: Record<string, Record<string, Record<string, unknown>>> }
    }
    const { format, config_groups: groups } = config.quantization_config
    expect(format).toBe('int-quantized')
    expect(groups['group_0']?.['input_activations']).toMatchObject({
      ...{ num_bits: 8, type: 'int', symmetric: true, strategy: 'token', dynamic: true },
    })
    expect(groups['group_0']?.['weights']).toMatchObject({ num_bits: 8, strategy: 'channel', symmetric: true })
    const again = openNetwork(path)
    expect(await lossOf(network, again, dataset, 2)).toBeLessThan(0.003)
    again.source.close()
  })

  test('what a format cannot hold, it refuses by name, and says what to do', async () => {
    const { network, dataset } = await openReal('stories260K')
    const made = await rounded(intToken, network)
    for (const id of ['gguf', 'gptq', 'awq', 'safetensors', 'safetensors-float']) {
      const exporter = exporterOf(id)
      expect(exporter.refuses(network)).toBeNull()
      expect(exporter.refuses(made)).toMatch(/rounds activations .* holds weights alone.*Export it as ONNX/)
      expect(() => exporter.planBytes(made, undefined)).toThrow('rounds activations')
      const args = { network: made, artifacts: [], path: 'never', dataset: null, overwrite: false, plannedBytes: 0 }
      await expect(exporter.write(args, quiet)).rejects.toThrow('rounds activations')
    }
    const folder = exporterOf('compressed-tensors')
    expect(folder.refuses(made)).toBeNull()
    expect(folder.refuses(await rounded(fp8, network))).toBeNull()
    expect(folder.refuses(await rounded(fp8, network, { type: 'e5m2' }))).toMatch(/e4m3/)
    expect(folder.refuses(await rounded(intToken, network, { bits: 4 }))).toMatch(/8-bit integers/)
    expect(folder.refuses(await rounded(intToken, network, { attention: true }))).toMatch(/products of attention/)
    expect(folder.refuses(await rounded(kvCache, network, { keys: 'token' }))).toMatch(/keys and values/)
    expect(folder.refuses(await rounded(crossquant, network, { columns: 'batch' }))).not.toBeNull()
    const one = made.rounding?.[0]?.layers.slice(1) ?? []
    expect(folder.refuses(await rounded(intToken, network, { only: one }))).toMatch(/would round what enters/)
    expect(dataset.kind).toBe('text')
  })
})
