// Raising a graph to a newer operator set. Source: the change history of each operator in ONNX's Changelog.md; what is
// not listed here changed only in the types it takes or in wording between opsets 7 and 23.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { float32Tensor, int64Tensor } from './constants.ts'
import { attributeInt, attributeInts, attributeString, type Attribute, type Graph, int, type Node, text } from './ir.ts'
import { createRanks } from './rank.ts'
import { allNames, freshName } from './scope.ts'

export const oldestOpset = 7
export const newestOpset = 23

/** What a rule may use of the graph that the node is in: ranks, new names and new constants. */
interface Bench {
  rank(value: string): number | null
  ints(values: readonly number[], name: string, shape?: number[]): string
  floats(values: readonly number[], name: string, shape?: number[]): string
  fresh(name: string): string
  refuse(why: string): Fault
}
/** Gives the nodes that stand for `node` from the opset `at` on. */
interface Rule {
  at: number
  ops: string[]
  apply(node: Node, bench: Bench): Node[]
}

const without = (node: Node, ...names: string[]): Map<string, Attribute> =>
  new Map([...node.attributes].filter(([name]) => !names.includes(name)))

/** Inputs with holes ('') up to `at`, where `name` goes. */
const withInput = (node: Node, at: number, name: string): string[] =>
  Array.from({ length: Math.max(node.inputs.length, at + 1) }, (_, i) => (i === at ? name : (node.inputs[i] ?? '')))

/** An integer-list attribute becomes the input at `at`. */
const listToInput =
  (attribute: string, at: number): Rule['apply'] =>
  (node, bench) => {
    const values = attributeInts(node, attribute)
    if (!values) return [node]
    const inputs = withInput(node, at, bench.ints(values, `${node.outputs[0]}/${attribute}`))
    return [{ ...node, inputs, attributes: without(node, attribute) }]
  }

/** A float attribute becomes the scalar input at `at`. */
function floatToInput(node: Node, attribute: string, at: number, bench: Bench): Node {
  const value = node.attributes.get(attribute)
  if (value?.kind !== 'float') return node
  const name = bench.floats([value.value], `${node.outputs[0]}/${attribute}`, [])
  return { ...node, inputs: withInput(node, at, name), attributes: without(node, attribute) }
}

