// The real ONNX models with what is in them, and inputs they take.
import { dataPath } from '../../helpers/data.ts'

export interface RealModel {
  file: string
  nodes: number
  initializers: number // Constants that are weights count
  blocks: number
  compressible: number
  task: string
  shapes: Record<string, number[]>
}
const speech = { input: [2, 576], state: [2, 2, 128], sr: [] }

// prettier-ignore
export const realModels: RealModel[] = [
  { file: 'cifar10/resnet20.onnx', nodes: 101, initializers: 40, blocks: 9, compressible: 20, task: 'image-classification', shapes: {} },
  { file: 'cifar10/resnet32.onnx', nodes: 131, initializers: 64, blocks: 15, compressible: 32, task: 'image-classification', shapes: {} },
  { file: 'cifar10/resnet56.onnx', nodes: 191, initializers: 112, blocks: 27, compressible: 56, task: 'image-classification', shapes: {} },
  { file: 'mobilenet/mobilenet_v1_0.5_160.onnx', nodes: 57, initializers: 58, blocks: 13, compressible: 27, task: 'image-classification', shapes: {} },
  { file: 'squeezenet/squeezenet1.1.onnx', nodes: 65, initializers: 52, blocks: 8, compressible: 26, task: 'image-classification', shapes: {} },
  { file: 'vit-cifar10/vit_tiny_cifar10.onnx', nodes: 465, initializers: 79, blocks: 6, compressible: 26, task: 'image-classification', shapes: {} },
  { file: 'silero-vad/silero_vad_16k_op15.onnx', nodes: 121, initializers: 15, blocks: 5, compressible: 7, task: 'other', shapes: speech },
  { file: 'silero-vad/silero_vad.onnx', nodes: 5, initializers: 28, blocks: 0, compressible: 14, task: 'other', shapes: speech },
]
export const pathOf = (model: RealModel) => dataPath(...model.file.split('/'))
