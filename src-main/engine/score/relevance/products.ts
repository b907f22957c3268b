// Relevance through products and convolutions.
//   z_ij = x_i w_ij: what input i adds to output j.   z_j = sum_i z_ij, the bias left out.
//   P_j = sum of the z_ij that have the sign of z_j = (sum_i |z_ij| + |z_j|) / 2, so P_j >= |z_j|
//   R_i = sum_j R_j (agreeing z_ij + e / n) / (P_j + e)
//       = 1/2 (|x_i| sum_j |w_ij| S_j + x_i sum_j w_ij sign(z_j) S_j) + (e / n) sum_j S_j,   S_j = R_j / (P_j + e)
// For z_j > 0 this is the alpha-1 beta-0 rule that LRP-QViT takes over from Chefer et al. 2021, eq. 3; for z_j < 0 its mirror
// image (the gamma rule of AttnLRP at gamma -> infinity). No share exceeds 1, so nothing blows up where z_j cancels; biases
// take nothing; where nothing comes in at all, the n inputs share equally. Both factors of a product of activations take half
// (AttnLRP, proposition 3.3).
import type { Bench } from '../../activate/bench.ts'
import { int, type Attribute } from '../../graph/ir.ts'
import { reduceTo, shapedAs, swapLast } from './write.ts'

const epsilon = 1e-12

interface Shares {
  s: string // S
  signed: string // sign(z) S
}

function shares(b: Bench, relevance: string, z: string, magnitude: string): Shares {
  const twice = b.op('Add', [magnitude, b.op('Abs', [z])])
  const p = b.op('Add', [b.op('Mul', [twice, b.scalar(0.5)]), b.scalar(epsilon)])
  const s = b.op('Div', [relevance, p])
  return { s, signed: b.op('Mul', [b.op('Sign', [z]), s]) }
}

/** 1/2 (|x| a + x c) */
const gather = (b: Bench, x: string, a: string, c: string): string => {
  const sum = b.op('Add', [b.op('Mul', [b.op('Abs', [x]), a]), b.op('Mul', [x, c])])
  return b.op('Mul', [sum, b.scalar(0.5)])
}

export interface Factor {
  value: string
  rank: number | null
  carries: boolean
}

/** Relevance of both factors of MatMul(left, right); null for one that carries none. `alike`: both have the same leading axes,
 *  so that none was spread over the other's. */
export function throughProduct(
  b: Bench,
  relevance: string,
  left: Factor,
  right: Factor,
  alike: boolean,
): [string | null, string | null] {
  const [x, w] = [left.value, right.value]
  const [absX, absW] = [b.op('Abs', [x]), b.op('Abs', [w])]
  const both = left.carries && right.carries
  const whole = both ? b.op('Mul', [relevance, b.scalar(0.5)]) : relevance
  const { s, signed } = shares(b, whole, b.op('MatMul', [x, w]), b.op('MatMul', [absX, absW]))
  const inner = b.op('Shape', [x], { start: int(-1) })
  const each = b.op('Div', [b.scalar(epsilon), b.cast(inner, 'float32')])
  const spread = (axis: number) => b.op('Mul', [b.reduce('ReduceSum', s, [axis]), each])
  const back = (own: string, a: string, c: string, axis: number) => {
    const found = b.op('Add', [gather(b, own, a, c), spread(axis)])
    return alike || (right.rank === 2 && own === x) ? found : reduceTo(b, found, own)
  }
  const toLeft = () => {
    const a = b.op('MatMul', [s, swapLast(b, absW, right.rank)])
    return back(x, a, b.op('MatMul', [signed, swapLast(b, w, right.rank)]), -1)
  }
  const toRight = () => {
    const a = b.op('MatMul', [swapLast(b, absX, left.rank), s])
    return back(w, a, b.op('MatMul', [swapLast(b, x, left.rank), signed]), -2)
  }
  return [left.carries ? toLeft() : null, right.carries ? toRight() : null]
}

/** How a convolution's window moves; as the attributes of Conv say, for `axes` spatial axes. */
export interface Window {
  attributes: Map<string, Attribute> // of the Conv itself
  kernel: number[]
  strides: number[]
  dilations: number[]
  pads: number[] // begins, then ends
  autoPad: string
}

/** Relevance of the input of Conv(x, w) with w [outputs, inputs / group, kernel ...]. `absorb` hears of what comes to windows
 *  that see nothing but padding: there the bias alone speaks. */