const rules: Rule[] = [
  {
    at: 9,
    ops: ['BatchNormalization'],
    apply(node, bench) {
      if (attributeInt(node, 'spatial', 1) !== 1) throw bench.refuse('it is not spatial')
      return [{ ...node, attributes: without(node, 'spatial') }]
    },
  },
  {
    at: 9,
    ops: ['Upsample'],
    apply(node, bench) {
      const scales = node.attributes.get('scales')
      if (scales?.kind !== 'floats') return [node]
      const input = bench.floats(scales.value, `${node.outputs[0]}/scales`)
      return [{ ...node, inputs: withInput(node, 1, input), attributes: without(node, 'scales') }]
    },
  },
  {
    at: 9,
    ops: ['Scan'],
    apply(_, bench) {
      throw bench.refuse('its batch dimension has no counterpart')
    },
  },
  { at: 10, ops: ['Upsample'], apply: (node) => [{ ...node, op: 'Resize' }] },
  {
    at: 10,
    ops: ['Slice'],
    apply(node, bench) {
      const steps = ['starts', 'ends', 'axes'].map((name, i) => listToInput(name, i + 1))
      return [steps.reduce((next, step) => step(next, bench)[0] ?? next, node)]
    },
  },
  {
    at: 10,
    ops: ['TopK'],
    apply(node, bench) {
      if (!node.attributes.has('k')) return [node]
      const k = bench.ints([attributeInt(node, 'k', 1)], `${node.outputs[0]}/k`)
      return [{ ...node, inputs: withInput(node, 1, k), attributes: without(node, 'k') }]
    },
  },
  {
    at: 11,
    ops: ['Clip'],
    apply: (node, bench) => [floatToInput(floatToInput(node, 'min', 1, bench), 'max', 2, bench)],
  },
  {
    at: 11,
    ops: ['Pad'],
    apply(node, bench) {
      const [padded = node] = listToInput('pads', 1)(node, bench)
      return [floatToInput(padded, 'value', 2, bench)]
    },
  },
  {
    at: 11,
    ops: ['Resize'],
    apply(node, bench) {
      const [x = '', scales = ''] = node.inputs
      const roi = bench.floats([], `${node.outputs[0]}/roi`)
      const attributes = new Map(node.attributes)
      attributes.set('coordinate_transformation_mode', text('asymmetric'))
      attributes.set('nearest_mode', text('floor'))
      return [{ ...node, inputs: [x, roi, scales], attributes }]
    },
  },
  { at: 11, ops: ['Scatter'], apply: (node) => [{ ...node, op: 'ScatterElements' }] },
  { at: 12, ops: ['Dropout'], apply: (node, bench) => [floatToInput(node, 'ratio', 1, bench)] },
  { at: 13, ops: ['Softmax', 'LogSoftmax', 'Hardmax'], apply: raiseSoftmax },
  { at: 13, ops: ['Squeeze', 'Unsqueeze', 'ReduceSum'], apply: listToInput('axes', 1) },
  { at: 13, ops: ['Split'], apply: listToInput('split', 1) },
  {
    at: 14,
    ops: ['BatchNormalization'],
    apply(node, bench) {
      if (node.outputs.slice(1).some((name) => name !== '')) throw bench.refuse('it is in training form')
      return [{ ...node, outputs: node.outputs.slice(0, 1) }]
    },
  },
  {
    at: 16,
    ops: ['RoiAlign'],
    apply(node) {
      if (node.attributes.has('coordinate_transformation_mode')) return [node]
      const mode: [string, Attribute] = ['coordinate_transformation_mode', text('output_half_pixel')]
      return [{ ...node, attributes: new Map([...node.attributes, mode]) }]
    },
  },
  {
    at: 18,
    ops: 'ReduceMax ReduceMin ReduceMean ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare'.split(
      ' ',
    ),
    apply: listToInput('axes', 1),
  },
  {
    at: 18,
    ops: ['Split'],
    apply(node) {
      if (node.inputs[1] || node.attributes.has('num_outputs')) return [node]
      return [{ ...node, attributes: new Map([...node.attributes, ['num_outputs', int(node.outputs.length)]]) }]
    },
  },
  {
    at: 20,
    ops: ['GridSample'],
    apply(node) {
      const mode = attributeString(node, 'mode', 'bilinear').replace(/^bi(?=linear|cubic)/, '')
      return [{ ...node, attributes: new Map([...node.attributes, ['mode', text(mode)]]) }]
    },
  },
  {
    at: 20,
    ops: ['DFT'],
    apply(node, bench) {
      const axis = bench.ints([attributeInt(node, 'axis', 1)], `${node.outputs[0]}/axis`, [])
      return [{ ...node, inputs: withInput(node, 2, axis), attributes: without(node, 'axis') }]
    },
  },
  {
    at: 21,
    ops: ['GroupNormalization'],
    apply(_, bench) {
      throw bench.refuse('its scale is per group, from opset 21 on it is per channel')
    },
  },
]

