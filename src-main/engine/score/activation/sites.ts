// Activations that layers read, and a threshold before each such reader inside the graph.
import type { Layer, Network } from '../../checkpoint/network.ts'
import { type Graph, type Initializer, int, node, type Node } from '../../graph/ir.ts'
import { float32Tensor } from '../../graph/constants.ts'
import { allNames, freshName } from '../../graph/scope.ts'
import { findUses } from '../../graph/uses.ts'

/** One value that comes out of an activation function and goes into layers. */
export interface Site {
  value: string
  layers: Layer[]
}

const bends = new Set(
  (
    'Relu LeakyRelu PRelu Elu Selu Celu ThresholdedRelu Gelu QuickGelu FastGelu Sigmoid HardSigmoid HardSwish Swish Mish ' +
    'Softplus Softsign Tanh Erf Clip'
  ).split(' '),
)
/** What may stand between a function and the layer, or inside the function. */
const between = new Set(
  'Mul Div Add Identity Cast Dropout Reshape Flatten Squeeze Unsqueeze Transpose Pad MaxPool Concat'.split(' '),
)
const products = new Set(['Conv', 'Gemm', 'MatMul'])
const longestWalk = 10

/** Sites of a network in graph order: inputs of its layers that an activation function made, gated or not. */
export function activationSites(network: Network): Site[] {
  const { graph } = network
  if (graph === null) return []
  const uses = findUses(graph)
  const makers = new Map<string, Node>()
  for (const each of graph.nodes) for (const output of each.outputs) makers.set(output, each)
  const bent = (value: string, steps = 0): boolean => {
    const maker = makers.get(value)
    if (!maker || uses.constants.has(value) || steps > longestWalk) return false
    if (bends.has(maker.op)) return true
    const moving = maker.inputs.filter((name) => makers.has(name) && !uses.constants.has(name))
    if (maker.op === 'Add' && moving.length > 1) return false // a residual stream
    return between.has(maker.op) && moving.some((name) => bent(name, steps + 1))
  }
  const found = new Map<string, Site>()
  for (const layer of network.layers.filter(({ compressible }) => compressible))
    for (const { node: reader, slot } of uses.of(layer.name)) {
      const value = reader.inputs[slot === 0 ? 1 : 0] ?? ''
      if (!products.has(reader.op) || !bent(value)) continue
      const site = found.get(value) ?? { value, layers: [] }
      if (!site.layers.includes(layer)) site.layers.push(layer)
      found.set(value, site)
    }
  return [...found.values()]
}

export interface Thresholds {
  value: string
  threshold: string // input, float32 []
  kept: string // output, float32 []: share of activations above it
  largest: string // output, float32 []: largest magnitude
}

/** x becomes x where |x| > threshold and 0 elsewhere, for the products that read it; other readers see x itself. A threshold
 *  of 0 changes nothing. */
export function withThresholds(graph: Graph, values: readonly string[]): { graph: Graph; thresholds: Thresholds[] } {
  const taken = allNames(graph)
  const initializers = new Map<string, Initializer>(graph.initializers)
  const zero = freshName(taken, 'threshold/zero')
  initializers.set(zero, float32Tensor(zero, [0], []))
  const rest: Node[] = []
  const behind = new Map<string, Node[]>()
  const replaced = new Map<string, string>()
  const thresholds = values.map((value): Thresholds => {
    const name = (part: string) => freshName(taken, `threshold/${value}/${part}`)
    const threshold = name('input')
    const [magnitude, above, share, active] = [name('magnitude'), name('above'), name('share'), name('active')]
    const [kept, largest] = [name('kept'), name('largest')]
    behind.set(value, [
      node('Abs', [value], [magnitude]),
      node('Greater', [magnitude, threshold], [above]),
      node('Where', [above, value, zero], [active]),
    ])
    rest.push(
      node('Cast', [above], [share], { to: int(1) }),
      node('ReduceMean', [share], [kept], { keepdims: int(0) }),
      node('ReduceMax', [magnitude], [largest], { keepdims: int(0) }),
    )
    replaced.set(value, active)
    return { value, threshold, kept, largest }
  })
  const given = graph.inputs.flatMap(({ name }) => behind.get(name) ?? [])
  const nodes = graph.nodes.flatMap((each) => {
    const own = products.has(each.op)
      ? { ...each, inputs: each.inputs.map((input) => replaced.get(input) ?? input) }
      : each
    return [own, ...each.outputs.flatMap((output) => behind.get(output) ?? [])]
  })
  const scalar = (name: string) => ({ name, dtype: 'float32' as const, shape: [] })
  return {
    thresholds,
    graph: {
      ...graph,
      nodes: [...given, ...nodes, ...rest],
      inputs: [...graph.inputs, ...thresholds.map(({ threshold }) => scalar(threshold))],
      outputs: [...graph.outputs, ...thresholds.flatMap(({ kept, largest }) => [scalar(kept), scalar(largest)])],
      initializers,
    },
  }
}
