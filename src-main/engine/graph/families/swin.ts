// Swin. Liu et al. 2021, "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows": stages of blocks with
// attention in windows; between stages four neighbours are merged into one token of twice the width (section 3.1).
import type { Block } from '../../checkpoint/network.ts'
import { int, ints } from '../ir.ts'
import { buildEncoderAttention, rowsOf } from './attend.ts'
import { classesIn } from './bert.ts'
import { GraphBuilder } from './builder.ts'
import { defineFamily, type BuiltModel } from './define.ts'
import { buildClassifier, finishImageModel, floatOutput } from './image-heads.ts'
import { buildPatches, gridOf } from './image-input.ts'
import { buildLinear } from './linear.ts'
import { buildNorm } from './norm.ts'
import { findPrefix } from './prefix.ts'
import { readSwin, type SwinSpec } from './swin-spec.ts'
import {
  buildPositionBias,
  buildShiftMask,
  enterWindows,
  leaveWindows,
  windowCount,
  type Windows,
} from './swin-windows.ts'
import { addBlock, buildLayer } from './transformer.ts'

/** A state of the network: rows [batch * height * width, channels]. */
interface State {
  hidden: string
  height: number
  width: number
  channels: number
}

function buildEmbedding(b: GraphBuilder, { prefix, image, width, epsilon, absolute }: SwinSpec): State {
  const [height, columns] = gridOf(image)
  const module = `${prefix}embeddings`
  const patches = buildPatches(b, image, { module: `${module}.patch_embeddings.projection`, bias: true, width })
  const rows = b.op('Reshape', [patches, rowsOf(b, width)], 'embedded')
  const norm = { kind: 'layer', module: `${module}.norm`, size: width, epsilon } as const
  let hidden = buildNorm(b, norm, rows, absolute ? 'embedded.normed' : 'hidden.0', null)
  if (absolute) {
    const places = height * columns
    const table = b.weight(`${module}.position_embeddings`, [1, places, width], {
      role: 'embed',
      op: 'Add',
      keep: true,
    })
    const states = b.op('Reshape', [hidden, b.integers('embedded.shape', [-1, places, width])], 'embedded.states')
    hidden = b.op('Reshape', [b.op('Add', [states, table], 'embedded.placed'), rowsOf(b, width)], 'hidden.0')
  }
  return { hidden: b.describe(hidden, [null, width]), height, width: columns, channels: width }
}

function buildSwinBlock(
  b: GraphBuilder,
  spec: SwinSpec,
  state: State,
  at: { stage: number; index: number },
  block: number,
) {
  const { height, width, channels } = state
  const module = `${spec.prefix}encoder.layers.${at.stage}.blocks.${at.index}`
  const heads = spec.heads[at.stage] ?? 1
  // A map no larger than a window is one window, and needs no shift.
  const shift = Math.min(height, width) <= spec.window || at.index % 2 === 0 ? 0 : Math.floor(spec.window / 2)
  const windows: Windows = { height, width, size: spec.window, shift, channels }
  const names = {
    q: `${module}.attention.self.query`,
    k: `${module}.attention.self.key`,
    v: `${module}.attention.self.value`,
    o: `${module}.attention.output.dense`,
    attentionNorm: `${module}.layernorm_before`,
    up: `${module}.intermediate.dense`,
    down: `${module}.output.dense`,
    feedNorm: `${module}.layernorm_after`,
  }
  const layer = {
    width: channels,
    inner: Math.floor(spec.ratio * channels),
    epsilon: spec.epsilon,
    activation: spec.activation,
    order: 'pre',
    qkvBias: spec.qkvBias,
  } as const
  return buildLayer(
    b,
    state.hidden,
    `hidden.${block + 1}`,
    layer,
    { name: module, names, block },
    {
      enter: (rows, name) => enterWindows(b, windows, rows, name),
      leave: (rows, name) => leaveWindows(b, windows, rows, name),
      attend(name, rows) {
        const area = windows.size ** 2
        const table = b.weight(
          `${module}.attention.self.relative_position_bias_table`,
          [(2 * windows.size - 1) ** 2, heads],
          { role: 'other', block, op: 'Gather', keep: true },
        )
        const bias = buildPositionBias(b, table, windows.size, name)
        const mask = shift === 0 ? bias : b.op('Add', [bias, buildShiftMask(b, windows)], `${name}.mask`)
        return buildEncoderAttention(b, name, rows, {
          split: b.once(`heads_shape.${area}.${heads}.${channels}`, (value) =>
            b.integers(value, [-1, area, heads, channels / heads]),
          ),
          heads,
          size: channels / heads,
          mask,
          ...(shift !== 0 && { groups: windowCount(windows) }),
        })
      },
    },
  )
}

