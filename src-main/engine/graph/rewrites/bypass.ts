// Leaves parts of a graph out: whatever reads the value at a part's end reads the value at its beginning instead, and what
// nothing reads any more goes.
import type { Attribute, Graph, Node } from '../ir.ts'
import { node as makeNode } from '../ir.ts'
import { allNames, capturesOf, freshName, readsOf } from '../scope.ts'

/** A part between two values of a graph: `output` follows from `input` alone, masks and positions apart. */
export interface Span {
  input: string
  output: string
}

/** What stands for each value once the spans are left out; spans may follow one another. */
export function standIns(spans: readonly Span[]): (value: string) => string {
  const before = new Map(spans.map(({ input, output }) => [output, input]))
  return (value) => {
    let name = value
    for (let next = before.get(name); next !== undefined; next = before.get(name)) name = next
    return name
  }
}

/** The graph without these spans. Inputs and outputs keep their names and order; other graph inputs stay even where nothing
 *  reads them. Nodes and initializers are shared with the given graph, not copied, where they do not change. */
export function bypass(graph: Graph, spans: readonly Span[]): Graph {
  const standIn = standIns(spans)
  const ends = new Set(spans.map(({ output }) => output))
  const taken = allNames(graph)
  const aside = new Map([...ends].map((name) => [name, freshName(taken, `${name}.left_out`)]))
  const nodes = graph.nodes.map((each) => moveEnds(rereads(each, ends, standIn), aside))
  // An end that the graph gives away keeps its name there.
  for (const { name } of graph.outputs) if (ends.has(name)) nodes.push(makeNode('Identity', [standIn(name)], [name]))
  return pruned({ ...graph, nodes })
}

/** The graph without nodes, initializers and value descriptions that no output needs. */
export function pruned(graph: Graph): Graph {
  const makers = new Map<string, Node>()
  for (const each of graph.nodes) for (const output of each.outputs) if (output !== '') makers.set(output, each)
  const needed = new Set<string>()
  const kept = new Set<Node>()
  const open = graph.outputs.map(({ name }) => name)
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needed.has(name)) continue
    needed.add(name)
    const maker = makers.get(name)
    if (!maker || kept.has(maker)) continue
    kept.add(maker)
    open.push(...readsOf(maker))
  }
  const made = new Set([...kept].flatMap(({ outputs }) => outputs))
  return {
    ...graph,
    nodes: graph.nodes.filter((each) => kept.has(each)),
    initializers: new Map([...graph.initializers].filter(([name]) => needed.has(name))),
    values: new Map([...graph.values].filter(([name]) => made.has(name))),
  }
}

function moveEnds(node: Node, aside: ReadonlyMap<string, string>): Node {
  if (!node.outputs.some((name) => aside.has(name))) return node
  return { ...node, outputs: node.outputs.map((name) => aside.get(name) ?? name) }
}

function rereads(node: Node, ends: ReadonlySet<string>, standIn: (value: string) => string): Node {
  if (!readsOf(node).some((name) => ends.has(name))) return node
  const attributes = new Map<string, Attribute>(
    [...node.attributes].map(([key, attribute]) => [
      key,
      attribute.kind === 'graph' ? { ...attribute, value: within(attribute.value, ends, standIn) } : attribute,
    ]),
  )
  return { ...node, attributes, inputs: node.inputs.map((name) => (ends.has(name) ? standIn(name) : name)) }
}

/** A subgraph that takes the stand-ins from outside, where it took the ends. */
function within(graph: Graph, ends: ReadonlySet<string>, standIn: (value: string) => string): Graph {
  const captured = new Set([...capturesOf(graph)].filter((name) => ends.has(name)))
  if (captured.size === 0) return graph
  const nodes = graph.nodes.map((each) => rereads(each, captured, standIn))
  for (const { name } of graph.outputs)
    if (captured.has(name)) nodes.push(makeNode('Identity', [standIn(name)], [name]))
  return { ...graph, nodes }
}
