// The weights of a graph that are plain linear maps, and what they read and write.
import { attributeInt, type Graph, type Node } from '../graph/ir.ts'
import { findUses, type Uses } from '../graph/uses.ts'

/** y = W x (+ bias), on the last axis of its values. */
export interface Linear {
  weight: string // initializer, of two dimensions
  node: Node
  input: string
  output: string // behind the bias
  rows: number // which axis of the weight holds the outputs: 0 or 1
  outputs: number
  inputs: number
  bias: string | null // initializer [outputs]
}

/** A graph with its wiring: who makes and who reads each value. */
export interface Wiring {
  graph: Graph
  uses: Uses
  makers: ReadonlyMap<string, Node>
  readers: ReadonlyMap<string, readonly Node[]>
  outputs: ReadonlySet<string> // of the graph
  linears: ReadonlyMap<Node, Linear> // by product node and by bias node
}

export function wiringOf(graph: Graph): Wiring {
  const makers = new Map<string, Node>()
  const readers = new Map<string, Node[]>()
  for (const node of graph.nodes) {
    for (const name of node.outputs) if (name !== '') makers.set(name, node)
    for (const name of new Set(node.inputs)) readers.set(name, [...(readers.get(name) ?? []), node])
  }
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const uses = findUses(graph)
  return { graph, uses, makers, readers, outputs, linears: findLinears(graph, uses, readers, outputs) }
}

const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1)

/** Whether a value is a constant vector along the last axis. */
export function isVector(graph: Graph, name: string | undefined, size: number): boolean {
  const shape = graph.initializers.get(name ?? '')?.shape
  return shape !== undefined && count(shape) === size && (shape.at(-1) === size || size === 1)
}

function findLinears(
  graph: Graph,
  uses: Uses,
  readers: ReadonlyMap<string, readonly Node[]>,
  outputs: ReadonlySet<string>,
): Map<Node, Linear> {
  const found = new Map<Node, Linear>()
  for (const { name, shape } of graph.initializers.values()) {
    if (shape.length !== 2) continue
    for (const { node, slot, transposed, plain } of uses.of(name)) {
      if (slot !== 1 || !plain || !isPlainProduct(node)) continue
      const rows = (attributeInt(node, 'transB', 0) === 1) !== transposed ? 0 : 1
      const [input = '', , added] = node.inputs
      let [output = ''] = node.outputs
      const sizes = { outputs: shape[rows] ?? 0, inputs: shape[1 - rows] ?? 0 }
      let bias = added !== undefined && added !== '' ? added : null
      const [next, ...others] = readers.get(output) ?? []
      const adds = next?.op === 'Add' && others.length === 0 && !outputs.has(output)
      const vector = adds ? next.inputs.find((value) => value !== output) : undefined
      const follows = bias === null && isVector(graph, vector, sizes.outputs) && sizes.outputs > 1 ? next : undefined
      if (follows) {
        bias = vector ?? null
        output = follows.outputs[0] ?? ''
      }
      if (bias !== null && !isVector(graph, bias, sizes.outputs)) continue
      const linear: Linear = { weight: name, node, input, output, rows, ...sizes, bias }
      found.set(node, linear)
      if (follows) found.set(follows, linear)
    }
  }
  return found
}

function isPlainProduct(node: Node): boolean {
  if (node.domain !== '') return false
  if (node.op === 'MatMul') return true
  const factor = (name: string) => {
    const found = node.attributes.get(name)
    return found === undefined || (found.kind === 'float' && found.value === 1)
  }
  return node.op === 'Gemm' && attributeInt(node, 'transA', 0) === 0 && factor('alpha') && factor('beta')
}
