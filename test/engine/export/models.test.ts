import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { planBytes } from '../../../src-main/engine/export/onnx/plan.ts'
import { onnx } from '../../../src-main/engine/export/onnx/onnx.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { quiet, temporaryFolder } from '../score/network.ts'
import { compress } from './compress.ts'

const models: [model: string, data: string | null][] = [
  ['cifar10/resnet32.onnx', 'cifar10'],
  ['stories260K', 'stories260K'],
  ['vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10'],
  ['squeezenet/squeezenet1.1.onnx', 'squeezenet'],
  ['mobilenet/mobilenet_v1_0.5_160.onnx', 'mobilenet'],
  ['silero-vad/silero_vad_16k_op15.onnx', null],
  ['silero-vad/silero_vad.onnx', null], // subgraphs
]

for (const [model, data] of models) {
  test.skipIf(!hasData)(`${model}: the exported file is as large as planned and answers like the variant`, async () => {
    const network = openNetwork(dataPath(model))
    const dataset = data === null ? null : await openDataset({ path: dataPath(data), split: 'auto' }, network)
    const plan = planBytes(network, 'packed')
    for (const choose of [() => 3, () => 4, (layer: number) => [2, 5, 6, 7, 8, 32][layer % 6] ?? 8]) {
      const folder = temporaryFolder()
      const { artifacts, plannedBytes } = compress(network, plan, join(folder, 'artifacts'), choose)
      const path = join(folder, 'out')
      const args = { network, artifacts, path, dataset, overwrite: false, plannedBytes }
      const { files, verified } = await onnx.write(args, quiet)
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
      expect(Math.abs(bytes / plannedBytes - 1)).toBeLessThan(0.005)
      expect(verified.some((line) => line.includes('equals the variant'))).toBe(true)
      const beside = network.format === 'safetensors' ? ['config.json', 'tokenizer.json', 'tokenizer_config.json'] : []
      expect(readdirSync(path).sort()).toEqual([...beside, 'README.md', 'model.lathe.json', 'model.onnx'].sort())
    }
  })
}
