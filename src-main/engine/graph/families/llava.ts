// LLaVA: Liu et al. 2023, "Visual Instruction Tuning", section 4.1, and "Improved Baselines with Visual Instruction Tuning":
//   tokens of an image are linear_2(act(linear_1(z))), z the chosen hidden states of a vision tower;
//   they stand in the text where the image token stands, and a Llama reads both.
// One graph: input_ids and pixel_values in, logits out. The k-th image token of a batch takes the k-th image feature.
import type { Block } from '../../checkpoint/network.ts'
import { int } from '../ir.ts'
import { type Activation, buildActivation, readActivation } from './activation.ts'
import { rowsOf } from './attend.ts'
import type { GraphBuilder } from './builder.ts'
import { readVisionTower } from './clip-tower.ts'
import type { Settings } from './config.ts'
import { buildDecoder } from './decoder.ts'
import { type BuiltModel, defineFamily } from './define.ts'
import { gridOf, pixelInput } from './image-input.ts'
import { buildLinear } from './linear.ts'
import { llamaSpec, readShape } from './llama-like.ts'
import { readRope } from './rope.ts'
import { buildTower, type TowerSpec } from './tower.ts'

const many = 1 << 24

interface ProjectorSpec {
  module: string
  activation: Activation
  bias: boolean
  width: number // of the text
}

interface ImageSpec {
  tower: TowerSpec
  chosen: number[] // states of the tower: 0 the embeddings, i behind layer i; laid side by side
  dropClass: boolean
  projector: ProjectorSpec
  token: number // in input_ids
}

/** Where the parts lie: before and since transformers 4.52. */
const layouts = [
  {
    probe: 'model.language_model.embed_tokens.weight',
    text: { body: 'model.language_model', head: '' },
    tower: 'model.vision_tower.vision_model.',
    projector: 'model.multi_modal_projector',
  },
  {
    probe: 'language_model.model.embed_tokens.weight',
    text: { body: 'language_model.model', head: 'language_model.' },
    tower: 'vision_tower.vision_model.',
    projector: 'multi_modal_projector',
  },
] as const

function readImage(config: Settings, layout: { tower: string; projector: string }, width: number): ImageSpec {
  const tower = readVisionTower(config.part('vision_config'), layout.tower)
  const states = tower.depth + 1
  const layers = config.isList('vision_feature_layer')
    ? config.whole('vision_feature_layer')
    : [config.integer('vision_feature_layer', { min: -states, max: tower.depth }, -2)]
  const chosen = layers.map((layer) => (layer < 0 ? states + layer : layer))
  if (chosen.length === 0 || chosen.some((layer) => layer < 0 || layer >= states))
    throw config.wrong('vision_feature_layer', `layers from ${-states} to ${tower.depth}`)
  const strategy = config.text('vision_feature_select_strategy', 'default')
  if (strategy !== 'default' && strategy !== 'full')
    throw config.unsupported('vision_feature_select_strategy', 'only "default" and "full" are supported')
  const field = config.has('image_token_index') ? 'image_token_index' : 'image_token_id'
  return {
    tower,
    chosen,
    dropClass: strategy === 'default',
    projector: {
      module: layout.projector,
      activation: readActivation(config, 'projector_hidden_act', 'gelu'),
      bias: config.flag('multimodal_projector_bias', true),
      width,
    },
    token: config.integer(field, { min: 0, max: many }, 32000),
  }
}

/** Tokens of one image in the text. */
function countOf({ tower, dropClass }: ImageSpec): number {
  const [rows, columns] = gridOf(tower.image)
  return rows * columns + tower.tokens.length - (dropClass ? 1 : 0)
}

