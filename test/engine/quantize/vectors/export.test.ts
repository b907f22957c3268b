import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openNetwork } from '../../../../src-main/engine/checkpoint/open.ts'
import { encodeSafetensors } from '../../../../src-main/engine/checkpoint/safetensors.ts'
import { openPacked } from '../../../../src-main/engine/export/safetensors/read.ts'
import { safetensors } from '../../../../src-main/engine/export/safetensors/safetensors.ts'
import { readArtifact } from '../../../../src-main/engine/quantize/artifact.ts'
import type { MethodUse, Option } from '../../../../src-preload/contract/plan.ts'
import { compressCoded } from '../../export/coded.ts'
import { exporterNamed } from '../../export/folders-of.ts'
import { gaussianMatrix } from '../../kernels/random.ts'
import { imageData, quiet, residualNetwork, temporaryFolder } from '../../score/network.ts'

const network = residualNetwork()
const dataset = imageData()

const uses: [name: string, use: MethodUse, choose: (option: Option) => boolean, onnx: boolean][] = [
  ['lr2vq 2', { method: 'lr2vq', parameters: {} }, ({ bits }) => bits === 2, true],
  ['lr2vq 1', { method: 'lr2vq', parameters: {} }, ({ bits }) => bits === 1, true],
  ['sidecar', { method: 'sidecar', parameters: { rank: 1 } }, ({ bits }) => bits === 3, true],
  ['sidecar, affine, float16', { method: 'sidecar', parameters: { rank: 2, symmetric: false, factors: 'float16' } }, ({ bits }) => bits === 2, true], // prettier-ignore
  ['sidecar, int4', { method: 'sidecar', parameters: { rank: 1, factors: 'int4' } }, ({ bits }) => bits === 4, true],
  ['bipft', { method: 'bipft', parameters: {} }, ({ id }) => id === 'bipft-r4', true],
  ['pvq', { method: 'pvq', parameters: {} }, ({ bits }) => bits === 3.25, false],
]

test.each(uses.filter(([, , , onnx]) => onnx))(
  '%s: an ONNX file of either style is as large as planned and answers like the variant',
  async (_, use, choose) => {
    for (const id of ['onnx', 'onnx-folded']) {
      const folder = temporaryFolder()
      const exporter = exporterNamed(id)
      const { artifacts, plannedBytes } = await compressCoded(network, exporter, use, choose, join(folder, 'artifacts'))
      expect(artifacts.length).toBeGreaterThan(2)
      const args = { network, artifacts, path: join(folder, 'm.onnx'), dataset, overwrite: false, plannedBytes }
      const { files, verified } = await exporter.write(args, quiet)
      expect(Math.abs((files[0]?.bytes ?? 0) - plannedBytes), id).toBeLessThanOrEqual(40)
      expect(verified[0]).toContain('equals the variant')
    }
  },
)

test('ONNX files offer no pyramid vectors', async () => {
  const plan = exporterNamed('onnx').planBytes(network, undefined, () => [
    { id: 'p', method: 'pvq', bits: 3, parameters: {} },
  ])
  expect(plan.layers.flatMap(({ options }) => options).some(({ method }) => method === 'pvq')).toBe(false)
})

function tensorsOnly(folder: string) {
  const path = join(folder, 'sample.safetensors')
  const tensor = (rows: number, cols: number) => {
    const { data } = gaussianMatrix(rows, cols, cols)
    return { dtype: 'float32' as const, shape: [rows, cols], data: new Uint8Array(data.buffer) }
  }
  const tensors = { 'a.weight': tensor(64, 96), 'b.weight': tensor(70, 101), 'c.weight': tensor(70, 1) }
  writeFileSync(path, encodeSafetensors(tensors, {}))
  return openNetwork(path)
}

test.each(uses)('%s: a packed file gives back every part', async (_, use, choose) => {
  const folder = temporaryFolder()
  const network = tensorsOnly(folder)
  const { artifacts, plannedBytes } = await compressCoded(network, safetensors, use, choose, join(folder, 'artifacts'))
  const path = join(folder, 'm.safetensors')
  const args = { network, artifacts, path, dataset: null, overwrite: false, plannedBytes }
  const { verified } = await safetensors.write(args, quiet)
  expect(statSync(path).size).toBe(plannedBytes)
  expect(verified[0]).toContain('bit for bit')
  const file = openPacked(path)
  for (const artifact of artifacts) expect(file.read(artifact.layer)).toEqual(readArtifact(artifact.path))
  file.close()
  expect(readFileSync(path).includes(Buffer.from(`\\"coding\\":\\"${use.method}\\"`))).toBe(true)
})
