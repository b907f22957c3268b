// The table of rules: how the relevance of an operator's outputs goes back to its inputs. One line for an operator.
// Everything that is given to an input's shape was taken from an output's, and no more: relevance is conserved.
//   one input, one output (activations, exp of a softmax, norms with their statistics held constant): passes unchanged,
//     the identity rule (Achtibat et al. 2024, "AttnLRP", proposition 3.4 and eq. 9)
//   a sum (residuals, means, pooling): in proportion to what each term adds in the direction of the sum
//   a product of activations (gates, attention): half to each factor (ibid., propositions 3.2 and 3.3)
//   a matrix product or convolution with a weight: products.ts
//   a maximum: to the winner.   What is only moved: goes back where it came from.
// AttnLRP's softmax rule has a bias term that takes relevance away; here the softmax's denominator is held constant like a
// norm's, so that none is lost. Constants (biases, masks, positions, gains) take nothing.
import type { Bench } from '../../activate/bench.ts'
import { int64Tensor } from '../../graph/constants.ts'
import { int, ints, attributeInt, attributeInts, attributeString, type Node, node as makeNode } from '../../graph/ir.ts'
import type { Fault } from '../../../../src-preload/contract/fault.ts'
import { type Window, throughConvolution, throughPooling, throughProduct } from './products.ts'
import { positions, reduceTo, scatter, shapedAs, shareChoice, shareReduction, shareSum, swapLast } from './write.ts'

/** A node with the relevance of its outputs. */
export interface Site {
  b: Bench
  node: Node
  relevance: string // of the first output
  all: readonly (string | null)[] // of each output; null where none arrives
  carries(slot: number): boolean // whether that input takes relevance
  rank(value: string): number | null
  /** Size of a constant's dimensions; null for what is no initializer. */
  shape(value: string): readonly number[] | null
  /** Shape on real data; null where nobody looked. */
  size(value: string): readonly number[] | null
  /** Relevance that ends in constants that stand beside activations (a class token, padding). */
  absorb(relevance: string): void
  refuse(why: string): Fault
}

/** Relevance of each input, in that input's shape; null for none. */
export type Rule = (site: Site) => (string | null)[]

const input = ({ node }: Site, slot = 0): string => node.inputs[slot] ?? ''
const carriers = (site: Site): number[] => site.node.inputs.flatMap((_, slot) => (site.carries(slot) ? [slot] : []))
const spread = (site: Site, shares: ReadonlyMap<number, string>): (string | null)[] =>
  site.node.inputs.map((_, slot) => shares.get(slot) ?? null)

/** Whether an input is known to have the shape of the output: then nothing was spread. */
const same = (site: Site, slot: number): boolean => {
  const [own, whole] = [site.size(input(site, slot)), site.size(site.node.outputs[0] ?? '')]
  return own !== null && whole !== null && own.join() === whole.join()
}
/** Relevance in the output's shape, in that of an input. */
const fitted = (site: Site, relevance: string, slot: number): string =>
  same(site, slot) ? relevance : reduceTo(site.b, relevance, input(site, slot))

/** Of one input and settings: shapes are equal. */
const passing: Rule = (site) => [site.relevance]

/** To the first input that carries; the others are constants, which may have spread it to a larger shape. */
const alone: Rule = (site) => {
  const [slot] = carriers(site)
  if (slot === undefined) return []
  const others = site.node.inputs.filter((_, index) => index !== slot)
  const single = others.every((name) => name === '' || site.shape(name)?.every((dim) => dim === 1) === true)
  const narrow = others.every((name) => (site.shape(name)?.length ?? 9) <= (site.rank(input(site, slot)) ?? 1))
  const found = single && narrow ? site.relevance : fitted(site, site.relevance, slot)
  return spread(site, new Map([[slot, found]]))
}

/** Names for the outputs of a node that is put in as it is. */
const named = (b: Bench, count: number, op: string): string[] => {
  const names = Array.from({ length: count }, () => b.op(op, []))
  b.nodes.splice(b.nodes.length - count)
  return names
}

const reshaping: Rule = (site) => [shapedAs(site.b, site.relevance, input(site))]

const sum =
  (...negative: number[]): Rule =>
  (site) => {
    const slots = carriers(site)
    if (slots.length < 2) return alone(site)
    const terms = slots.map((slot) => {
      const value = input(site, slot)
      return negative.includes(slot) ? site.b.op('Neg', [value]) : value
    })
    const whole = slots.map((slot) => same(site, slot))
    const shares = shareSum(site.b, site.relevance, terms, whole)
    return spread(site, new Map(slots.map((slot, index) => [slot, shares[index] ?? ''])))
  }

const product: Rule = (site) => {
  const slots = carriers(site)
  if (slots.length < 2) return alone(site)
  if (input(site, 0) === input(site, 1)) return [shapedAs(site.b, site.relevance, input(site)), null]
  const half = site.b.op('Mul', [site.relevance, site.b.scalar(0.5)])
  return spread(site, new Map(slots.map((slot) => [slot, fitted(site, half, slot)])))
}

