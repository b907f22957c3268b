// Names in a graph with subgraphs: a subgraph (If, Loop, Scan) sees every value of the graphs around it.
import type { Graph, Node } from './ir.ts'

/** Graphs held by a node's attributes. */
export function subgraphsOf(node: Node): Graph[] {
  const found: Graph[] = []
  for (const attribute of node.attributes.values()) if (attribute.kind === 'graph') found.push(attribute.value)
  return found
}

/** Names that a graph and the graphs inside it use without defining them. */
export function capturesOf(graph: Graph): Set<string> {
  const defined = new Set<string>(graph.initializers.keys())
  for (const input of graph.inputs) defined.add(input.name)
  for (const node of graph.nodes) for (const output of node.outputs) defined.add(output)
  const free = new Set<string>()
  for (const node of graph.nodes) for (const name of readsOf(node)) if (!defined.has(name)) free.add(name)
  for (const output of graph.outputs) if (!defined.has(output.name)) free.add(output.name)
  return free
}

/** Names a node reads: its inputs and what its subgraphs take from outside, each once, omitted inputs left out. */
export function readsOf(node: Node): string[] {
  const names = new Set(node.inputs)
  for (const graph of subgraphsOf(node)) for (const name of capturesOf(graph)) names.add(name)
  names.delete('')
  return [...names]
}

/** Every node of a graph and of the graphs inside it, outer ones first. */
export function* allNodes(graph: Graph): Generator<Node> {
  for (const node of graph.nodes) {
    yield node
    for (const inner of subgraphsOf(node)) yield* allNodes(inner)
  }
}

/** Every graph: this one and those inside it. */
export function* allGraphs(graph: Graph): Generator<Graph> {
  yield graph
  for (const node of graph.nodes) for (const inner of subgraphsOf(node)) yield* allGraphs(inner)
}

/** Every name that a graph or a graph inside it defines or mentions. */
export function allNames(graph: Graph): Set<string> {
  const names = new Set<string>()
  for (const part of allGraphs(graph)) {
    for (const name of part.initializers.keys()) names.add(name)
    for (const value of [...part.inputs, ...part.outputs]) names.add(value.name)
    for (const node of part.nodes) for (const name of [...node.inputs, ...node.outputs]) names.add(name)
  }
  return names
}

/** A name that is not taken yet; takes it. */
export function freshName(taken: Set<string>, wish: string): string {
  let name = wish
  for (let n = 1; taken.has(name); n++) name = `${wish}_${n}`
  taken.add(name)
  return name
}
