// From pixels to tokens. Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1: an image is cut into
// patches, each becomes a token by one convolution whose step is its size.
import { int, ints, type ValueInfo } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'
import type { Settings } from './config.ts'

export interface ImageShape {
  height: number
  width: number
  channels: number
  patch: [number, number] // height, width
}

export const gridOf = ({ height, width, patch }: ImageShape): [number, number] => [
  Math.floor(height / patch[0]),
  Math.floor(width / patch[1]),
]

/** image_size, patch_size and num_channels. */
export function readImageShape(config: Settings, defaults: { image: number; patch: number }): ImageShape {
  const [height, width] = config.pair('image_size', { min: 1, max: 8192 }, defaults.image)
  const patch = config.pair('patch_size', { min: 1, max: Math.min(height, width) }, defaults.patch)
  return { height, width, channels: config.integer('num_channels', { min: 1, max: 1024 }, 3), patch }
}

export const pixelInput = ({ channels, height, width }: ImageShape, batch = 'batch'): ValueInfo => ({
  name: 'pixel_values',
  dtype: 'float32',
  shape: [batch, channels, height, width],
})

/** [batch, patches, width], rows of patches from the top. */
export function buildPatches(
  b: GraphBuilder,
  { channels, patch }: ImageShape,
  { module, bias, width }: { module: string; bias: boolean; width: number },
): string {
  const inputs = [
    'pixel_values',
    b.weight(`${module}.weight`, [width, channels, ...patch], { role: 'conv', op: 'Conv' }),
  ]
  if (bias) inputs.push(b.weight(`${module}.bias`, [width], { role: 'bias', op: 'Conv' }))
  const map = b.op('Conv', inputs, `${module}.map`, { kernel_shape: ints(patch), strides: ints(patch) })
  const flat = b.op('Reshape', [map, b.integers(`${module}.shape`, [0, width, -1])], `${module}.flat`)
  return b.op('Transpose', [flat], `${module}.patches`, { perm: ints([0, 2, 1]) })
}

/** The same learned token in front of every image: [1, 1, width] or [width] becomes [batch, 1, width]. */
export function buildToken(b: GraphBuilder, name: string, shape: number[], width: number): string {
  const token = b.weight(name, shape, { role: 'other', op: 'Expand', keep: true })
  const target = b.once(`token_shape.${width}`, (value) => {
    const batch = b.op('Shape', ['pixel_values'], 'image_batch', { start: int(0), end: int(1) })
    return b.op('Concat', [batch, b.integers(`${value}.rest`, [1, width])], value, { axis: int(0) })
  })
  return b.op('Expand', [token, target], `${name}.repeated`)
}