const matmul: Rule = (site) => {
  const factor = (slot: number) => {
    const value = input(site, slot)
    const rank = site.rank(value)
    if (rank === 1) throw site.refuse('with a vector for a factor')
    return { value, rank: site.size(value)?.length ?? rank, carries: site.carries(slot) }
  }
  const [left, right] = [0, 1].map((slot) => site.size(input(site, slot))?.slice(0, -2).join())
  return throughProduct(site.b, site.relevance, factor(0), factor(1), left !== undefined && left === right)
}

// alpha, and the sign it may have, does not change shares; beta C is a bias.
const gemm: Rule = (site) => {
  const { b, node } = site
  if (site.carries(2)) throw site.refuse('with activations for a bias')
  const flipped = (slot: number) => attributeInt(node, slot === 0 ? 'transA' : 'transB', 0) === 1
  const turn = (value: string, slot: number) => (flipped(slot) ? swapLast(b, value, 2) : value)
  const factor = (slot: number) => ({ value: turn(input(site, slot), slot), rank: 2, carries: site.carries(slot) })
  return throughProduct(b, site.relevance, factor(0), factor(1), true).map((found, slot) =>
    found === null ? null : turn(found, slot),
  )
}

function windowOf(site: Site, kernel: readonly number[], keep: readonly string[]): Window {
  const { node } = site
  const filled = (name: string, value: number, count = kernel.length) =>
    attributeInts(node, name) ?? Array<number>(count).fill(value)
  const autoPad = attributeString(node, 'auto_pad', 'NOTSET')
  const attributes = new Map([...node.attributes].filter(([name]) => keep.includes(name)))
  const pads = autoPad === 'VALID' ? Array<number>(2 * kernel.length).fill(0) : filled('pads', 0, 2 * kernel.length)
  return {
    ...{ attributes, autoPad, pads, kernel: [...kernel] },
    strides: filled('strides', 1),
    dilations: filled('dilations', 1),
  }
}
const windowAttributes = ['strides', 'dilations', 'pads', 'auto_pad']

const conv: Rule = (site) => {
  const kernel = site.shape(input(site, 1))?.slice(2) ?? attributeInts(site.node, 'kernel_shape')
  if (site.carries(1) || kernel === null) throw site.refuse('with a kernel that is not a weight')
  const window = windowOf(site, kernel, [...windowAttributes, 'group'])
  return [throughConvolution(site.b, site.relevance, [input(site), input(site, 1)], window, site.absorb)]
}

const averagePool: Rule = (site) => {
  const kernel = attributeInts(site.node, 'kernel_shape') ?? []
  if (attributeInt(site.node, 'ceil_mode', 0) === 1) throw site.refuse('with ceil_mode')
  return [throughPooling(site.b, site.relevance, input(site), windowOf(site, kernel, windowAttributes), site.absorb)]
}

const maxPool: Rule = (site) => {
  const { b, node } = site
  const [output = '', index = ''] = named(b, 2, 'MaxPool')
  b.nodes.push({ ...node, name: output, outputs: [output, index] })
  return [scatter(b, site.relevance, index, input(site)).found]
}

const reduction: Rule = (site) => {
  const axes = input(site, 1)
  if (axes === '' && attributeInt(site.node, 'noop_with_empty_axes', 0) === 1) return reshaping(site)
  return [shareReduction(site.b, site.relevance, input(site), axes)]
}

/** All axes behind the second. */
const spatial = ({ b, node }: Site): string => {
  const rank = b.op('Size', [b.op('Shape', [node.inputs[0] ?? ''])])
  const scalar = (value: number) => b.constant(int64Tensor('axis', [value], []))
  return b.op('Range', [scalar(2), rank, scalar(1)])
}

const largest = (axes: (site: Site) => string): Rule => {
  return (site) => {
    const over = axes(site)
    const x = input(site)
    const chosen = site.b.op('ReduceMax', over === '' ? [x] : [x, over], { keepdims: int(1) })
    return [shareChoice(site.b, site.relevance, x, chosen, over)]
  }
}

/** Max and Min of several: to the ones that were chosen. */
const choice: Rule = (site) => {
  const slots = carriers(site)
  if (slots.length < 2) return alone(site)
  const { b, node } = site
  const equal = slots.map((slot) =>
    b.op('Add', [b.cast(b.op('Equal', [input(site, slot), node.outputs[0] ?? '']), 'float32'), b.scalar(1e-30)]),
  )
  const all = equal.slice(1).reduce((total, part) => b.op('Add', [total, part]), equal[0] ?? '')
  const share = (part: string) => b.op('Mul', [site.relevance, b.op('Div', [part, all])])
  return spread(site, new Map(slots.map((slot, index) => [slot, fitted(site, share(equal[index] ?? ''), slot)])))
}

