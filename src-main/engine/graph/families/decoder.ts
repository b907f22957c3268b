// The Llama shape of a decoder, shared by its relatives. Touvron et al. 2023, "LLaMA", section 2.2:
//   h <- h + o(attention(norm(h)));   h <- h + down(act(gate(norm(h))) * up(norm(h)))
//   norm(x) = x / sqrt(mean(x^2) + eps) * w                       Zhang & Sennrich 2019, eq. 4
//   attention = softmax(q k^T / sqrt(d) + mask) v, g query heads to one key head (Ainslie et al. 2023)
// Plain opset-21 operators only, so that the graph can be differentiated. The hidden state is kept [batch * time, width]:
// every linear layer is one Gemm (transB = 1) on the checkpoint's own [out, in] tensor.
import type { Layer } from '../../checkpoint/network.ts'
import { int, ints } from '../ir.ts'
import { GraphBuilder } from './builder.ts'
import type { BuiltModel } from './define.ts'
import { buildMask, buildRotation, positionsOf } from './positions.ts'
import type { Rope } from './rope.ts'

export interface DecoderSpec {
  name: string
  file: string // config.json, for messages
  vocabulary: number
  width: number
  inner: number // width of the MLP
  depth: number // blocks
  heads: number
  keyHeads: number
  headSize: number
  epsilon: number
  activation: 'silu' | 'relu'
  rope: Rope
  context: number
  beginToken: number | null
  tied: boolean
  biases: { qkv: boolean; o: boolean; mlp: boolean }
  /** Tokens each block may look back on, itself included; null = all. */
  windows: (number | null)[]
}

/** Faults 'bad-input' where a weight is missing or misshapen. */
export function buildDecoder(spec: DecoderSpec, tensors: ConstructorParameters<typeof GraphBuilder>[0]): BuiltModel {
  const b = new GraphBuilder(tensors, spec.file)
  const { width, vocabulary, headSize } = spec
  const places = positionsOf(b)
  const shared: Shared = {
    rotation: buildRotation(b, places, spec.rope),
    masks: new Map([...new Set(spec.windows)].map((window) => [window, buildMask(b, places, window)])),
    queryShape: b.op('Concat', [places.shape, b.integers('query_heads', [spec.heads, headSize])], 'query_shape', {
      axis: int(0),
    }),
    keyShape: b.op('Concat', [places.shape, b.integers('key_heads', [spec.keyHeads, headSize])], 'key_shape', {
      axis: int(0),
    }),
    grouped: b.integers('grouped_shape', [0, spec.keyHeads, -1, headSize]),
    scoreHeads: b.integers('score_shape', [0, spec.heads, -1, 0]),
    scoreGroups: b.integers('score_group_shape', [0, spec.keyHeads, -1, 0]),
    mixedHeads: b.integers('mixed_shape', [0, spec.heads, -1, headSize]),
    flat: b.integers('flat_shape', [-1, spec.heads * headSize]),
    scale: b.floats('attention_scale', [1 / Math.sqrt(headSize)], []),
    epsilon: b.floats('norm_epsilon', [spec.epsilon], []),
    lastAxis: b.integers('last_axis', [-1]),
  }
  const embedding = b.weight('model.embed_tokens.weight', [vocabulary, width], {
    role: 'embed',
    block: null,
    op: 'Gather',
  })
  const ids = b.op('Reshape', ['input_ids', b.integers('all_tokens', [-1])], 'token_ids')
  let hidden = b.describe(b.op('Gather', [embedding, ids], 'hidden.0', { axis: int(0) }), [null, width])
  const blocks: BuiltModel['blocks'] = []
  for (let i = 0; i < spec.depth; i++) {
    const name = `model.layers.${i}`
    const before = b.layers.length
    blocks.push({ index: i, name, layers: [], inputs: [hidden] })
    hidden = buildBlock(b, spec, shared, i, hidden)
    blocks[i]?.layers.push(...b.layers.slice(before).map((layer: Layer) => layer.name))
  }
  const last = buildNorm(b, shared, hidden, 'model.norm', 'hidden.last', width, null)
  b.describe(last, [null, width])
  const headWeight = spec.tied
    ? embedding
    : b.weight('lm_head.weight', [vocabulary, width], { role: 'head', block: null, op: 'Gemm' })
  const logits = b.op('Gemm', [last, headWeight], 'lm_head.output', { transB: int(1) })
  const shape = b.op('Concat', [places.shape, b.integers('vocabulary', [vocabulary])], 'logits_shape', { axis: int(0) })
  b.op('Reshape', [logits, shape], 'logits')
  const graph = b.finish(
    spec.name,
    [{ name: 'input_ids', dtype: 'int64', shape: ['batch', 'time'] }],
    [{ name: 'logits', dtype: 'float32', shape: ['batch', 'time', vocabulary] }],
  )
  return {
    graph,
    layers: b.layers,
    blocks,
    head: { hidden: last, weight: headWeight, vocabulary, width, context: spec.context, beginToken: spec.beginToken },
    task: 'causal-lm',
    card: describe(spec),
  }
}

