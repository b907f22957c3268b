// A vision tower: patches, learned tokens in front, positions, and layers of 'pre' order. ViT (Dosovitskiy et al. 2021),
// DeiT (Touvron et al. 2021), and the towers of CLIP (Radford et al. 2021) and SigLIP (Zhai et al. 2023).
import type { Block } from '../../checkpoint/network.ts'
import { int } from '../ir.ts'
import { buildEncoderAttention, rowsOf } from './attend.ts'
import type { GraphBuilder } from './builder.ts'
import { buildPatches, buildToken, gridOf, type ImageShape } from './image-input.ts'
import { buildNorm, type Norm } from './norm.ts'
import { addBlock, buildLayer, type LayerNames, type TransformerSpec } from './transformer.ts'

export interface TowerSpec extends TransformerSpec {
  image: ImageShape
  depth: number
  heads: number
  label: string // what its hidden states are called: '<label>.0', '<label>.1' ...
  patches: { module: string; bias: boolean }
  tokens: { name: string; shape: number[] }[]
  positions: { name: string; leading: number[] } // shape: leading sizes, then tokens and width
  before: string | null // module of a norm in front of the first layer
  layer: (index: number) => { name: string; names: LayerNames }
}

export interface Tower {
  hidden: string[] // rows [batch * tokens, width]: the embeddings, then the state after each layer
  tokens: number // of one image
}

/** Adds the first `depth` layers, all unless told otherwise. */
export function buildTower(b: GraphBuilder, blocks: Block[], spec: TowerSpec, depth = spec.depth): Tower {
  const { width, heads, label, epsilon } = spec
  const [rows, columns] = gridOf(spec.image)
  const tokens = rows * columns + spec.tokens.length
  const hidden = [buildTokens(b, spec, tokens)]
  if (spec.before !== null) hidden[0] = buildNorm(b, normOf(spec, spec.before), hidden[0] ?? '', `${label}.0`, null)
  const size = width / heads
  const split = b.integers(`${label}.heads_shape`, [-1, tokens, heads, size])
  for (let i = 0; i < depth; i++) {
    const layer = spec.layer(i)
    const input = hidden[i] ?? ''
    const output = addBlock(b, blocks, { name: layer.name, inputs: [input] }, (block) =>
      buildLayer(
        b,
        input,
        `${label}.${i + 1}`,
        { ...spec, epsilon },
        { ...layer, block },
        {
          attend: (module, qkv) => buildEncoderAttention(b, module, qkv, { split, heads, size, mask: null }),
        },
      ),
    )
    hidden.push(output)
  }
  return { hidden, tokens }
}

export const normOf = ({ width, epsilon }: TransformerSpec, module: string): Norm => ({
  kind: 'layer',
  module,
  size: width,
  epsilon,
})

/** Rows [batch * tokens, width] '<label>.0', or what the norm in front of the layers reads. */
function buildTokens(b: GraphBuilder, spec: TowerSpec, count: number): string {
  const { width, label, positions } = spec
  const patches = buildPatches(b, spec.image, { ...spec.patches, width })
  const learned = spec.tokens.map(({ name, shape }) => buildToken(b, name, shape, width))
  const all = learned.length > 0 ? b.op('Concat', [...learned, patches], `${label}.tokens`, { axis: int(1) }) : patches
  const table = b.weight(positions.name, [...positions.leading, count, width], { role: 'embed', op: 'Add', keep: true })
  const placed = b.op('Add', [all, table], `${label}.placed`)
  return b.describe(
    b.op('Reshape', [placed, rowsOf(b, width)], spec.before === null ? `${label}.0` : `${label}.rows`),
    [null, width],
  )
}
