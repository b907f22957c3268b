import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'

export const taskWords: Record<CheckpointSummary['task'], string> = {
  'causal-lm': 'Language model',
  'masked-lm': 'Masked language model',
  'sequence-classification': 'Text classifier',
  'feature-extraction': 'Text embedding',
  'image-classification': 'Image classifier',
  'image-features': 'Image embedding',
  'image-text-similarity': 'Images and text in one space',
  'image-text-to-text': 'Images and text to text',
  other: 'Another kind of network',
  none: 'Tensors only, cannot be run',
}

export const formWords: Record<CheckpointSummary['format'], string> = {
  onnx: 'ONNX',
  safetensors: 'safetensors',
  gguf: 'GGUF',
  pytorch: 'PyTorch',
}