/** Values that every block uses; all follow from the token ids alone. */
interface Shared {
  rotation: { cos: string; sin: string }
  masks: Map<number | null, string>
  queryShape: string
  keyShape: string
  grouped: string
  scoreHeads: string
  scoreGroups: string
  mixedHeads: string
  flat: string
  scale: string
  epsilon: string
  lastAxis: string
}

/** RMSNorm over the last axis of [rows, width]. */
function buildNorm(
  b: GraphBuilder,
  shared: Shared,
  input: string,
  module: string,
  output: string,
  width: number,
  block: number | null,
): string {
  const square = b.op('Mul', [input, input], `${module}.square`)
  const mean = b.op('ReduceMean', [square, shared.lastAxis], `${module}.mean`, { keepdims: int(1) })
  const root = b.op('Sqrt', [b.op('Add', [mean, shared.epsilon], `${module}.variance`)], `${module}.root`)
  const unit = b.op('Div', [input, root], `${module}.unit`)
  return b.op('Mul', [unit, b.weight(`${module}.weight`, [width], { role: 'norm', block, op: 'Mul' })], output)
}

function buildBlock(b: GraphBuilder, spec: DecoderSpec, shared: Shared, index: number, hidden: string): string {
  const { width, inner, biases } = spec
  const module = `model.layers.${index}`
  const linear = (input: string, name: string, role: Layer['role'], rows: number, cols: number, bias: boolean) => {
    const inputs = [input, b.weight(`${name}.weight`, [rows, cols], { role, block: index, op: 'Gemm' })]
    if (bias) inputs.push(b.weight(`${name}.bias`, [rows], { role: 'bias', block: index, op: 'Gemm' }))
    return b.op('Gemm', inputs, `${name}.output`, { transB: int(1) })
  }
  const queries = spec.heads * spec.headSize
  const keys = spec.keyHeads * spec.headSize
  const self = `${module}.self_attn`
  const x = buildNorm(b, shared, hidden, `${module}.input_layernorm`, `${self}.input`, width, index)
  const q = linear(x, `${self}.q_proj`, 'q', queries, width, biases.qkv)
  const k = linear(x, `${self}.k_proj`, 'k', keys, width, biases.qkv)
  const v = linear(x, `${self}.v_proj`, 'v', keys, width, biases.qkv)
  const mixed = buildAttention(b, shared, self, { q, k, v }, spec.windows[index] ?? null)
  const attended = linear(mixed, `${self}.o_proj`, 'o', width, queries, biases.o)
  const middle = b.describe(b.op('Add', [hidden, attended], `${module}.middle`), [null, width])

  const mlp = `${module}.mlp`
  const y = buildNorm(b, shared, middle, `${module}.post_attention_layernorm`, `${mlp}.input`, width, index)
  const gate = linear(y, `${mlp}.gate_proj`, 'gate', inner, width, biases.mlp)
  const up = linear(y, `${mlp}.up_proj`, 'up', inner, width, biases.mlp)
  const gated = b.op('Mul', [buildActivation(b, spec.activation, gate, mlp), up], `${mlp}.gated`)
  const down = linear(gated, `${mlp}.down_proj`, 'down', width, inner, biases.mlp)
  return b.describe(b.op('Add', [middle, down], `hidden.${index + 1}`), [null, width])
}

