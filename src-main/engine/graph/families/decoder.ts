// A causal decoder from its parts: embedding, blocks, last norm, head. Plain opset-21 operators only, so that the graph can
// be differentiated. The hidden state is kept [batch * time, width]: every linear layer is one Gemm on the checkpoint's own
// tensor. The same parts also make the graph with a key-value cache.
import type { Block } from '../../checkpoint/network.ts'
import { type Graph, int, type ValueInfo } from '../ir.ts'
import { buildSoftCap } from './attention.ts'
import { type BlockSpec, buildBlock } from './block.ts'
import { GraphBuilder } from './builder.ts'
import { cachedFrame } from './cached.ts'
import type { BuiltModel } from './define.ts'
import { buildLinear, type Linear } from './linear.ts'
import { buildNorm, type Norm } from './norm.ts'
import { allTokens, type Frame, windowFrame } from './positions.ts'

export interface DecoderSpec {
  name: string
  file: string // config.json, for messages
  vocabulary: number
  width: number
  heads: number
  keyHeads: number
  headSize: number
  context: number
  beginToken: number | null
  embedding: {
    weight: string
    cols: number // `width`, unless `project` follows
    scale: number | null
    project: Linear | null
    positions: { weight: string; rows: number; offset: number } | null // learned ones
  }
  blocks: BlockSpec[]
  last: Norm | null
  head: { weight: string | null; project: Linear | null; softCap: number | null } // weight null: the embedding's
  card: Record<string, string> // what only this family has to tell
  /** Changes the embedded tokens [batch * time, width] before the first block, and what it needs as graph inputs. */
  splice?: { inputs: ValueInfo[]; build(b: GraphBuilder, hidden: string): string }
}

type Tensors = ConstructorParameters<typeof GraphBuilder>[0]

/** Faults 'bad-input' where a weight is missing or misshapen. */
export function buildDecoder(spec: DecoderSpec, tensors: Tensors): BuiltModel {
  const b = new GraphBuilder(tensors, spec.file)
  const { hidden, weight, blocks } = buildBody(b, windowFrame(b), spec)
  const graph = b.finish(
    spec.name,
    [{ name: 'input_ids', dtype: 'int64', shape: ['batch', 'time'] }, ...(spec.splice?.inputs ?? [])],
    [{ name: 'logits', dtype: 'float32', shape: ['batch', 'time', spec.vocabulary] }],
  )
  const { vocabulary, context, beginToken, head } = spec
  const width = head.project?.rows ?? spec.width
  const softCap = head.softCap === null ? {} : { softCap: head.softCap }
  return {
    graph,
    layers: b.layers,
    blocks,
    head: { hidden, weight, vocabulary, width, context, beginToken, ...softCap },
    task: 'causal-lm',
    card: describe(spec),
    ...(!spec.splice && { cached: () => buildCached(spec, tensors) }),
  }
}

function buildCached(spec: DecoderSpec, tensors: Tensors): Graph {
  const b = new GraphBuilder(tensors, spec.file)
  const { keyHeads, headSize, vocabulary } = spec
  const frame = cachedFrame(b, { depth: spec.blocks.length, keyHeads, headSize })
  buildBody(b, frame, spec)
  const logits: ValueInfo = {
    name: 'logits',
    dtype: 'float32',
    shape: ['batch_size', 'sequence_length', vocabulary],
  }
  return b.finish(`${spec.name}-cached`, frame.inputs, [logits, ...frame.outputs])
}

/** From `input_ids` to `logits`. Returns what the head reads: the last hidden state and the weight. */
function buildBody(
  b: GraphBuilder,
  frame: Frame,
  spec: DecoderSpec,
): { hidden: string; weight: string; blocks: Block[] } {
  const { vocabulary, width, embedding, head } = spec
  const state = (value: string, cols = width) => b.describe(value, [null, cols])
  let hidden = state(buildEmbedding(b, frame, spec))
  const blocks = spec.blocks.map((block, index): Block => {
    const before = b.layers.length
    const inputs = [hidden]
    hidden = state(buildBlock(b, frame, block, index, hidden, `hidden.${index + 1}`))
    return { index, name: block.module, layers: b.layers.slice(before).map((layer) => layer.name), inputs }
  })
  const normed = spec.last ? buildNorm(b, spec.last, hidden, 'hidden.last', null) : hidden
  const last = head.project ? buildLinear(b, head.project, normed, null) : normed
  const cols = head.project?.rows ?? width
  state(last, cols)
  const use = { role: 'head', block: null, op: 'Gemm' } as const
  const weight = head.weight === null ? embedding.weight : b.weight(head.weight, [vocabulary, cols], use)
  const raw = b.op('Gemm', [last, weight], 'lm_head.output', { transB: int(1) })
  const logits = head.softCap === null ? raw : buildSoftCap(b, head.softCap, raw, 'lm_head.output')
  const shape = b.op('Concat', [frame.shape, b.integers('vocabulary', [vocabulary])], 'logits_shape', { axis: int(0) })
  b.op('Reshape', [logits, shape], 'logits')
  return { hidden: last, weight, blocks }
}

/** The hidden state in front of the first block, 'hidden.0'. */
function buildEmbedding(b: GraphBuilder, frame: Frame, { vocabulary, width, embedding, splice }: DecoderSpec): string {
  const { cols, scale, project, positions } = embedding
  const table = b.weight(embedding.weight, [vocabulary, cols], { role: 'embed', op: 'Gather' })
  const ids = b.op('Reshape', ['input_ids', allTokens(b)], 'token_ids')
  const name = (label: string, ...later: unknown[]) => (later.some(Boolean) ? label : 'hidden.0')
  let hidden = b.op('Gather', [table, ids], name('embedded', scale, project, positions, splice), { axis: int(0) })
  if (scale !== null) {
    const factor = b.scalar('embedding_scale', scale)
    hidden = b.op('Mul', [hidden, factor], name('embedded.scaled', project, positions, splice))
  }
  if (project) hidden = buildLinear(b, project, hidden, null)
  if (positions) {
    const { weight, rows, offset } = positions
    const places = b.weight(weight, [rows, width], { role: 'embed', op: 'Gather', keep: true })
    const shift = () => b.integers('position_offset', [offset], [])
    const at = offset === 0 ? frame.positions() : b.op('Add', [frame.positions(), shift()], 'positions.rows')
    const placed = b.op('Gather', [places, at], 'positions.embedded', { axis: int(0) })
    hidden = b.op('Add', [hidden, placed], name('embedded.placed', splice))
  }
  return splice ? splice.build(b, hidden) : hidden
}

function describe(spec: DecoderSpec): Record<string, string> {
  const { heads, keyHeads, blocks } = spec
  const windows = [...new Set(blocks.map(({ attention }) => attention.window))]
  const ropes = [...new Set(blocks.flatMap(({ attention }) => attention.rope ?? []))]
  return {
    'context length': String(spec.context),
    vocabulary: String(spec.vocabulary),
    width: String(spec.width),
    blocks: String(blocks.length),
    heads: keyHeads === heads ? String(heads) : `${heads} query, ${keyHeads} key`,
    positions: ropes.length > 0 ? `rotary, ${ropes.map(({ type }) => type).join(' and ')}` : 'learned',
    head: spec.head.weight === null ? 'tied to the embedding' : 'its own weights',
    ...(windows.some((window) => window !== null) && {
      'sliding window': windows.map((window) => window ?? 'none').join(', '),
    }),
    ...spec.card,
  }
}