/** Four neighbours become one token: [a, b; c, d] is laid out as a c b d, normed, and reduced from 4C to 2C. */
function buildMerge(b: GraphBuilder, spec: SwinSpec, state: State, stage: number, block: number): State {
  const { height, width, channels } = state
  const module = `${spec.prefix}encoder.layers.${stage}.downsample`
  const [tall, wide] = [height + (height % 2), width + (width % 2)]
  let map = b.op(
    'Reshape',
    [state.hidden, b.integers(`${module}.shape`, [-1, height, width, channels])],
    `${module}.map`,
  )
  if (tall > height || wide > width) {
    const pads = b.integers(`${module}.pads`, [0, 0, 0, 0, 0, tall - height, wide - width, 0])
    map = b.op('Pad', [map, pads, b.scalar('padding', 0)], `${module}.padded`)
  }
  const grid = b.integers(`${module}.grid`, [-1, tall / 2, 2, wide / 2, 2, channels])
  const cut = b.op('Reshape', [map, grid], `${module}.cut`)
  const turned = b.op('Transpose', [cut], `${module}.turned`, { perm: ints([0, 1, 3, 4, 2, 5]) })
  const rows = b.op('Reshape', [turned, rowsOf(b, 4 * channels)], `${module}.rows`)
  const norm = { kind: 'layer', module: `${module}.norm`, size: 4 * channels, epsilon: spec.epsilon } as const
  const linear = {
    module: `${module}.reduction`,
    role: 'linear',
    rows: 2 * channels,
    cols: 4 * channels,
    bias: false,
  } as const
  const reduced = buildLinear(b, linear, buildNorm(b, norm, rows, `${module}.normed`, block), block)
  const hidden = b.describe(b.op('Identity', [reduced], `hidden.${block + 1}`), [null, 2 * channels])
  return { hidden, height: tall / 2, width: wide / 2, channels: 2 * channels }
}

function buildStages(b: GraphBuilder, spec: SwinSpec, blocks: Block[]): State {
  let state = buildEmbedding(b, spec)
  spec.depths.forEach((depth, stage) => {
    for (let index = 0; index < depth; index++) {
      const name = `${spec.prefix}encoder.layers.${stage}.blocks.${index}`
      const hidden = addBlock(b, blocks, { name, inputs: [state.hidden] }, (block) =>
        buildSwinBlock(b, spec, state, { stage, index }, block),
      )
      state = { ...state, hidden }
    }
    if (stage === spec.depths.length - 1) return
    const name = `${spec.prefix}encoder.layers.${stage}.downsample`
    addBlock(b, blocks, { name, inputs: [state.hidden] }, (block) => {
      state = buildMerge(b, spec, state, stage, block)
      return state.hidden
    })
  })
  return state
}

export const swin = defineFamily({
  id: 'swin',
  title: 'Swin',
  architectures: ['SwinForImageClassification', 'SwinModel'],
  build(config, tensors) {
    const b = new GraphBuilder(tensors, config.file)
    const prefix = findPrefix(tensors, ['swin.', ''], 'embeddings.patch_embeddings.projection.weight')
    const spec = readSwin(config, prefix)
    const blocks: BuiltModel['blocks'] = []
    const { hidden, height, width, channels } = buildStages(b, spec, blocks)
    const norm = { kind: 'layer', module: `${prefix}layernorm`, size: channels, epsilon: spec.epsilon } as const
    const last = buildNorm(b, norm, hidden, 'hidden.last', null)
    const features = !(config.texts('architectures') ?? []).includes('SwinForImageClassification')
    const tokens = height * width
    const shape = b.integers('states_shape', [-1, tokens, channels])
    const states = b.op('Reshape', [last, shape], features ? 'last_hidden_state' : 'hidden.states')
    const axis = b.integers('token_axis', [1])
    const pooled = b.op('ReduceMean', [states, axis], features ? 'pooler_output' : 'pooled', { keepdims: int(0) })
    const classes = features ? null : classesIn(config)
    if (classes !== null) b.op('Identity', [buildClassifier(b, 'classifier', classes, pooled, channels)], 'logits')
    const outputs =
      classes === null
        ? [
            floatOutput('last_hidden_state', ['batch', tokens, channels]),
            floatOutput('pooler_output', ['batch', channels]),
          ]
        : [floatOutput('logits', ['batch', classes])]
    const heads = spec.heads.join(', ')
    return finishImageModel(b, {
      family: 'swin',
      image: spec.image,
      width: spec.width,
      heads,
      blocks,
      outputs,
      classes,
    })
  },
})
