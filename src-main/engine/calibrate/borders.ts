// Where a network is cut between two pieces: all activations that what lies behind needs from what lies before.
import type { Network } from '../checkpoint/network.ts'
import type { Graph } from '../graph/ir.ts'
import { readsOf } from '../graph/scope.ts'

export interface Border {
  position: number // the cut is behind this node; -1: before all
  /** Values that depend on a graph input and on a compressible weight. All others are computed again from the inputs. */
  values: string[]
}

/** Borders for nodes (by index) that matter: those that the given readers of weights depend on. */
export function createBorders(
  network: Network,
  graph: Graph,
  readers: readonly number[],
): (from: number, to: number) => Border {
  const reads = graph.nodes.map(readsOf)
  const heavy = heavyValues(network, graph, reads)
  const needed = ancestors(graph, reads, readers)
  const made = new Map<string, number>()
  const last = new Map<string, number>()
  graph.nodes.forEach(({ outputs }, at) => {
    if (!needed.has(at)) return
    for (const name of reads[at] ?? []) if (heavy.has(name)) last.set(name, at)
    for (const name of outputs) if (heavy.has(name)) made.set(name, at)
  })
  const live = [...made].flatMap(([name, begin]) => {
    const end = last.get(name) ?? begin
    return end > begin ? [{ name, begin, end }] : []
  })

  /** The narrowest cut behind node `from` or a later one and before node `to`; the first of several. */
  return (from, to) => {
    let best: Border | null = null
    for (let position = from; position < to; position++) {
      const values = live.flatMap(({ name, begin, end }) => (begin <= position && position < end ? [name] : []))
      if (best === null || values.length < best.values.length) best = { position, values }
    }
    return best ?? { position: from, values: [] }
  }
}

function heavyValues(network: Network, graph: Graph, reads: readonly string[][]): Set<string> {
  const weights = new Set(network.layers.filter(({ compressible }) => compressible).map(({ name }) => name))
  const variable = new Set(graph.inputs.map(({ name }) => name))
  const weighted = new Set(weights)
  const heavy = new Set<string>()
  graph.nodes.forEach(({ outputs }, at) => {
    const own = reads[at] ?? []
    const [varies, weighs] = [own.some((name) => variable.has(name)), own.some((name) => weighted.has(name))]
    // A layer inside a subgraph is no value of this graph: what comes out of the node counts as weighed.
    const inside = hasSubgraph(graph, at)
    for (const name of outputs) {
      if (name === '') continue
      if (varies) variable.add(name)
      if (weighs || inside) weighted.add(name)
      if (varies && (weighs || inside)) heavy.add(name)
    }
  })
  return heavy
}

const hasSubgraph = (graph: Graph, at: number): boolean =>
  [...(graph.nodes[at]?.attributes.values() ?? [])].some(({ kind }) => kind === 'graph')

function ancestors(graph: Graph, reads: readonly string[][], readers: readonly number[]): Set<number> {
  const makers = new Map<string, number>()
  graph.nodes.forEach(({ outputs }, at) => {
    for (const name of outputs) if (name !== '') makers.set(name, at)
  })
  const found = new Set<number>()
  const open = [...readers]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (found.has(at)) continue
    found.add(at)
    for (const name of reads[at] ?? []) {
      const maker = makers.get(name)
      if (maker !== undefined) open.push(maker)
    }
  }
  return found
}