export function throughConvolution(
  b: Bench,
  relevance: string,
  [x, w]: readonly [string, string],
  window: Window,
  absorb: (relevance: string) => void,
): string {
  const { attributes, kernel } = window
  const conv = (input: string, weight: string, more: Record<string, Attribute> = {}) =>
    b.op('Conv', [input, weight], { ...Object.fromEntries(attributes), ...more })
  const [absX, absW] = [b.op('Abs', [x]), b.op('Abs', [w])]
  const z = conv(x, w)
  const { s, signed } = shares(b, relevance, z, conv(absX, absW))
  const back = adjoint(b, window, x, z)
  const main = gather(b, x, back(s, absW), back(signed, w))
  // Equal shares for all that a window really covers, padding left out, over all channels alike.
  const alone = { group: int(1) }
  const ones = b.floats(Array<number>(kernel.reduce((all, k) => all * k, 1)).fill(1), [1, 1, ...kernel])
  const plane = b.op('Concat', [b.integers([1, 1]), b.op('Shape', [x], { start: int(2) })], { axis: int(0) })
  const everywhere = b.op('Add', [b.op('ConstantOfShape', [plane]), b.scalar(1)])
  const covered = conv(everywhere, ones, alone)
  const sums = b.op('Div', [b.reduce('ReduceSum', s, [1]), covered])
  const [blind, none] = [b.op('Equal', [covered, b.scalar(0)]), b.scalar(0)]
  const padded = window.pads.some((pad) => pad !== 0)
  if (padded) absorb(b.op('Where', [blind, relevance, none]))
  const total = padded ? b.op('Where', [blind, none, sums]) : sums
  const channels = b.cast(b.op('Shape', [x], { start: int(1), end: int(2) }), 'float32')
  const each = b.op('Div', [b.scalar(epsilon), channels])
  return b.op('Add', [main, b.op('Mul', [back(total, ones, alone), each])])
}

/** What a convolution does backwards: from the outputs' shape to that of x. */
function adjoint(b: Bench, window: Window, x: string, z: string) {
  const { kernel, strides, dilations, pads, autoPad, attributes } = window
  const size = b.op('Shape', [x], { start: int(2) })
  const begin = firstPads()
  const end = b.op('Add', [begin, size])
  const axes = b.integers(kernel.map((_, axis) => axis + 2))
  const group = attributes.get('group')
  // A stride may leave the last inputs uncovered: they get zeros.
  const behind = [0, 0, ...kernel.map(() => 0), 0, 0, ...strides.map((stride) => stride - 1)]
  return (value: string, weight: string, more: Record<string, Attribute> = {}): string => {
    const list = (values: number[]): Attribute => ({ kind: 'ints', value: values.map(BigInt) })
    const full = b.op('ConvTranspose', [value, weight], {
      strides: list(strides),
      dilations: list(dilations),
      ...(group && { group }),
      ...more,
    })
    const longer = strides.every((stride) => stride === 1) ? full : b.op('Pad', [full, b.integers(behind)])
    return b.op('Slice', [longer, begin, end, axes])
  }

  /** Padding before the first input, int64 [axes]. */
  function firstPads(): string {
    if (!autoPad.startsWith('SAME')) return b.integers(pads.slice(0, kernel.length))
    // total = max((outputs - 1) stride + (kernel - 1) dilation + 1 - size, 0); the odd one goes behind (UPPER) or before.
    const covered = kernel.map((k, axis) => (k - 1) * (dilations[axis] ?? 1) + 1)
    const steps = b.op('Sub', [b.op('Shape', [z], { start: int(2) }), b.integers([1])])
    const reach = b.op('Add', [b.op('Mul', [steps, b.integers(strides)]), b.integers(covered)])
    const total = b.op('Max', [b.op('Sub', [reach, size]), b.integers([0])])
    const odd = autoPad === 'SAME_LOWER' ? b.op('Add', [total, b.integers([1])]) : total
    return b.op('Div', [odd, b.integers([2])])
  }
}

/** Relevance through windows of ones, channel by channel: average pooling. */
export function throughPooling(
  b: Bench,
  relevance: string,
  x: string,
  window: Window,
  absorb: (relevance: string) => void,
): string {
  const flat = (value: string) => {
    const plane = b.op('Shape', [value], { start: int(2) })
    return b.op('Reshape', [value, b.op('Concat', [b.integers([-1, 1]), plane], { axis: int(0) })])
  }
  const count = window.kernel.reduce((all, k) => all * k, 1)
  const ones = b.floats(Array<number>(count).fill(1), [1, 1, ...window.kernel])
  return shapedAs(b, throughConvolution(b, flat(relevance), [flat(x), ones], window, absorb), x)
}