// The centring is linear: x - mean. Scale, gain and bias pass.
const layerNorm: Rule = (site) => {
  const { b, node } = site
  const x = input(site)
  const axis = attributeInt(node, 'axis', -1)
  const rank = axis < 0 ? 0 : site.rank(x)
  if (rank === null) throw site.refuse('of a tensor with an unknown number of axes')
  const first = axis < 0 ? axis : axis - rank
  const axes = b.integers(Array.from({ length: -first }, (_, index) => first + index))
  const mean = b.op('ReduceMean', [x, axes], { keepdims: int(1) })
  const [own = '', ofMean = ''] = shareSum(b, site.relevance, [x, b.op('Neg', [mean])], [true, false])
  return [b.op('Add', [own, shareReduction(b, ofMean, x, axes)])]
}

const transpose: Rule = (site) => {
  const perm = attributeInts(site.node, 'perm')
  if (perm === null) return [site.b.op('Transpose', [site.relevance])]
  const inverse = perm.map((_, axis) => perm.indexOf(axis))
  return [site.b.op('Transpose', [site.relevance], { perm: ints(inverse) })]
}

const concat: Rule = (site) => {
  const { b, node } = site
  const axis = attributeInt(node, 'axis', 0)
  const sizes = node.inputs.map((name) => b.op('Gather', [b.op('Shape', [name]), b.integers([axis])]))
  const split = b.op('Concat', sizes, { axis: int(0) })
  const parts = named(b, sizes.length, 'Split')
  b.nodes.push(makeNode('Split', [site.relevance, split], parts, { axis: int(axis) }))
  return parts.map((part, slot) => {
    if (site.carries(slot)) return part
    site.absorb(part)
    return null
  })
}

const split: Rule = (site) => {
  const { b, node } = site
  const parts = node.outputs.map((name, index) => site.all[index] ?? b.op('ConstantOfShape', [b.op('Shape', [name])]))
  return [b.op('Concat', parts, { axis: int(attributeInt(node, 'axis', 0)) })]
}

/** Operators that only move or repeat elements: done to the positions of the elements, they tell where each came from. */
const moving: Rule = (site) => {
  const { b, node } = site
  const x = input(site)
  const from = positions(b, x)
  const nowhere = node.op === 'Pad' ? b.op('Size', [x]) : ''
  const inputs = node.inputs.map((name, slot) => (slot === 0 ? from : slot === 2 && nowhere !== '' ? nowhere : name))
  if (nowhere !== '' && inputs.length === 2) inputs.push(nowhere)
  const [output = ''] = named(b, 1, node.op)
  b.nodes.push({ ...node, name: output, inputs, outputs: [output] })
  const { found, lost } = scatter(b, site.relevance, output, x)
  if (nowhere !== '') site.absorb(lost)
  return [found]
}

const where: Rule = (site) => {
  const { b } = site
  const none = b.scalar(0)
  const parts = [b.op('Where', [input(site), site.relevance, none]), b.op('Where', [input(site), none, site.relevance])]
  const given = parts.map((part, index) => {
    if (site.carries(index + 1)) return fitted(site, part, index + 1)
    site.absorb(part)
    return null
  })
  return [null, ...given]
}

const all = (rule: Rule, ops: string): [string, Rule][] => ops.split(' ').map((op) => [op, rule])

export const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...all(sum(), 'Add Sum Mean'),
  ...all(sum(1), 'Sub'),
  ...all(product, 'Mul'),
  ...all(alone, 'Div Pow'), // the statistic below a norm's fraction is held constant
  ...all(passing, 'Sqrt Exp Log Neg Abs Reciprocal Erf Tanh Sin Cos Floor Round Identity Dropout Cast Clip'),
  ...all(
    passing,
    'Relu LeakyRelu PRelu Elu Selu Celu ThresholdedRelu Gelu QuickGelu FastGelu Sigmoid HardSigmoid Swish',
  ),
  ...all(passing, 'HardSwish Mish Softplus Softsign Softmax LogSoftmax BatchNormalization InstanceNormalization LRN'),
  ...all(passing, 'GroupNormalization RMSNormalization SimplifiedLayerNormalization LpNormalization'),
  ...all(layerNorm, 'LayerNormalization'),
  ...all(matmul, 'MatMul'),
  ...all(gemm, 'Gemm'),
  ...all(conv, 'Conv'),
  ...all(averagePool, 'AveragePool'),
  ...all(maxPool, 'MaxPool'),
  ...all((site) => [shareReduction(site.b, site.relevance, input(site), spatial(site))], 'GlobalAveragePool'),
  ...all(largest(spatial), 'GlobalMaxPool'),
  ...all(reduction, 'ReduceMean ReduceSum'),
  ...all(
    largest((site) => input(site, 1)),
    'ReduceMax',
  ),
  ...all(choice, 'Max Min'),
  ...all(reshaping, 'Reshape Flatten Squeeze Unsqueeze'),
  ...all(transpose, 'Transpose'),
  ...all(concat, 'Concat'),
  ...all(split, 'Split'),
  ...all(moving, 'Slice Gather GatherElements GatherND Expand Tile Pad'),
  ...all(where, 'Where'),
])
