// Attention of encoders: every token sees every other one, but for a mask.
import { int, ints } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'

/** How the heads of one attention lie. */
export interface Heads {
  split: string // int64 value: what a Reshape takes to make [batch, time, heads, size] of rows
  heads: number
  size: number
  mask: string | null // float value that is added to the scores [batch, heads, time, time], by broadcasting
  /** The mask is one for each member of a group: added to scores [batch / groups, groups, heads, time, time]. */
  groups?: number
}

export interface QueryKeyValue {
  q: string
  k: string
  v: string
}

/** softmax(q k^T / sqrt(d) + mask) v. Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1. q, k, v and the
 *  result are rows [batch * time, heads * size]. */
export function buildEncoderAttention(b: GraphBuilder, module: string, { q, k, v }: QueryKeyValue, how: Heads): string {
  const { split, heads, size } = how
  const turn = (input: string, name: string, perm: number[]) =>
    b.op('Transpose', [b.op('Reshape', [input, split], `${name}.split`)], `${name}.heads`, { perm: ints(perm) })
  const query = turn(q, `${module}.query`, [0, 2, 1, 3])
  const key = turn(k, `${module}.key`, [0, 2, 3, 1])
  const value = turn(v, `${module}.value`, [0, 2, 1, 3])
  const scaled = b.op('Mul', [query, b.scalar('attention_scale', 1 / Math.sqrt(size))], `${module}.query.scaled`)
  const scores = b.op('MatMul', [scaled, key], `${module}.scores`)
  const masked = how.mask === null ? scores : addMask(b, module, scores, { ...how, mask: how.mask })
  const weights = b.op('Softmax', [masked], `${module}.weights`, { axis: int(-1) })
  const mixed = b.op('MatMul', [weights, value], `${module}.mixed.heads`)
  const back = b.op('Transpose', [mixed], `${module}.mixed.tokens`, { perm: ints([0, 2, 1, 3]) })
  return b.op('Reshape', [back, rowsOf(b, heads * size)], `${module}.mixed`)
}

function addMask(b: GraphBuilder, module: string, scores: string, how: Heads & { mask: string }): string {
  const { groups, heads, mask } = how
  if (groups === undefined) return b.op('Add', [scores, mask], `${module}.scores.masked`)
  const shape = b.op('Shape', [scores], `${module}.scores.shape`)
  const time = b.op('Shape', [scores], `${module}.scores.sides`, { start: int(2) })
  const leading = b.once(`grouped.${groups}.${heads}`, (name) => b.integers(name, [-1, groups, heads]))
  const grouped = b.op('Concat', [leading, time], `${module}.scores.groups`, { axis: int(0) })
  const sum = b.op(
    'Add',
    [b.op('Reshape', [scores, grouped], `${module}.scores.grouped`), mask],
    `${module}.scores.sum`,
  )
  return b.op('Reshape', [sum, shape], `${module}.scores.masked`)
}

/** What a Reshape takes to make rows [n, width]. */
export const rowsOf = (b: GraphBuilder, width: number): string =>
  b.once(`rows_of.${width}`, (name) => b.integers(name, [-1, width]))
