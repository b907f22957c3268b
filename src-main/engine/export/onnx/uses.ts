import type { Graph, Node } from '../../graph/ir.ts'
import { capturesOf, subgraphsOf } from '../../graph/scope.ts'

/** Who reads a value. */
export interface Uses {
  nodes: Node[] // of the main graph
  elsewhere: boolean // also inside a subgraph, or as an output of the whole graph
}

/** Readers of every value of the graph. */
export function usesOf(graph: Graph): Map<string, Uses> {
  const uses = new Map<string, Uses>()
  const at = (name: string): Uses => {
    const found = uses.get(name) ?? { nodes: [], elsewhere: false }
    uses.set(name, found)
    return found
  }
  for (const output of graph.outputs) at(output.name).elsewhere = true
  for (const node of graph.nodes) {
    for (const input of new Set(node.inputs)) if (input !== '') at(input).nodes.push(node)
    for (const subgraph of subgraphsOf(node)) for (const name of capturesOf(subgraph)) at(name).elsewhere = true
  }
  return uses
}
