import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Network } from '../../checkpoint/network.ts'
import type { Dim } from '../../graph/ir.ts'
import type { ImageInput } from './preprocess.ts'

const fixed = (dim: Dim | undefined): number | null => (typeof dim === 'number' ? dim : null)
const isChannels = (dim: Dim | undefined) => dim === 1 || dim === 3

/** The one image input of a network. Faults 'unsupported' where it has none, or needs more than an image. */
export function imageInput(network: Network): ImageInput {
  const refuse = (found: string) =>
    new Fault('unsupported', `${network.path}: images cannot be fed to this network: ${found}`, {
      hint: 'Use data of kind "noise" to compare its outputs, or kind "text" for a language model.',
      data: { file: network.path, expected: 'one input of shape [N, 3, H, W] or [N, H, W, 3]', found },
    })
  if (!network.graph) throw refuse('it has tensors only, no graph')
  const [input, ...others] = network.graph.inputs
  if (!input || others.length > 0) throw refuse(`it takes ${network.graph.inputs.length} inputs`)
  const { dtype, shape } = input
  if (dtype !== 'float32' && dtype !== 'float16' && dtype !== 'uint8') throw refuse(`its input is of type ${dtype}`)
  if (shape?.length !== 4) throw refuse(`its input has shape [${shape?.join(', ') ?? 'unknown'}]`)
  const layout = isChannels(shape[1]) || !isChannels(shape[3]) ? 'NCHW' : 'NHWC'
  const [channels, height, width] = layout === 'NCHW' ? shape.slice(1) : [shape[3], shape[1], shape[2]]
  return {
    name: input.name,
    dtype,
    layout,
    channels: fixed(channels) ?? 3,
    height: fixed(height),
    width: fixed(width),
    batch: fixed(shape[0]),
  }
}

/** Number of classes where the graph tells it: the product of its first output's sizes after the batch. */
export function classesOf(network: Network): number | null {
  if (network.task === 'image-features') return null
  const shape = network.graph?.outputs[0]?.shape
  if (!shape || shape.length < 2) return null
  let product = 1
  for (const dim of shape.slice(1)) {
    if (typeof dim !== 'number') return null
    product *= dim
  }
  return product
}
