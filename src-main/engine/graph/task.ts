// What a network is for, by its inputs and outputs.
import type { Network } from '../checkpoint/network.ts'
import type { Dim, Graph } from './ir.ts'

const atLeast = (dim: Dim | undefined, least: number) => typeof dim !== 'number' || dim >= least

/** Image classification: one image tensor [N, 1 or 3, H, W] in, one row of at least two class scores [N, C (, 1, 1)] out. */
export function findTask(graph: Graph): Network['task'] {
  const [input, ...others] = graph.inputs
  const output = graph.outputs[0]
  if (!input || others.length > 0 || !output) return 'other'
  const [, channels, height, width] = input.shape ?? []
  const isImage =
    /^float/.test(input.dtype) &&
    input.shape?.length === 4 &&
    (channels === 1 || channels === 3) &&
    atLeast(height, 8) &&
    atLeast(width, 8)
  const [, classes, ...rest] = output.shape ?? []
  const isScores =
    (rest.length === 0 || (rest.length === 2 && rest.every((dim) => dim === 1))) &&
    classes !== undefined &&
    atLeast(classes, 2)
  return isImage && isScores ? 'image-classification' : 'other'
}
