import { type Activation, readActivation } from './activation.ts'
import type { Settings } from './config.ts'
import { gridOf, type ImageShape, readImageShape } from './image-input.ts'

// The places of all pairs of tokens in a window, and the region of each token, are constants of the graph.
const widestWindow = 32
const mostTokens = 1 << 18

export interface SwinSpec {
  prefix: string
  image: ImageShape
  width: number // of the first stage
  depths: number[]
  heads: number[]
  window: number
  ratio: number // inner width of the feed-forward part to width
  qkvBias: boolean
  activation: Activation
  epsilon: number
  absolute: boolean // positions of their own beside the biases
}

/** Sizes of a Swin. Faults name the field. */
export function readSwin(config: Settings, prefix: string): SwinSpec {
  const depths = config.integers('depths') ?? [2, 2, 6, 2]
  const heads = config.integers('num_heads') ?? [3, 6, 12, 24]
  if (depths.length === 0 || depths.length !== heads.length) throw config.wrong('num_heads', `${depths.length} numbers`)
  const width = config.integer('embed_dim', { min: 1, max: 1 << 20 }, 96)
  heads.forEach((count, stage) => {
    if (count < 1 || (width << stage) % count !== 0) throw config.wrong('num_heads', 'divisors of the widths')
  })
  const image = readImageShape(config, { image: 224, patch: 4 })
  if (image.height % image.patch[0] !== 0 || image.width % image.patch[1] !== 0)
    throw config.unsupported('image_size', 'only sizes that are whole numbers of patches are supported')
  const window = config.integer('window_size', { min: 1, max: widestWindow }, 7)
  const [rows, columns] = gridOf(image)
  if (rows * columns > mostTokens) throw config.unsupported('image_size', `more than ${mostTokens} patches`)
  const smallest = depths.slice(1).reduce((side) => Math.ceil(side / 2), Math.min(rows, columns))
  if (smallest < window)
    throw config.unsupported('window_size', `larger than the last map of tokens, of ${smallest} on a side`)
  return {
    prefix,
    image,
    width,
    depths,
    heads,
    window,
    ratio: config.number('mlp_ratio', 0, 4),
    qkvBias: config.flag('qkv_bias', true),
    activation: readActivation(config, 'hidden_act', 'gelu'),
    epsilon: config.number('layer_norm_eps', 0, 1e-5),
    absolute: config.flag('use_absolute_embeddings', false),
  }
}
