// The network's graph with its relevance behind it: forward, then back through the rules, in one ONNX graph.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { type Bench, createBench } from '../../activate/bench.ts'
import { raiseOpset } from '../../graph/opset.ts'
import { type Graph, type Initializer, int, type Node } from '../../graph/ir.ts'
import { createRanks } from '../../graph/rank.ts'
import { allNames } from '../../graph/scope.ts'
import { segment } from '../../graph/segment.ts'
import { findCarriers } from './carriers.ts'
import { rules } from './rules.ts'
import type { Sizes } from './sizes.ts'

/** ReduceMax and ReduceMean take their axes as an input, ScatterElements adds, from here on. */
const wantedOpset = 18

/** What is explained: a value, and how it counts. */
export interface Explained {
  value: string
  /** token: the largest class in each row of the last axis. sample: the same over all axes but the first. features: all
   *  numbers of a sample, by magnitude. Each row counts as 1: relevance is in units of what is explained. */
  unit: 'token' | 'sample' | 'features'
}

/** Where relevance is to be read. */
export interface Reading {
  value: string
  /** What is told apart: the elements along one of `rank` axes, or the `last` elements along the last one; null: nothing. */
  channels: { axis: number; rank: number } | { last: number } | null
}

export interface RelevanceGraph {
  /** Takes the network's inputs and `rows` [rows or 1, 1] float32: 1 for an output row that is explained, 0 for padding. */
  graph: Graph
  rows: string
  /** Output: the explained total. Every cut's relevance, with what was absorbed before it, adds up to this. */
  total: string
  /** Output: what ended in constants beside activations. */
  absorbed: string
  /** Output of each reading, in their order: [channels] or [1]. Null where no relevance arrives. */
  readings: (string | null)[]
}

/** Faults 'unsupported' naming node and operator where an operator on the way has no rule. With `sizes` the graph is smaller. */
export function relevanceGraph(
  network: Graph,
  explained: Explained,
  readings: readonly Reading[],
  sizes: Sizes = () => null,
): RelevanceGraph {
  const { value: output } = explained
  const graph = raiseOpset(segment(network, { outputs: [output] }), wantedOpset)
  const carriers = findCarriers(graph)
  const initializers = new Map<string, Initializer>(graph.initializers)
  const taken = allNames(graph)
  const b = createBench(graph.opsets.get('') ?? wantedOpset, taken, initializers, 'relevance')
  const rows = `relevance/rows${taken.has('relevance/rows') ? '_1' : ''}`
  const arriving = new Map<string, string[]>()
  const absorbed: string[] = []
  const give = (value: string, relevance: string) => {
    const list = arriving.get(value)
    if (list) list.push(relevance)
    else arriving.set(value, [relevance])
  }
  const known = new Map<string, string | null>()
  /** Relevance of a value, once all its readers gave theirs. */
  const relevanceOf = (value: string): string | null => {
    const found = known.get(value)
    if (found !== undefined) return found
    const [first = null, ...more] = arriving.get(value) ?? []
    const sum = first && more.reduce((total, part) => b.op('Add', [total, part]), first)
    known.set(value, sum)
    return sum
  }

  const seed = seedOf(b, explained, rows)
  give(output, seed)
  const ranks = createRanks(graph)
  for (const node of graph.nodes.toReversed()) {
    const relevance = node.outputs.map((name) => (carriers.values.has(name) ? relevanceOf(name) : null))
    if (relevance.every((found) => found === null) || carriers.origins.has(node.outputs[0] ?? '')) continue
    const own = b.at(`relevance/${node.outputs[0] ?? node.op}`)
    const rule = node.domain === '' || node.domain === 'com.microsoft' ? rules.get(node.op) : undefined
    if (!rule) throw refusal(node, '')
    const shares = rule({
      ...{ b: own, node, all: relevance, rank: ranks },
      relevance: relevance[0] ?? '',
      carries: (slot) => carriers.values.has(node.inputs[slot] ?? ''),
      size: sizes,
      shape: (value) => graph.initializers.get(value)?.shape ?? null,
      absorb: (part) => absorbed.push(part),
      refuse: (why) => refusal(node, why),
    })
    b.nodes.push(...own.nodes)
    shares.forEach((share, slot) => {
      if (share !== null) give(node.inputs[slot] ?? '', share)
    })
  }

  // In two steps: one sum of millions of small numbers loses digits.
  const sumOf = (value: string): string =>
    b.op('Reshape', [b.op('ReduceSum', [b.reduce('ReduceSum', value, [-1])]), b.integers([1])])
  const read = readings.map(({ value, channels }) => {
    const relevance = relevanceOf(value)
    if (relevance === null || channels === null) return relevance && sumOf(relevance)
    if ('last' in channels) {
      const flat = b.op('Reshape', [relevance, b.integers([-1, channels.last])])
      return b.op('ReduceSum', [flat, b.integers([0])], { keepdims: int(0) })
    }
    const axes = Array.from({ length: channels.rank }, (_, axis) => axis).filter((axis) => axis !== channels.axis)
    return b.op('ReduceSum', [relevance, b.integers(axes)], { keepdims: int(0) })
  })
  const total = sumOf(seed)
  const lost = absorbed.map(sumOf).reduce((all, part) => b.op('Add', [all, part]), b.op('Mul', [total, b.scalar(0)]))
  const outputs = [total, lost, ...read.filter((name) => name !== null)]
  return {
    ...{ rows, total, absorbed: lost, readings: read },
    graph: {
      ...graph,
      nodes: [...graph.nodes, ...b.nodes],
      inputs: [...graph.inputs, { name: rows, dtype: 'float32', shape: ['rows', 1] }],
      outputs: outputs.map((name) => ({ name, dtype: 'float32', shape: [null] })),
      initializers,
    },
  }
}

/** The explained rows' relevance, in the shape of the output. */
function seedOf(b: Bench, { value, unit }: Explained, rows: string): string {
  const flat = b.op('Flatten', [value], { axis: int(unit === 'token' ? -1 : 1) })
  const weight =
    unit === 'features'
      ? b.op('Abs', [flat])
      : b.cast(b.op('Equal', [flat, b.reduce('ReduceMax', flat, [1])]), 'float32')
  const share = b.op('Div', [weight, b.reduce('ReduceSum', weight, [1])])
  return b.op('Reshape', [b.op('Mul', [share, rows]), b.op('Shape', [value])])
}

const refusal = (node: Node, why: string): Fault =>
  new Fault(
    'unsupported',
    `Relevance cannot pass through ${node.op}${why === '' ? '' : ` ${why}`} (node "${node.name || node.outputs[0]}"): there is no rule for it.`,
    {
      hint: 'Use another score for this network, or a rule in score/relevance/rules.ts.',
      data: { field: node.name || (node.outputs[0] ?? ''), found: node.op },
    },
  )
