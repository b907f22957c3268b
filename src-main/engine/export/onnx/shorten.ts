import type { Graph, Node } from '../../graph/ir.ts'
import { subgraphsOf } from '../../graph/scope.ts'

/** Two letters while they last, three after: names begin with a letter, as the ONNX specification asks. */
export const firstShortName = (names: number): number => (names < 36 ** 2 - 360 ? 360 : 10 * 36 ** 2)

/** The graph with short names for values inside it and none for nodes; inputs, outputs and tensors keep theirs. In a
 *  small network the names exporters give take more bytes than its norms. Graphs that hold graphs stay as they are: a
 *  name inside may mean a value outside. */
export function shorten(graph: Graph): Graph {
  if (graph.nodes.some((node) => subgraphsOf(node).length > 0)) return graph
  const kept = new Set([...graph.inputs, ...graph.outputs, ...graph.initializers.values()].map(({ name }) => name))
  const values = new Set(graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => name !== '' && !kept.has(name)))
  const short = new Map<string, string>()
  let next = firstShortName(values.size)
  for (const value of values) {
    let name = ''
    do name = (next++).toString(36).toUpperCase()
    while (kept.has(name))
    short.set(value, name)
  }
  const rename = (name: string) => short.get(name) ?? name
  const nodes = graph.nodes.map((node): Node => ({
    ...node,
    name: '',
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  }))
  return { ...graph, nodes }
}
