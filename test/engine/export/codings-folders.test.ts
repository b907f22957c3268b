// Codings in the formats of other programs: compressed-tensors and GGUF, on real language models.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { toFloat32 } from '../../../src-main/engine/checkpoint/convert.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readMatrix } from '../../../src-main/engine/checkpoint/weights.ts'
import { readArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { offeredBy } from '../../../src-main/engine/tasks/options.ts'
import type { MethodUse } from '../../../src-preload/contract/plan.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { quiet, temporaryFolder } from '../score/network.ts'
import { compressCoded } from './coded.ts'
import { exporterNamed, json, plainTensors } from './folders-of.ts'

const compressedTensors = exporterNamed('compressed-tensors')
const bytesOf = (path: string, files: readonly { path: string }[]) =>
  files.reduce((sum, file) => sum + statSync(join(path, file.path.slice(path.length))).size, 0)

const schemes = [
  ['fp8', {}, 'float-quantized', { num_bits: 8, type: 'float', strategy: 'channel' }],
  ['fp8', { granularity: 'tensor' }, 'float-quantized', { num_bits: 8, type: 'float', strategy: 'tensor' }],
  ['nvfp4', {}, 'nvfp4-pack-quantized', { num_bits: 4, strategy: 'tensor_group', group_size: 16 }],
  ['mxfp4', {}, 'mxfp4-pack-quantized', { num_bits: 4, strategy: 'group', group_size: 32 }],
] as const

for (const model of ['stories260K', 'novels-5m'])
  test.skipIf(!hasData).each(schemes)(`${model} as %s %j: as large as planned, told in the settings, read back bit for bit`, async (method, parameters, format, weights) => {
    const network = openNetwork(dataPath(model))
    const use: MethodUse = { method, parameters }
    const folder = temporaryFolder()
    const { artifacts, plannedBytes } = await compressCoded(network, compressedTensors, use, ({ id }) => !id.endsWith('-w'), join(folder, 'artifacts')) // prettier-ignore
    expect(artifacts.length).toBeGreaterThan(10)
    const path = join(folder, 'out')
    const { files, verified } = await compressedTensors.write({ network, artifacts, path, dataset: null, overwrite: false, plannedBytes, parameters: {} }, quiet) // prettier-ignore
    expect(bytesOf(path, files)).toBe(plannedBytes)
    expect(verified[0]).toContain('bit for bit')
    const settings = json(path, 'config.json').quantization_config as Record<string, unknown>
    expect(settings.format).toBe(format)
    expect(settings.config_groups).toMatchObject({ group_0: { format, weights } })
    const again = openNetwork(path)
    const { layer: name, path: artifact } = artifacts[3] ?? { layer: '', path: '' }
    const layer = again.layers.find((each) => each.name === name)
    if (!layer) throw new Error(`no layer ${name}`)
    const wanted = dequantize(readArtifact(artifact)).data
    expect(readMatrix(again, layer).data).toEqual(wanted)
    // Once more, with nothing but the format's own words.
    const tensors = plainTensors(join(path, 'model.safetensors'))
    const piece = (end: string, type: Parameters<typeof toFloat32>[1]) =>
      toFloat32(tensors.get(`${name.slice(0, -'.weight'.length)}.${end}`)?.bytes ?? new Uint8Array(), type)
    const { rows, cols } = layer
    const scales = method === 'fp8' ? piece('weight_scale', 'float32') : piece('weight_scale', method === 'nvfp4' ? 'float8e4m3fn' : 'float8e8m0') // prettier-ignore
    const global = method === 'nvfp4' ? (piece('weight_global_scale', 'float32')[0] ?? NaN) : 1
    const codes = method === 'fp8' ? piece('weight', 'float8e4m3fn') : piece('weight_packed', 'float4e2m1')
    const perScale = (rows * cols) / scales.length
    const plain = codes.map((code, i) => code * Math.fround((scales[Math.floor(i / perScale)] ?? NaN) / global))
    expect(plain).toEqual(wanted)
    again.source.close()
    network.source.close()
  }) // prettier-ignore

test.skipIf(!hasData)('layers in several schemes, and some on grids, share a folder', async () => {
  const network = openNetwork(dataPath('novels-5m'))
  const folder = temporaryFolder()
  const parts = await Promise.all(
    (['nvfp4', 'fp8'] as const).map(
      (method) =>
      compressCoded(network, compressedTensors, { method, parameters: {} }, ({ id }) => !id.endsWith('-w'), join(folder, method)), // prettier-ignore
    ),
  )
  const artifacts = (parts[0]?.artifacts ?? []).map((artifact, i) => (i % 2 === 0 ? artifact : (parts[1]?.artifacts.find(({ layer }) => layer === artifact.layer) ?? artifact))) // prettier-ignore
  const path = join(folder, 'out')
  const { verified } = await compressedTensors.write({ network, artifacts, path, dataset: null, overwrite: false, plannedBytes: 0, parameters: {} }, quiet) // prettier-ignore
  expect(verified[0]).toContain('bit for bit')
  const settings = json(path, 'config.json').quantization_config as { format: string; config_groups: object }
  expect(settings.format).toBe('mixed-precision')
  expect(Object.keys(settings.config_groups)).toHaveLength(2)
  network.source.close()
})

test.skipIf(!hasData)('MXFP4 goes into GGUF as it is; what GGUF has no blocks for is not offered', async () => {
  const network = openNetwork(dataPath('stories260K'))
  const gguf = exporterNamed('gguf')
  const folder = temporaryFolder()
  const { artifacts, plannedBytes } = await compressCoded(network, gguf, { method: 'mxfp4', parameters: {} }, ({ id }) => id === 'mxfp4', join(folder, 'artifacts')) // prettier-ignore
  expect(artifacts.length).toBeGreaterThan(10)
  const path = join(folder, 'm.gguf')
  const { verified } = await gguf.write({ network, artifacts, path, dataset: null, overwrite: false, plannedBytes, parameters: {} }, quiet) // prettier-ignore
  expect(statSync(path).size).toBe(plannedBytes)
  expect(verified[2]).toContain('bit for bit')
  const own = gguf.planBytes(network)
  for (const method of ['nf4', 'fp8', 'nvfp4', 'denseshift', 'luq'])
    expect(gguf.planBytes(network, undefined, offeredBy({ method, parameters: {} }))).toEqual(own)
  network.source.close()
})

test.skipIf(!hasData)('formats refuse the codings they cannot hold by name', async () => {
  const network = openNetwork(dataPath('stories260K'))
  const folder = temporaryFolder()
  const onnx = exporterNamed('onnx')
  const { artifacts } = await compressCoded(network, onnx, { method: 'nf4', parameters: {} }, ({ id }) => id === 'nf4-g64', join(folder, 'artifacts')) // prettier-ignore
  const linear = artifacts.filter(({ layer }) => layer.includes('q_proj') || layer.includes('wq'))
  expect(linear.length).toBeGreaterThan(0)
  for (const id of ['compressed-tensors', 'gptq', 'awq', 'gguf']) {
    const exporter = exporterNamed(id)
    const path = join(folder, id === 'gguf' ? 'x.gguf' : id)
    const args = { network, artifacts: linear, path, dataset: null, overwrite: false, plannedBytes: 0, parameters: exporter.params.parse({}) as Record<string, unknown> } // prettier-ignore
    await expect(
      Promise.resolve().then(() => exporter.write(args, quiet)),
      id,
    ).rejects.toThrow(/nf4/)
    const own = exporter.planBytes(network)
    expect(exporter.planBytes(network, undefined, offeredBy({ method: 'nf4', parameters: {} })), id).toEqual(own)
  }
  expect(() => offeredBy({ method: 'nf5', parameters: {} })).toThrow('There is no quantizer "nf5".')
  expect(() => offeredBy({ method: 'nf4', parameters: { groupSize: 0 } })).toThrow('nf4:')
  network.source.close()
})
