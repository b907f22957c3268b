import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'

const endings = /\.(onnx|safetensors|gguf|pt|pth|bin|ckpt|th)$/i

/** A name that says what will be in it: 'novels-5m-Q4_K.gguf', 'resnet32-int8.onnx'; a folder where the format is one. */
export function convertName(
  { name }: Pick<CheckpointSummary, 'name'>,
  type: string | null,
  { id, extension }: { id: string; extension: string },
): string {
  const stem = name
    .replace(endings, '')
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
  const kind = type === null || type === 'keep' || type === 'float32' ? (extension === '' ? `-${id}` : '') : `-${type}`
  return `${stem || 'model'}${kind}${extension}`
}

/** The folder a path lies in, for either kind of slash. */
export function folderOf(path: string): string {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'))
  return at <= 0 ? path.slice(0, at + 1) : path.slice(0, at)
}