/** Rows [images * tokens, width of the text]. */
function buildFeatures(b: GraphBuilder, spec: ImageSpec, blocks: Block[]): string {
  const { tower, chosen, dropClass, projector } = spec
  const { hidden, tokens } = buildTower(b, blocks, tower, Math.max(...chosen))
  const states = chosen.map((layer) => hidden[layer] ?? '')
  const width = tower.width * chosen.length
  let rows = states.length === 1 ? (states[0] ?? '') : b.op('Concat', states, 'image.chosen', { axis: int(1) })
  if (dropClass) {
    const images = b.op('Reshape', [rows, b.integers('image.states_shape', [-1, tokens, width])], 'image.states')
    const limits = [b.integers('image.from', [1]), b.integers('image.to', [tokens]), b.integers('image.axis', [1])]
    rows = b.op('Reshape', [b.op('Slice', [images, ...limits], 'image.patches'), rowsOf(b, width)], 'image.rows')
  }
  const linear = (input: string, name: string, cols: number) => {
    const module = `${projector.module}.${name}`
    return buildLinear(b, { module, role: 'linear', rows: projector.width, cols, bias: projector.bias }, input, null)
  }
  const active = buildActivation(b, projector.activation, linear(rows, 'linear_1', width), projector.module)
  return linear(active, 'linear_2', projector.width)
}

/** The embedded tokens [batch * time, width] with image features in the place of image tokens. */
function splice(b: GraphBuilder, spec: ImageSpec, embedded: string, features: string): string {
  const token = b.integers('image.token', [spec.token], [])
  const isImage = b.op('Equal', ['token_ids', token], 'image.here')
  const counted = b.op('Cast', [isImage], 'image.counted', { to: int(7) })
  const number = b.op('CumSum', [counted, b.integers('image.first_axis', [0], [])], 'image.numbers')
  // Text before the first image token has no feature of its own: it points at feature 0 and takes none.
  const zero = b.integers('image.zero', [0], [])
  const place = b.op(
    'Max',
    [b.op('Sub', [number, b.integers('image.one', [1], [])], 'image.from_zero'), zero],
    'image.places',
  )
  const taken = b.op('Gather', [features, place], 'image.taken', { axis: int(0) })
  const column = b.op('Unsqueeze', [isImage, b.integers('image.column', [1])], 'image.here.column')
  return b.op('Where', [column, taken, embedded], 'hidden.0')
}

export const llava = defineFamily({
  id: 'llava',
  title: 'LLaVA',
  architectures: ['LlavaForConditionalGeneration'],
  build(config, tensors): BuiltModel {
    const layout = layouts.find(({ probe }) => tensors.has(probe)) ?? layouts[1]
    const text = config.part('text_config')
    const type = text.text('model_type', 'llama')
    if (type !== 'llama')
      throw text.unsupported('model_type', `the language model ${JSON.stringify(type)} is not supported in LLaVA`)
    const shape = readShape(text, 'llava', {
      fields: {
        vocab_size: 32000,
        hidden_size: 4096,
        intermediate_size: 11008,
        num_hidden_layers: 32,
        num_attention_heads: 32,
      },
    })
    const tied = config.flag('tie_word_embeddings', shape.tied)
    const image = readImage(config, layout, shape.width)
    const vision: Block[] = []
    const spec = llamaSpec(
      { ...shape, tied },
      {
        names: layout.text,
        rope: readRope(text, { size: shape.headSize, context: shape.context }),
      },
    )
    const built = buildDecoder(
      {
        ...spec,
        splice: {
          inputs: [pixelInput(image.tower.image, 'images')],
          build: (b, embedded) => splice(b, image, embedded, buildFeatures(b, image, vision)),
        },
      },
      tensors,
    )
    const { depth, image: shown } = image.tower
    return {
      ...built,
      ...inOrder(built, vision),
      task: 'image-text-to-text',
      tokens: {
        vocabulary: shape.vocabulary,
        context: shape.context,
        image: { token: image.token, count: countOf(image) },
      },
      card: {
        ...built.card,
        blocks: `${vision.length} of ${depth} vision, ${built.blocks.length} text`,
        image: `${shown.width} x ${shown.height}`,
        'image tokens': `${countOf(image)} of number ${image.token}`,
      },
    }
  },
})

/** The blocks of the tower come first; those of the text are numbered behind them. */
function inOrder({ layers, blocks }: BuiltModel, vision: Block[]): Pick<BuiltModel, 'layers' | 'blocks'> {
  const later = new Set(blocks.flatMap((block) => block.layers))
  const shift = vision.length
  return {
    layers: layers.map((layer) =>
      later.has(layer.name) && layer.block !== null ? { ...layer, block: layer.block + shift } : layer,
    ),
    blocks: [...vision, ...blocks.map((block) => ({ ...block, index: block.index + shift }))],
  }
}