function buildActivation(b: GraphBuilder, kind: DecoderSpec['activation'], gate: string, module: string): string {
  if (kind === 'relu') return b.op('Relu', [gate], `${module}.active`)
  return b.op('Mul', [gate, b.op('Sigmoid', [gate], `${module}.sigmoid`)], `${module}.active`)
}

// The query heads that share a key head are laid under each other, so both products are plain batched ones:
// [batch, keyHeads, group * time, d] x [batch, keyHeads, d, time].
function buildAttention(
  b: GraphBuilder,
  shared: Shared,
  module: string,
  { q, k, v }: { q: string; k: string; v: string },
  window: number | null,
): string {
  const heads = (input: string, shape: string, name: string) =>
    b.op('Transpose', [b.op('Reshape', [input, shape], `${name}.split`)], `${name}.heads`, { perm: ints([0, 2, 1, 3]) })
  const rotated = (input: string, name: string) => {
    const [first, second] = b.halves(input, name)
    const { cos, sin } = shared.rotation
    const product = (half: string, wave: string, label: string) => b.op('Mul', [half, wave], `${name}.${label}`)
    const left = b.op('Sub', [product(first, cos, 'first_cos'), product(second, sin, 'second_sin')], `${name}.left`)
    const right = b.op('Add', [product(second, cos, 'second_cos'), product(first, sin, 'first_sin')], `${name}.right`)
    return b.op('Concat', [left, right], `${name}.rotated`, { axis: int(-1) })
  }
  const query = rotated(heads(q, shared.queryShape, `${module}.query`), `${module}.query`)
  const key = rotated(heads(k, shared.keyShape, `${module}.key`), `${module}.key`)
  const value = heads(v, shared.keyShape, `${module}.value`)
  const scaled = b.op('Mul', [query, shared.scale], `${module}.query.scaled`)
  const grouped = b.op('Reshape', [scaled, shared.grouped], `${module}.query.grouped`)
  const turned = b.op('Transpose', [key], `${module}.key.turned`, { perm: ints([0, 1, 3, 2]) })
  const raw = b.op('MatMul', [grouped, turned], `${module}.scores.grouped`)
  const scores = b.op('Reshape', [raw, shared.scoreHeads], `${module}.scores`)
  const masked = b.op('Add', [scores, shared.masks.get(window) ?? ''], `${module}.scores.masked`)
  const weights = b.op('Softmax', [masked], `${module}.weights`, { axis: int(-1) })
  const weightGroups = b.op('Reshape', [weights, shared.scoreGroups], `${module}.weights.grouped`)
  const mixed = b.op('MatMul', [weightGroups, value], `${module}.mixed.grouped`)
  const mixedHeads = b.op('Reshape', [mixed, shared.mixedHeads], `${module}.mixed.heads`)
  const back = b.op('Transpose', [mixedHeads], `${module}.mixed.tokens`, { perm: ints([0, 2, 1, 3]) })
  return b.op('Reshape', [back, shared.flat], `${module}.mixed`)
}

function describe(spec: DecoderSpec): Record<string, string> {
  const windows = new Set(spec.windows)
  return {
    'context length': String(spec.context),
    vocabulary: String(spec.vocabulary),
    width: String(spec.width),
    blocks: String(spec.depth),
    heads: spec.keyHeads === spec.heads ? String(spec.heads) : `${spec.heads} query, ${spec.keyHeads} key`,
    positions: `rotary, ${spec.rope.type}`,
    head: spec.tied ? 'tied to the embedding' : 'its own weights',
    ...(windows.size === 1 && windows.has(null)
      ? {}
      : { 'sliding window': [...windows].map((w) => w ?? 'none').join(', ') }),
  }
}