/** Until opset 12 these flattened to two dimensions at `axis` (default 1); from 13 on they work along one axis. */
function raiseSoftmax(node: Node, bench: Bench): Node[] {
  const axis = attributeInt(node, 'axis', 1)
  const [x = ''] = node.inputs
  const [y = ''] = node.outputs
  const rank = bench.rank(x)
  const attributes = new Map([...node.attributes, ['axis', int(-1)] as const])
  if (axis === -1 || (rank !== null && axis === rank - 1)) return [{ ...node, attributes }]
  const [shape, flat, soft] = ['shape', 'flat', 'softmax'].map((part) => bench.fresh(`${y}/${part}`))
  if (!shape || !flat || !soft) return [node]
  const step = (op: string, inputs: string[], output: string, more: Map<string, Attribute> = new Map()): Node => ({
    name: output === y ? node.name : output,
    op,
    domain: '',
    inputs,
    outputs: [output],
    attributes: more,
  })
  return [
    step('Shape', [x], shape),
    step('Flatten', [x], flat, new Map([['axis', int(axis)]])),
    step(node.op, [flat], soft, attributes),
    step('Reshape', [soft, shape], y),
  ]
}

/**
 * The graph in operator set `version` of the default domain; the same graph where it is that new already. Computes the
 * same. Faults 'unsupported', naming node and operator, where an operator has no counterpart or the opset is unknown.
 */
export function raiseOpset(graph: Graph, version: number): Graph {
  const from = graph.opsets.get('')
  if (from === undefined || from >= version) return graph
  if (from < oldestOpset || version > newestOpset) {
    throw new Fault('unsupported', `A graph of opset ${from} cannot be raised to opset ${version}.`, {
      hint: `Opsets ${oldestOpset} to ${newestOpset} can be raised. Export the model again with a newer opset.`,
      data: { field: 'opset_import', found: String(from), expected: `${oldestOpset} to ${newestOpset}` },
    })
  }
  const steps = rules.filter((rule) => rule.at > from && rule.at <= version).sort((a, b) => a.at - b.at)
  const opsets = new Map(graph.opsets).set('', version)
  // IR versions came with opsets: 13 and 14 with 7, 15 to 18 with 8, 19 and 20 with 9, 21 with 10.
  const irOf = version >= 21 ? 10 : version >= 19 ? 9 : version >= 15 ? 8 : version >= 13 ? 7 : 4
  return raise(graph, steps, { opsets, irVersion: Math.max(graph.irVersion, irOf) }, allNames(graph))
}

function raise(graph: Graph, steps: Rule[], head: Pick<Graph, 'opsets' | 'irVersion'>, taken: Set<string>): Graph {
  const initializers = new Map(graph.initializers)
  const raised: Graph = { ...graph, ...head, initializers, nodes: [] }
  const ranks = createRanks(graph)
  for (const original of graph.nodes) {
    let nodes = [raiseInside(original, steps, head, taken)]
    for (const rule of original.domain === '' ? steps : []) {
      nodes = nodes.flatMap((node) => (rule.ops.includes(node.op) ? rule.apply(node, benchFor(node)) : [node]))
    }
    raised.nodes.push(...nodes)
  }
  return raised

  function benchFor(node: Node): Bench {
    const fresh = (name: string) => freshName(taken, name)
    return {
      rank: ranks,
      fresh,
      ints(values, wish, shape) {
        const name = fresh(wish)
        initializers.set(name, int64Tensor(name, values, shape))
        return name
      },
      floats(values, wish, shape) {
        const name = fresh(wish)
        initializers.set(name, float32Tensor(name, values, shape))
        return name
      },
      refuse: (why) =>
        new Fault('unsupported', `Node "${node.name || node.outputs[0]}": ${node.op} cannot be raised: ${why}.`, {
          hint: 'Export the model again with opset 13 or newer.',
          data: { field: node.name || (node.outputs[0] ?? ''), found: node.op },
        }),
    }
  }
}

function raiseInside(node: Node, steps: Rule[], head: Pick<Graph, 'opsets' | 'irVersion'>, taken: Set<string>): Node {
  if (![...node.attributes.values()].some((attribute) => attribute.kind === 'graph')) return node
  const attributes = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes) {
    const inner = attribute.kind === 'graph' ? raise(attribute.value, steps, head, taken) : null
    attributes.set(name, inner ? { kind: 'graph', value: inner } : attribute)
  }
  return { ...node, attributes }
}
