// Causal attention of one block, on [batch * time, width].
//   softmax(q k^T * scale + mask) v, g query heads to one key head     Vaswani et al. 2017, eq. 1; Ainslie et al. 2023
//   capped scores: c tanh(s / c)                                       Gemma 2, section 2
//   q and k normalised per head                                        Henry et al. 2020, as Qwen3 and Gemma 3 do it
import { int, ints } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'
import { buildLinear, type Linear } from './linear.ts'
import { buildNorm, type Norm } from './norm.ts'
import type { Frame, Rotation } from './positions.ts'
import type { Rope } from './rope.ts'

export interface Attention {
  module: string
  heads: number
  keyHeads: number
  headSize: number
  /** q, k, v; or one layer whose outputs are [q | k | v], or [q | k | v] for each head in turn. */
  input: { kind: 'separate'; q: Linear; k: Linear; v: Linear } | { kind: 'parts' | 'heads'; qkv: Linear }
  output: Linear
  norms: { q: Norm; k: Norm } | null
  rope: Rope | null // may turn only the first features of a head
  scale: number
  softCap: number | null
  window: number | null
}

export function buildAttention(b: GraphBuilder, frame: Frame, spec: Attention, input: string, block: number): string {
  const { module } = spec
  const { q, k, v } = project(b, frame, spec, input, block)
  const heads = (tokens: string, name: string, norm?: Norm) => {
    const normed = norm ? buildNorm(b, norm, tokens, `${name}.normed`, block) : tokens
    return b.op('Transpose', [normed], `${name}.heads`, { perm: ints([0, 2, 1, 3]) })
  }
  const turn = spec.rope && frame.rotation(spec.rope)
  const query = heads(q, `${module}.query`, spec.norms?.q)
  const added = heads(k, `${module}.key`, spec.norms?.k)
  const late = turn?.late === true
  const turned = turn && !late ? rotate(b, turn.key, spec, added, `${module}.key`) : added
  const { key, value } = frame.recall(block, turned, heads(v, `${module}.value`))
  return attend(b, frame, spec, block, {
    query: turn ? rotate(b, turn.query, spec, query, `${module}.query`) : query,
    key: turn && late ? rotate(b, turn.key, spec, key, `${module}.key`) : key,
    value,
  })
}

/** Queries, keys and values as [batch, time, heads, size]. */
function project(b: GraphBuilder, frame: Frame, spec: Attention, input: string, block: number) {
  const { module, heads, keyHeads, headSize } = spec
  const parts = ['query', 'key', 'value'].map((part) => `${module}.${part}`)
  const split = (linear: string, count: number, size: number, name: string) => {
    const shape = b.once(`tokens.${count}x${size}`, (shape) => {
      return b.op('Concat', [frame.shape, b.integers(`heads.${count}x${size}`, [count, size])], shape, { axis: int(0) })
    })
    return b.op('Reshape', [linear, shape], `${name}.split`)
  }
  if (spec.input.kind === 'heads') {
    const all = split(buildLinear(b, spec.input.qkv, input, block), heads, 3 * headSize, `${module}.qkv`)
    const [q = '', k = '', v = ''] = b.split(all, [headSize, headSize, headSize], parts)
    return { q, k, v }
  }
  const sizes = [heads * headSize, keyHeads * headSize, keyHeads * headSize]
  const each =
    spec.input.kind === 'separate'
      ? [spec.input.q, spec.input.k, spec.input.v].map((linear) => buildLinear(b, linear, input, block))
      : b.split(buildLinear(b, spec.input.qkv, input, block), sizes, parts)
  const [q = '', k = '', v = ''] = each
  return {
    q: split(q, heads, headSize, `${module}.query`),
    k: split(k, keyHeads, headSize, `${module}.key`),
    v: split(v, keyHeads, headSize, `${module}.value`),
  }
}

/** Pair i of a head is (x[i], x[i + pairs]); features behind the pairs stay as they are. */
function rotate(b: GraphBuilder, { cos, sin }: Rotation, spec: Attention, input: string, name: string): string {
  const turning = 2 * (spec.rope?.frequencies.length ?? 0)
  const [moved = input, still] =
    turning < spec.headSize
      ? b.split(input, [turning, spec.headSize - turning], [`${name}.moved`, `${name}.still`])
      : [input]
  const [first, second] = b.halves(moved, name)
  const product = (half: string, wave: string, label: string) => b.op('Mul', [half, wave], `${name}.${label}`)
  const left = b.op('Sub', [product(first, cos, 'first_cos'), product(second, sin, 'second_sin')], `${name}.left`)
  const right = b.op('Add', [product(second, cos, 'second_cos'), product(first, sin, 'first_sin')], `${name}.right`)
  const parts = still === undefined ? [left, right] : [left, right, still]
  return b.op('Concat', parts, `${name}.rotated`, { axis: int(-1) })
}

// The query heads that share a key head are laid under each other, so both products are plain batched ones:
// [batch, keyHeads, group * time, d] x [batch, keyHeads, d, total].
function attend(
  b: GraphBuilder,
  frame: Frame,
  spec: Attention,
  block: number,
  { query, key, value }: { query: string; key: string; value: string },
): string {
  const { module, heads, keyHeads, headSize, softCap } = spec
  const shape = (count: number, last: number) =>
    b.once(`shape.${count}.${last}`, (name) => b.integers(name, [0, count, -1, last]))
  const scaled = b.op('Mul', [query, b.scalar('attention_scale', spec.scale)], `${module}.query.scaled`)
  const grouped = b.op('Reshape', [scaled, shape(keyHeads, headSize)], `${module}.query.grouped`)
  const turned = b.op('Transpose', [key], `${module}.key.turned`, { perm: ints([0, 1, 3, 2]) })
  const raw = b.op('MatMul', [grouped, turned], `${module}.scores.grouped`)
  const scores = b.op('Reshape', [raw, shape(heads, 0)], `${module}.scores`)
  const capped = softCap === null ? scores : buildSoftCap(b, softCap, scores, `${module}.scores`)
  const masked = b.op('Add', [capped, frame.mask(spec.window)], `${module}.scores.masked`)
  const weights = b.op('Softmax', [masked], `${module}.weights`, { axis: int(-1) })
  const weightGroups = b.op('Reshape', [weights, shape(keyHeads, 0)], `${module}.weights.grouped`)
  const mixed = b.op('MatMul', [weightGroups, value], `${module}.mixed.grouped`)
  const mixedHeads = b.op('Reshape', [mixed, shape(heads, headSize)], `${module}.mixed.heads`)
  const back = b.op('Transpose', [mixedHeads], `${module}.mixed.tokens`, { perm: ints([0, 2, 1, 3]) })
  const flat = b.once('flat_shape', (name) => b.integers(name, [-1, heads * headSize]))
  return buildLinear(b, spec.output, b.op('Reshape', [back, flat], `${module}.mixed`), block)
}

/** c tanh(x / c) */
export function buildSoftCap(b: GraphBuilder, cap: number, input: string, name: string): string {
  const limit = b.scalar('soft_cap', cap)
  const bent = b.op('Tanh', [b.op('Div', [input, limit], `${name}.part`)], `${name}.bent`)
  return b.op('Mul', [bent, limit], `${name}.capped`)
}
