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
import type { CodedMatrix } from '../../../src-main/engine/quantize/codings/define.ts'
import { applyOption } from '../../../src-main/engine/quantize/options.ts'
import { gaussianMatrix } from '../kernels/random.ts'
import { cases, relativeError, runBoth } from './helpers.ts'
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

test('8-bit floats are one DequantizeLinear from opset 19 on, elsewhere arithmetic that is folded', async () => {
  const matrix = gaussianMatrix(24, 63, 9)
  for (const type of ['e4m3', 'e5m2'])
    for (const granularity of ['channel', 'tensor', 'group']) {
      const option = { id: 'x', method: 'fp8', bits: 8, parameters: { type, granularity, groupSize: 16 } }
      const q = (await applyOption(matrix, option)) as CodedMatrix
      for (const [opset, style] of [
        [13, 'packed'],
        [19, 'packed'],
        [21, 'packed'],
        [21, 'folded'],
      ] as const)
        // prettier-ignore
        for (const one of [cases.matMul(24, 63), cases.gemm(24, 63), cases.conv(24, 7), cases.plain([63, 24], 'cols')]) {
          const { ops, bytes, measured, emitted, expected } = await runBoth(one, q, opset, style)
          const what = `${type} ${granularity} opset ${opset} ${style}`
          expect(ops.includes('DequantizeLinear'), what).toBe(opset >= 19 && style === 'packed' && granularity !== 'group')
          expect(measured).toBe(bytes)
          expect(relativeError(emitted, expected), what).toBeLessThan(2e-6)
        }
    }
})

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
