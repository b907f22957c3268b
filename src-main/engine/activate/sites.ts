// Where activations enter layers: the value that a product or a convolution multiplies with a weight.
import type { Layer, Network } from '../checkpoint/network.ts'
import { attributeInt, attributeInts, type DataType, type Graph, type Node } from '../graph/ir.ts'
import { createRanks } from '../graph/rank.ts'
import { allGraphs } from '../graph/scope.ts'
import { createTypes } from '../graph/types.ts'
import { findUses, type Use } from '../graph/uses.ts'

/** One activation and the layers it is multiplied with. */
export interface Site {
  /** The first of its layers names it, in every graph of the network. */
  layer: string
  layers: string[]
  value: string
  graph: Graph // that holds the readers: the main graph or one inside it
  readers: { node: Node; slot: number }[]
  /** Over which the sum of the product runs: counted from the end in products, 1 in convolutions. */
  channelAxis: number
  /** A convolution: one sum takes many places of [batch, channels, ...]. */
  image: boolean
  channels: number | null // its size, where the weight tells it
  rank: number | null
  dtype: DataType
}

/** 'all', 'no head' (what the last layer reads stays as it is), or the layers by name. */
export type LayerChoice = 'all' | 'no head' | readonly string[]

interface Operand {
  slot: number
  channelAxis: number
  image: boolean
  channels: number | null
}

/** The other side of a weight; null where the operator is no product and no convolution. */
function operandOf({ node, slot, transposed }: Use, shape: readonly number[]): Operand | null {
  const [first = 1, second = 1] = transposed ? [...shape].reverse() : shape
  switch (node.op) {
    case 'Conv':
    case 'FusedConv':
      if (slot !== 1) return null
      return { slot: 0, channelAxis: 1, image: true, channels: (shape[1] ?? 1) * attributeInt(node, 'group', 1) }
    case 'ConvTranspose':
      return slot === 1 ? { slot: 0, channelAxis: 1, image: true, channels: shape[0] ?? 1 } : null
    case 'MatMul': {
      const channels = shape.length === 2 ? (slot === 1 ? first : second) : null
      return slot < 2 ? { slot: 1 - slot, channelAxis: slot === 1 ? -1 : -2, image: false, channels } : null
    }
    case 'Gemm': {
      if (slot > 1) return null
      const turned = attributeInt(node, slot === 1 ? 'transA' : 'transB', 0) === 1
      const weightTurned = attributeInt(node, slot === 1 ? 'transB' : 'transA', 0) === 1
      const channels = (slot === 1) === weightTurned ? second : first
      return { slot: 1 - slot, channelAxis: (slot === 1) === turned ? -2 : -1, image: false, channels }
    }
    default:
      return null
  }
}

const graphsOf = (graph: Graph): Map<Node, Graph> => {
  const holders = new Map<Node, Graph>()
  for (const part of allGraphs(graph)) for (const node of part.nodes) holders.set(node, part)
  return holders
}

/** Type of a value of a graph or, in one inside it, of a value around it. */
function typesOf(graph: Graph): (part: Graph, name: string) => DataType | null {
  const known = new Map<Graph, (name: string) => DataType>()
  const find = (part: Graph, name: string): DataType | null => {
    const types = known.get(part) ?? createTypes(part)
    known.set(part, types)
    try {
      return types(name)
    } catch {
      return null
    }
  }
  return (part, name) => find(part, name) ?? (part === graph ? null : find(graph, name))
}

function rankOf(node: Node, image: boolean, ranks: (name: string) => number | null, value: string): number | null {
  if (node.op === 'Gemm') return 2
  const kernel = image ? (attributeInts(node, 'kernel_shape')?.length ?? null) : null
  return kernel === null ? ((image ? ranks(node.inputs[1] ?? '') : null) ?? ranks(value)) : kernel + 2
}

/** True where the layer's product is the last one: a classifier, or what gives the logits. */
function isLast(network: Pick<Network, 'head'>, layer: Layer, value: string): boolean {
  const { head } = network
  if (head === null) return layer.role === 'head'
  return head.weight === layer.name && (layer.role === 'head' || value === head.hidden)
}

/** Every site of the chosen layers, in order of use. The graph may be another one of the same weights (with a cache). */
export function findSites(network: Pick<Network, 'head' | 'layers'>, graph: Graph, choice: LayerChoice): Site[] {
  const uses = findUses(graph)
  const holders = graphsOf(graph)
  const types = typesOf(graph)
  const ranks = createRanks(graph)
  const names = typeof choice === 'string' ? null : new Set(choice)
  const found = new Map<string, { site: Site; position: number }>()
  const parts = [...allGraphs(graph)]
  for (const layer of network.layers) {
    const weight = graph.initializers.get(layer.name)
    if (!layer.compressible || weight === undefined || names?.has(layer.name) === false) continue
    for (const use of uses.of(layer.name)) {
      const operand = operandOf(use, weight.shape)
      const value = operand === null ? '' : (use.node.inputs[operand.slot] ?? '')
      const holder = holders.get(use.node)
      if (operand === null || value === '' || holder === undefined || uses.constants.has(value)) continue
      if (choice === 'no head' && isLast(network, layer, value)) continue
      const key = [parts.indexOf(holder), operand.channelAxis, value].join(' ')
      const known = found.get(key)
      const reader = { node: use.node, slot: operand.slot }
      if (known) {
        known.site.layers.push(layer.name)
        known.site.readers.push(reader)
        continue
      }
      const { channelAxis, image, channels } = operand
      const site: Site = {
        layer: layer.name,
        layers: [layer.name],
        value,
        graph: holder,
        readers: [reader],
        ...{ channelAxis, image, channels },
        rank: rankOf(use.node, image, ranks, value),
        dtype: types(holder, value) ?? weight.dtype,
      }
      found.set(key, { site, position: use.position })
    }
  }
  return [...found.values()].sort((a, b) => a.position - b.position).map(({ site }) => site)
}
