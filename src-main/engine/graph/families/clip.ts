// CLIP: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", figure 3:
//   I = unit(W_i norm(image)_class)    T = unit(W_t norm(text)_end)    logits = exp(s) I T^T
// One graph with both towers. The text tower sees what stands before; its end is the end-of-text token.
import type { Block } from '../../checkpoint/network.ts'
import { int, ints } from '../ir.ts'
import { buildEncoderAttention } from './attend.ts'
import { GraphBuilder } from './builder.ts'
import { clipLayer, readTowerSizes, readVisionTower } from './clip-tower.ts'
import type { Settings } from './config.ts'
import { defineFamily, type BuiltModel } from './define.ts'
import { buildPick, floatOutput } from './image-heads.ts'
import { pixelInput } from './image-input.ts'
import { buildLinear } from './linear.ts'
import { buildNorm } from './norm.ts'
import { causalMask, counting, keyMask, shapedAs, tokenInput } from './text-inputs.ts'
import { buildTower, normOf, type TowerSpec } from './tower.ts'
import { addBlock, buildLayer, type TransformerSpec } from './transformer.ts'

const many = 1 << 24

interface TextSpec extends TransformerSpec {
  vocabulary: number
  positions: number
  depth: number
  heads: number
  endToken: number | null // null: the largest number of a row is the end
}

function readText(config: Settings): TextSpec {
  // Checkpoints of before 2023 say 2, which the tokenizer never gives; their end token is the largest of all.
  const end = config.integer('eos_token_id', { min: 0, max: many }, 49407)
  return {
    ...readTowerSizes(config, {
      width: 512,
      inner: 2048,
      depth: 12,
      heads: 8,
      activation: 'quick_gelu',
      epsilon: 1e-5,
    }),
    vocabulary: config.integer('vocab_size', { min: 1, max: many }, 49408),
    positions: config.integer('max_position_embeddings', { min: 1, max: many }, 77),
    endToken: end === 2 ? null : end,
  }
}

/** Rows of unit length, [batch, size], named `output`. */
function buildUnit(b: GraphBuilder, input: string, output: string): string {
  const axis = b.once('unit_axis', (name) => b.integers(name, [-1]))
  return b.op('Div', [input, b.op('ReduceL2', [input, axis], `${output}.length`, { keepdims: int(1) })], output)
}

function buildImage(b: GraphBuilder, spec: TowerSpec, blocks: Block[], size: number): void {
  const { width } = spec
  const { hidden, tokens } = buildTower(b, blocks, spec)
  const shape = b.integers('image.states_shape', [-1, tokens, width])
  const states = b.op('Reshape', [hidden.at(-1) ?? '', shape], 'image.states')
  const first = buildPick(b, states, 0, 'image.first')
  const normed = buildNorm(b, normOf(spec, 'vision_model.post_layernorm'), first, 'image.pooled', null)
  const linear = { module: 'visual_projection', role: 'linear', rows: size, cols: width, bias: false } as const
  buildUnit(b, buildLinear(b, linear, normed, null), 'image_embeds')
}

