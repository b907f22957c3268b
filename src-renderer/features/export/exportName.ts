import type { Variant } from '../../../src-preload/contract/results.ts'
import { formatBits } from '../../ui/format.ts'

/** A file name that says what it is: 'resnet32-4.02bit.onnx'. `extension`: the format's, with the dot. */
export function exportName(
  checkpoint: string,
  variant: Pick<Variant, 'averageBits' | 'uniform'>,
  extension: string,
): string {
  const stem = checkpoint
    .replace(/\.(onnx|safetensors|gguf|pt|pth|bin|ckpt|th)$/i, '')
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
  const kind = variant.uniform ? '-uniform' : ''
  return `${stem || 'model'}-${formatBits(variant.averageBits)}bit${kind}${extension}`
}
