// A network's graph that also says, for each layer, how strong each of its inputs is: the sum of squares over everything but
// the input's channels. Summed inside the graph, so that activations never leave the session.
import type { Layer, Network } from '../../checkpoint/network.ts'
import { int64Tensor } from '../../graph/constants.ts'
import { type Attribute, attributeInt, type Graph, int, ints, node, type Node } from '../../graph/ir.ts'
import { allNames, freshName } from '../../graph/scope.ts'
import { findUses } from '../../graph/uses.ts'

export interface MeasuredInput {
  layer: Layer
  sums: string // graph output: sum of squares, [channels]
  size: string // graph output: number of elements that went into it, []
  channels: number
  groups: number // of a convolution: each row sees one group's channels
  spread: number // weights of a row that belong to one channel: the kernel of a convolution, 1 of a product
}

const products = new Set(['Gemm', 'MatMul', 'FusedGemm', 'FusedMatMul'])
const convolutions = new Set(['Conv', 'FusedConv'])
const axesAsInput = 13 // opset from which ReduceSum takes them so

/** The graph with the sums as its outputs, and where to find each layer's. Layers that are looked up, recur or stand in a
 *  subgraph are left out. */
export function graphOfSums(network: Network, graph: Graph): { graph: Graph; inputs: MeasuredInput[] } {
  const uses = findUses(graph)
  const taken = allNames(graph)
  const initializers = new Map(graph.initializers)
  const nodes: Node[] = []
  const outputs: Graph['outputs'] = []
  const made = new Map<string, { sums: string; size: string }>() // q, k and v share their input
  const inputs: MeasuredInput[] = []
  const withAxes = (graph.opsets.get('') ?? 1) >= axesAsInput

  const constant = (name: string, values: number[]): string => {
    const own = freshName(taken, name)
    initializers.set(own, int64Tensor(own, values))
    return own
  }
  const step = (op: string, from: string[], attributes: Record<string, Attribute> = {}) => {
    const output = freshName(taken, `importance.${nodes.length}`)
    nodes.push(node(op, from, [output], attributes))
    return output
  }
  const sumSquares = (value: string, channels: number, isImage: boolean) => {
    const plain = step('Cast', [value], { to: int(1) })
    // [batch, channels, places] with the channels turned to the end; then one row for each place that was seen.
    const turned = isImage
      ? step('Transpose', [step('Reshape', [plain, constant('importance.places', [0, channels, -1])])], {
          perm: ints([0, 2, 1]),
        })
      : plain
    const rows = step('Reshape', [turned, constant('importance.rows', [-1, channels])])
    const squares = step('Mul', [rows, rows])
    const reduced = withAxes ? [squares, constant('importance.axis', [0])] : [squares]
    const sums = step('ReduceSum', reduced, { keepdims: int(0), ...(withAxes ? {} : { axes: ints([0]) }) })
    const size = step('Size', [rows])
    outputs.push({ name: sums, dtype: 'float32', shape: [channels] }, { name: size, dtype: 'int64', shape: [] })
    return { sums, size }
  }

  for (const layer of network.layers) {
    if (!layer.compressible) continue
    for (const { node: user, slot, position } of uses.of(layer.name)) {
      const isImage = convolutions.has(user.op)
      const value = user.inputs[slot === 0 ? 1 : 0]
      if (graph.nodes[position] !== user || value === undefined || !(isImage || products.has(user.op))) continue
      const spread = isImage ? layer.shape.slice(2).reduce((product, size) => product * size, 1) : 1
      const groups = isImage ? attributeInt(user, 'group', 1) : 1
      const channels = (layer.cols / spread) * groups
      const key = `${isImage} ${channels} ${value}`
      const found = made.get(key) ?? sumSquares(value, channels, isImage)
      made.set(key, found)
      inputs.push({ layer, ...found, channels, groups, spread })
      break
    }
  }
  return { graph: { ...graph, nodes: [...graph.nodes, ...nodes], initializers, outputs }, inputs }
}
