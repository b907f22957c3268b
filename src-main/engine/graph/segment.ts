// A part of a network as a graph of its own: for running only what lies behind a cached activation.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Block } from '../checkpoint/network.ts'
import type { Graph, Node } from './ir.ts'
import { readsOf } from './scope.ts'
import { createDescriptions } from './types.ts'

/**
 * The graph that computes `outputs` from the values `inputs`, which become graph inputs, and from those graph inputs
 * that are still needed. All other nodes, initializers and inputs are left out. Nodes and initializers are shared with
 * the given graph, not copied. Faults 'bad-arguments' for a name that the graph does not have.
 */
export function segment(graph: Graph, options: { inputs?: string[]; outputs: string[] }): Graph {
  const cut = new Set(options.inputs ?? [])
  const makers = new Map<string, Node>()
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') makers.set(output, node)
  const inputs = new Set(graph.inputs.map((input) => input.name))
  const missing = [...cut, ...options.outputs].find(
    (name) => !makers.has(name) && !inputs.has(name) && !graph.initializers.has(name),
  )
  if (missing !== undefined) {
    throw new Fault('bad-arguments', `The graph has no value "${missing}".`, { data: { field: missing } })
  }

  const needed = new Set<string>()
  const kept = new Set<Node>()
  const open = [...options.outputs]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needed.has(name)) continue
    needed.add(name)
    const node = cut.has(name) ? undefined : makers.get(name)
    if (!node || kept.has(node)) continue
    kept.add(node)
    open.push(...readsOf(node))
  }

  const describe = createDescriptions(graph)
  const made = new Set<string>()
  for (const node of kept) for (const output of node.outputs) made.add(output)
  const values = new Map([...graph.values].filter(([name]) => made.has(name) && !cut.has(name)))
  for (const name of options.outputs) values.delete(name)
  return {
    ...graph,
    nodes: graph.nodes.filter((node) => kept.has(node)).map((node) => withoutOutputs(node, cut)),
    inputs: [
      ...[...cut].map(describe),
      ...graph.inputs.filter((input) => needed.has(input.name) && !cut.has(input.name)),
    ],
    outputs: options.outputs.map(describe),
    initializers: new Map([...graph.initializers].filter(([name]) => needed.has(name) && !cut.has(name))),
    values,
    functions: graph.functions,
    metadata: new Map(),
  }
}

/** A node kept for one result must not compute another that is given. */
function withoutOutputs(node: Node, given: ReadonlySet<string>): Node {
  if (!node.outputs.some((output) => given.has(output))) return node
  return { ...node, outputs: node.outputs.map((output) => (given.has(output) ? `${output}/recomputed` : output)) }
}

/**
 * Values that, with the graph inputs, are all that the block and everything after it need from what lies before. So
 * `segment(graph, { inputs: cutBefore(graph, block), outputs })` computes the outputs from activations cached there.
 */
export function cutBefore(graph: Graph, block: Block): string[] {
  const made = new Set<string>()
  for (const node of graph.nodes) for (const output of node.outputs) made.add(output)
  const missing = block.inputs.find((name) => !made.has(name))
  if (missing === undefined) return [...block.inputs]
  throw new Fault('bad-arguments', `The graph has no value "${missing}", an input of the block "${block.name}".`, {
    data: { field: missing },
  })
}
