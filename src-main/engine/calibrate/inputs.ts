// Where the input of a layer is found in the graph, and as what rows a Hessian sees it.
//   product:      y = x W^T; every row of x counts
//   convolution:  unfolded: each place of the output is a row of the C/g * kh * kw weights' inputs, one matrix for each group
// (Frantar and Alistarh 2022, "Optimal Brain Compression", section 4, for convolutions as products.)
import type { Layer, Network } from '../checkpoint/network.ts'
import { attributeInt, type Graph, type Node } from '../graph/ir.ts'
import { createRanks } from '../graph/rank.ts'
import { findUses, type Use } from '../graph/uses.ts'

export interface LayerInput {
  layer: Layer
  position: number // of the node that reads it
  node: Node
  value: string // graph value that enters the layer
  /** rows: the last axis are channels. turned: the axis before it. unfolded: an image under a convolution. */
  kind: 'rows' | 'turned' | 'unfolded'
  rank: number // of the value, where it is 'turned' or 'unfolded'
  groups: number // Hessians of the layer
  size: number // inputs of one
  /** Rows were picked from all tokens by these indices (experts of a mixture); null: all are there, in order. */
  picked: string | null
  /** Inputs with the same key have the same Hessians. */
  key: string
}

/** Unfolding a kernel takes a constant of channels * places^2 numbers. */
const largestUnfolding = 1 << 24

/** First place that reads the layer as a matrix; null for lookups, recurrent layers and subgraphs, where there is none. */
export function createLayerInputs(graph: Graph): {
  of(layer: Layer): LayerInput | null
  uses(layer: Layer): Use[]
} {
  const uses = findUses(graph)
  const ranks = createRanks(graph)
  const makers = new Map<string, Node>()
  for (const node of graph.nodes) for (const output of node.outputs) makers.set(output, node)
  const picks = (value: string) => pickedBy(value, makers, uses.constants)
  return {
    uses: (layer) => uses.of(layer.name),
    of(layer) {
      for (const use of uses.of(layer.name)) {
        if (graph.nodes[use.position] !== use.node || !use.plain) continue // inside a subgraph, or changed on the way
        const found = inputAt(layer, use, ranks)
        if (found && !uses.constants.has(found.value)) return { ...found, picked: picks(found.value) }
      }
      return null
    },
  }
}

/** Inputs of all compressible layers that have one, in graph order. */
export function layerInputs(network: Network, graph: Graph): LayerInput[] {
  const inputs = createLayerInputs(graph)
  return network.layers
    .filter(({ compressible }) => compressible)
    .flatMap((layer) => inputs.of(layer) ?? [])
    .sort((a, b) => a.position - b.position)
}

function inputAt(layer: Layer, use: Use, ranks: (name: string) => number | null): Omit<LayerInput, 'picked'> | null {
  const { node, slot, position } = use
  const value = node.inputs[slot === 0 ? 1 : 0]
  if (value === undefined || value === '') return null
  const plain = { layer, position, node, value, groups: 1, size: layer.cols, rank: 0 }
  switch (node.op) {
    case 'Gemm':
    case 'FusedGemm': {
      if (slot > 1) return null
      // [rows, inputs] as the left factor; as the right one [inputs, rows]
      const turned = attributeInt(node, slot === 0 ? 'transB' : 'transA', 0) === (slot === 0 ? 0 : 1)
      return { ...plain, kind: turned ? 'turned' : 'rows', rank: 2, key: `${turned} ${value}` }
    }
    case 'MatMul':
    case 'FusedMatMul': {
      if (slot > 1 || node.attributes.has('transA') || node.attributes.has('transBatchA')) return null
      if (slot === 1) return { ...plain, kind: 'rows', key: `false ${value}` }
      const rank = ranks(value)
      return rank === null || rank < 2 ? null : { ...plain, kind: 'turned', rank, key: `true ${value}` }
    }
    case 'Conv':
    case 'FusedConv': {
      if (slot !== 1) return null
      const kernel = layer.shape.slice(2)
      const groups = attributeInt(node, 'group', 1)
      const places = kernel.reduce((product, size) => product * size, 1)
      if (groups * layer.cols * places > largestUnfolding) return null
      const settings = [...node.attributes].map(([name, attribute]) => [name, String(attribute.value)])
      const key = `conv ${value} ${JSON.stringify([kernel, groups, settings.sort()])}`
      return { ...plain, kind: 'unfolded', rank: kernel.length + 2, groups, key }
    }
    default:
      return null
  }
}

// What does not change which row is which.
const rowwise = new Set(
  'Mul Add Sub Div Cast Identity Gemm MatMul Sigmoid Tanh Relu Gelu Erf Exp Neg Softplus Swish HardSwish Pow Sqrt'.split(
    ' ',
  ),
)

/** The indices of the Gather that chose the rows of `value` from all tokens. */
function pickedBy(value: string, makers: ReadonlyMap<string, Node>, constants: ReadonlySet<string>): string | null {
  let at = value
  for (let steps = 0; steps < 64; steps++) {
    const node = makers.get(at)
    if (!node) return null
    const [data = '', indices = ''] = node.inputs
    if (node.op === 'Gather')
      return attributeInt(node, 'axis', 0) === 0 && !constants.has(data) && !constants.has(indices) ? indices : null
    if (!rowwise.has(node.op)) return null
    const next = node.inputs.find((name) => name !== '' && !constants.has(name))
    if (next === undefined) return null
    at = next
  }
  return null
}
