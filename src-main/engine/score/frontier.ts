// What has to be run again when some weights change: only the nodes that depend on them. Everything they read from
// elsewhere is the same as in the original, so it is computed once and fed.
import type { Graph } from '../graph/ir.ts'
import { readsOf } from '../graph/scope.ts'

/**
 * Values that, fed as inputs, leave only the nodes that depend on `weights` (initializers of the graph). Values that depend
 * on no graph input are left in the graph: they cost nothing once it is opened. Null where no node reads the weights.
 * `graph` is topologically sorted and computes nothing beside its outputs (see `segment`).
 */
export function frontierOf(graph: Graph, weights: ReadonlySet<string>): string[] | null {
  const fed = new Set(graph.inputs.map(({ name }) => name))
  const varying = new Set(fed) // differs from batch to batch
  const changed = new Set(weights)
  const frontier = new Set<string>()
  let found = false
  for (const node of graph.nodes) {
    const reads = readsOf(node)
    if (reads.some((name) => varying.has(name))) for (const output of node.outputs) varying.add(output)
    if (!reads.some((name) => changed.has(name))) continue
    found = true
    for (const output of node.outputs) changed.add(output)
    for (const name of reads)
      if (varying.has(name) && !changed.has(name) && !fed.has(name) && name !== '') frontier.add(name)
  }
  // A node that makes several values may be one whose other results are needed before it is known to change.
  return found ? [...frontier].filter((name) => !changed.has(name)) : null
}
