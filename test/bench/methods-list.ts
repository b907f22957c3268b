// What methods-table.ts --all measures: every quantizer the registry lists, over the models of the data folder.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { quantizers } from '../../src-main/engine/quantize/registry.ts'
import { dataPath } from '../helpers/data.ts'
import type { MeasuredModel } from './methods-cells.ts'

const model = (name: string, checkpoint: string, data: string): MeasuredModel => ({
  name,
  checkpoint: dataPath(checkpoint),
  data: dataPath(data),
})

/** Smallest first. */
export const knownModels: readonly MeasuredModel[] = [
  model('stories260K', 'stories260K', 'stories260K/data.yaml'),
  model('resnet20', 'cifar10/resnet20.onnx', 'cifar10/data.yaml'),
  model('vit-cifar10', 'vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10/data.yaml'),
  model('squeezenet', 'squeezenet/squeezenet1.1.onnx', 'squeezenet/data.yaml'),
  model('mobilenet', 'mobilenet/mobilenet_v1_0.5_160.onnx', 'mobilenet/data.yaml'),
  model('novels-5m', 'novels-5m', 'novels-5m/data.yaml'),
]

/** In the registry's order, each with what its parameters and rewritings are by themselves. GGUF types are planned for GGUF
 *  files, which hold language models: those of a Hugging Face folder. */
export function allMethods(checkpoint: string): string[] {
  const isLanguageModel = existsSync(join(checkpoint, 'tokenizer.json'))
  const own = quantizers.flatMap(({ id }) => {
    if (!id.startsWith('ggml')) return [id]
    return isLanguageModel ? [`${id === 'ggml' ? 'nearest' : 'gptq'}@gguf`] : []
  })
  return ['nearest', ...own.filter((id) => id !== 'rtn')]
}