function buildText(b: GraphBuilder, spec: TextSpec, blocks: Block[], size: number): void {
  const { width, heads } = spec
  const table = (name: string, rows: number, keep: boolean) =>
    b.weight(`text_model.embeddings.${name}.weight`, [rows, width], { role: 'embed', op: 'Gather', keep })
  const look = (weight: string, ids: string, name: string) => b.op('Gather', [weight, ids], name, { axis: int(0) })
  const word = look(table('token_embedding', spec.vocabulary, false), 'input_ids', 'text.words')
  const place = look(table('position_embedding', spec.positions, true), counting(b), 'text.positions')
  const rows = b.op(
    'Reshape',
    [b.op('Add', [word, place], 'text.placed'), b.integers('text.rows', [-1, width])],
    'text.hidden.0',
  )
  let hidden = b.describe(rows, [null, width])
  const mask = b.op('Add', [causalMask(b), keyMask(b)], 'text.mask')
  const how = { split: shapedAs(b, 'text.heads_shape', [heads, width / heads]), heads, size: width / heads, mask }
  for (let i = 0; i < spec.depth; i++) {
    const layer = clipLayer('text_model.', i)
    // The image's embedding is what the end needs of the other tower, which lies before.
    hidden = addBlock(b, blocks, { name: layer.name, inputs: [hidden, 'image_embeds'] }, (block) =>
      buildLayer(
        b,
        hidden,
        `text.hidden.${i + 1}`,
        spec,
        { ...layer, block },
        {
          attend: (module, qkv) => buildEncoderAttention(b, module, qkv, how),
        },
      ),
    )
  }
  const normed = buildNorm(b, normOf(spec, 'text_model.final_layer_norm'), hidden, 'text.last', null)
  const states = b.op('Reshape', [normed, shapedAs(b, 'text.states_shape', [width])], 'text.states')
  const end = b.op('GatherND', [states, buildEnd(b, spec)], 'text.pooled', { batch_dims: int(1) })
  const linear = { module: 'text_projection', role: 'linear', rows: size, cols: width, bias: false } as const
  buildUnit(b, buildLinear(b, linear, end, null), 'text_embeds')
}

/** int64 [batch, 1]: where each text ends; its first token where it has no end. */
function buildEnd(b: GraphBuilder, { endToken }: TextSpec): string {
  const found =
    endToken === null ? 'input_ids' : b.op('Equal', ['input_ids', b.integers('end_token', [endToken], [])], 'text.ends')
  const numbers = b.op('Cast', [found], 'text.end_marks', { to: int(6) })
  return b.op('ArgMax', [numbers], 'text.end', { axis: int(1), keepdims: int(1) })
}

export const clip = defineFamily({
  id: 'clip',
  title: 'CLIP',
  architectures: ['CLIPModel'],
  build(config, tensors): BuiltModel {
    const b = new GraphBuilder(tensors, config.file)
    const size = config.integer('projection_dim', { min: 1, max: many }, 512)
    const image = readVisionTower(config.part('vision_config'), 'vision_model.')
    const text = readText(config.part('text_config'))
    const blocks: Block[] = []
    buildImage(b, image, blocks, size)
    buildText(b, text, blocks, size)
    const scale = b.op('Exp', [b.weight('logit_scale', [], { role: 'other', op: 'Exp' })], 'logit_scale.factor')
    const images = b.op('Transpose', ['image_embeds'], 'image_embeds.turned', { perm: ints([1, 0]) })
    b.op('Mul', [b.op('MatMul', ['text_embeds', images], 'similarity'), scale], 'logits_per_text')
    b.op('Transpose', ['logits_per_text'], 'logits_per_image', { perm: ints([1, 0]) })
    const ids = ['input_ids', 'attention_mask'].map((name) => tokenInput(name, 'texts', 'time'))
    const [first, ...rest] = ids
    const outputs = [
      floatOutput('logits_per_image', ['images', 'texts']),
      floatOutput('logits_per_text', ['texts', 'images']),
      floatOutput('text_embeds', ['texts', size]),
      floatOutput('image_embeds', ['images', size]),
    ]
    const inputs = [...(first ? [first] : []), pixelInput(image.image, 'images'), ...rest]
    return {
      graph: b.finish('clip', inputs, outputs),
      layers: b.layers,
      blocks,
      head: null,
      task: 'image-text-similarity',
      tokens: { vocabulary: text.vocabulary, context: text.positions },
      card: {
        'context length': String(text.positions),
        vocabulary: String(text.vocabulary),
        image: `${image.image.width} x ${image.image.height}`,
        width: `${image.width} vision, ${text.width} text, ${size} shared`,
        blocks: `${image.depth} vision, ${text.depth} text`,
        heads: `${image.heads} vision, ${text.heads} text`,
      },
    }
  },
})
