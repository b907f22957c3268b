import type { Network } from '../checkpoint/network.ts'
import type { Graph, Node } from '../graph/ir.ts'
import { readsOf } from '../graph/scope.ts'

/** The activation that enters a block and the one that leaves it; null where the graph has no single such value. */
export interface BlockFlow {
  index: number
  input: string | null
  output: string | null
}

/** The main stream through the blocks. What crosses every border (masks, rotary tables) is not part of it. */
export function flowOf(network: Pick<Network, 'graph' | 'blocks'>): BlockFlow[] {
  const { graph, blocks } = network
  if (graph === null) return []
  const everywhere = (value: string) => blocks.length > 1 && blocks.every((block) => block.inputs.includes(value))
  const entries = blocks.map(({ inputs }) => inputs.filter((value) => !everywhere(value)))
  const single = (values: readonly string[] | undefined) => (values?.length === 1 ? (values[0] ?? null) : null)
  return blocks.map((block, position) => {
    const input = single(entries[position])
    const last = position === blocks.length - 1
    const output = last ? endOfBlock(graph, block.layers, input) : single(entries[position + 1])
    return { index: block.index, input, output }
  })
}

/** Where a block ends that no other follows: the first value behind the last reader of its weights on which alone, of all
 *  that is made from the block's input on, the rest depends; one node further where blocks end in an operator that is still
 *  to come (the Relu after the addition). */
function endOfBlock(graph: Graph, weights: readonly string[], input: string | null): string | null {
  const start = graph.nodes.findIndex(({ outputs }) => input !== null && outputs.includes(input))
  if (start === -1) return null
  const variable = variableValues(graph)
  const holders = new Set(weights) // the weights, and what is computed from constants alone
  const lastUse = new Map<string, number>()
  let after = -1
  graph.nodes.forEach((node, at) => {
    const reads = readsOf(node)
    for (const name of reads) lastUse.set(name, at)
    if (!reads.some((name) => holders.has(name))) return
    after = at
    if (!node.outputs.some((name) => variable.has(name))) for (const name of node.outputs) holders.add(name)
  })
  for (const output of graph.outputs) lastUse.set(output.name, graph.nodes.length)
  const alive = new Set<string>()
  for (const [at, node] of graph.nodes.entries()) {
    if (at >= start) for (const name of node.outputs) if (variable.has(name)) alive.add(name)
    for (const name of alive) if ((lastUse.get(name) ?? -1) <= at) alive.delete(name)
    const [only] = alive
    if (at >= after && alive.size === 1 && only !== undefined) return sameEnd(graph, graph.nodes[start], node, only)
  }
  return null
}

function sameEnd(graph: Graph, first: Node | undefined, last: Node, value: string): string {
  if (first === undefined || first.op === last.op) return value
  const readers = graph.nodes.filter((node) => node.inputs.includes(value))
  const next = readers.length === 1 ? readers[0] : undefined
  return next?.op === first.op ? (next.outputs[0] ?? value) : value
}

/** Values that depend on a graph input. */
function variableValues(graph: Graph): Set<string> {
  const variable = new Set<string>()
  const inputs = new Set(graph.inputs.map((input) => input.name))
  for (const node of graph.nodes) {
    if (!readsOf(node).some((name) => variable.has(name) || inputs.has(name))) continue
    for (const name of node.outputs) if (name !== '') variable.add(name)
  }
  return variable
}
