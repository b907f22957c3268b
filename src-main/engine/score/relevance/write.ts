// What the rules write with: small pieces of ONNX around the emitter of activate/bench.ts.
import type { Bench } from '../../activate/bench.ts'
import { int64Tensor } from '../../graph/constants.ts'
import { int, ints } from '../../graph/ir.ts'

/** Far below any contribution: where all are zero, shares are equal instead of 0 / 0. */
const nothing = 1e-30

/** Sums a value of a broadcast shape down to the shape of `like`, whatever the ranks are when it runs. */
export function reduceTo(b: Bench, value: string, like: string): string {
  const [wide, narrow] = [b.op('Shape', [value]), b.op('Shape', [like])]
  const missing = b.op('Sub', [b.op('Shape', [wide]), b.op('Shape', [narrow])])
  const one = { kind: 'tensor', value: int64Tensor('one', [1]) } as const
  const ones = b.op('ConstantOfShape', [missing], { value: one })
  const full = b.op('Concat', [ones, narrow], { axis: int(0) })
  const differs = b.op('Not', [b.op('Equal', [full, wide])])
  const axes = b.op('Reshape', [b.op('NonZero', [differs]), b.integers([-1])])
  const sum = b.op('ReduceSum', [value, axes], { keepdims: int(1), noop_with_empty_axes: int(1) })
  return b.op('Reshape', [sum, narrow])
}

/** A value in the shape of another with as many elements. */
export const shapedAs = (b: Bench, value: string, like: string): string =>
  b.op('Reshape', [value, b.op('Shape', [like])])

/** Relevance of a sum, shared among its terms in proportion to what each adds in the direction of the sum's sign. Terms
 *  may be of smaller, broadcast shapes, unless `same` says that they are not; each share comes in its term's shape. */
export function shareSum(b: Bench, relevance: string, terms: readonly string[], same: readonly boolean[]): string[] {
  const [first = '', ...rest] = terms
  const sum = rest.reduce((total, term) => b.op('Add', [total, term]), first)
  const sign = b.op('Sign', [sum])
  const agreeing = terms.map((term) => b.op('Add', [b.op('Relu', [b.op('Mul', [sign, term])]), b.scalar(nothing)]))
  const all = agreeing.slice(1).reduce((total, part) => b.op('Add', [total, part]), agreeing[0] ?? '')
  return agreeing.map((part, index) => {
    const share = b.op('Mul', [relevance, b.op('Div', [part, all])])
    return same[index] ? share : reduceTo(b, share, terms[index] ?? '')
  })
}

/** Relevance of a sum (or mean) over axes, shared among the elements in the same way. `axes` '' means all of them. */
export function shareReduction(b: Bench, relevance: string, x: string, axes: string): string {
  const over = (value: string) => b.op('ReduceSum', axes === '' ? [value] : [value, axes], { keepdims: int(1) })
  const sum = over(x)
  const part = b.op('Add', [b.op('Relu', [b.op('Mul', [b.op('Sign', [sum]), x])]), b.scalar(nothing)])
  return b.op('Mul', [b.op('Div', [part, over(part)]), shapedAs(b, relevance, sum)])
}

/** Relevance of a choice (a maximum), shared among the elements that are equal to it. */
export function shareChoice(b: Bench, relevance: string, x: string, chosen: string, axes: string): string {
  const equal = b.op('Add', [b.cast(b.op('Equal', [x, chosen]), 'float32'), b.scalar(nothing)])
  const all = b.op('ReduceSum', axes === '' ? [equal] : [equal, axes], { keepdims: int(1) })
  return b.op('Mul', [b.op('Div', [equal, all]), shapedAs(b, relevance, chosen)])
}

/** The last two axes swapped. */
export function swapLast(b: Bench, value: string, rank: number | null): string {
  if (rank === null) return b.op('Einsum', [value], { equation: { kind: 'string', value: equation } })
  const perm = Array.from({ length: rank }, (_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis))
  return b.op('Transpose', [value], { perm: ints(perm) })
}
const equation = new TextEncoder().encode('...ij->...ji')

/** Relevance at positions `index` (int64, into x laid flat, one behind its end = nowhere) added up in the shape of x. `lost`
 *  is what went nowhere. */
export function scatter(b: Bench, relevance: string, index: string, x: string): { found: string; lost: string } {
  const flat = b.integers([-1])
  const size = b.op('Reshape', [b.op('Size', [x]), flat])
  const buffer = b.op('ConstantOfShape', [b.op('Add', [size, b.integers([1])])])
  const inputs = [buffer, b.op('Reshape', [index, flat]), b.op('Reshape', [relevance, flat])]
  const add = { kind: 'string', value: new TextEncoder().encode('add') } as const
  const full = b.op('ScatterElements', inputs, { axis: int(0), reduction: add })
  const found = b.op('Slice', [full, b.integers([0]), size])
  const end = b.op('Add', [size, b.integers([1])])
  return { found: shapedAs(b, found, x), lost: b.op('Slice', [full, size, end]) }
}

/** int64, in the shape of x: where each of its elements lies when x is laid flat. */
export function positions(b: Bench, x: string): string {
  const scalar = (value: number) => b.constant(int64Tensor('step', [value], []))
  const range = b.op('Range', [scalar(0), b.op('Size', [x]), scalar(1)])
  return shapedAs(b, range, x)
}
