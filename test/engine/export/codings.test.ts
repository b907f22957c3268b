import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { encodeSafetensors } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import { openPacked } from '../../../src-main/engine/export/safetensors/read.ts'
import { safetensors } from '../../../src-main/engine/export/safetensors/safetensors.ts'
import { readArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import { imageData, quiet, residualNetwork, temporaryFolder } from '../score/network.ts'
import { codedUses, compressCoded } from './coded.ts'
import { exporterNamed } from './folders-of.ts'

const network = residualNetwork()
const dataset = imageData()

test.each(codedUses)('%s: an ONNX file of either style is as large as planned and answers like the variant', async (_, use, choose) => {
  for (const id of ['onnx', 'onnx-folded']) {
    const folder = temporaryFolder()
    const exporter = exporterNamed(id)
    const { artifacts, plannedBytes } = await compressCoded(network, exporter, use, choose, join(folder, 'artifacts'))
    expect(artifacts).toHaveLength(8)
    const args = { network, artifacts, path: join(folder, 'm.onnx'), dataset, overwrite: false, plannedBytes }
    const { files, verified } = await exporter.write(args, quiet)
    // What layers share is divided among them, rounded to bytes.
    expect(Math.abs((files[0]?.bytes ?? 0) - plannedBytes), id).toBeLessThanOrEqual(40)
    expect(verified[0]).toContain('equals the variant')
  }
}) // prettier-ignore

/** Tensors of several types; one name is what a coded weight's scales would be called. */
function sample() {
  const source = random(7)
  const floats = (length: number) =>
    new Uint8Array(Float32Array.from({ length }, () => source.normal()).buffer as ArrayBuffer)
  const path = join(temporaryFolder(), 'sample.safetensors')
  const tensors = {
    'conv.weight': { dtype: 'float32' as const, shape: [32, 16, 3, 3], data: floats(32 * 16 * 9) },
    'head.weight': { dtype: 'float32' as const, shape: [70, 100], data: floats(7000) },
    'one.weight': { dtype: 'float32' as const, shape: [70, 1], data: floats(70) },
    'conv.weight.scales': { dtype: 'uint8' as const, shape: [3], data: new Uint8Array([1, 2, 3]) },
    'bn.bias': { dtype: 'bfloat16' as const, shape: [5], data: new Uint8Array(10).fill(0x3f) },
  }
  writeFileSync(path, encodeSafetensors(tensors, {}))
  return openNetwork(path)
}

test.each(codedUses)('%s: a packed file is exactly as large as planned, and gives back every part', async (_, use, choose) => {
  const folder = temporaryFolder()
  const packed = sample()
  const { artifacts, plannedBytes } = await compressCoded(packed, safetensors, use, choose, join(folder, 'artifacts'))
  expect(artifacts.length).toBeGreaterThanOrEqual(2)
  const path = join(folder, 'm.safetensors')
  const args = { network: packed, artifacts, path, dataset: null, overwrite: false, plannedBytes }
  const { verified } = await safetensors.write(args, quiet)
  expect(statSync(path).size).toBe(plannedBytes)
  expect(verified[0]).toContain('bit for bit')
  const file = openPacked(path)
  for (const artifact of artifacts) expect(file.read(artifact.layer)).toEqual(readArtifact(artifact.path))
  file.close()
  expect(readFileSync(path).includes(Buffer.from(`\\"coding\\":\\"${use.method}\\"`))).toBe(true)
}) // prettier-ignore
