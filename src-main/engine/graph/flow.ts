// The flow of activations, and where it is a single tensor. Every value is of one class, the highest of what it depends on:
//   constant  no graph input                     part of the graph
//   light     graph inputs, no weight            can be computed again anywhere (masks, positions)
//   shape     only shapes of heavy values        a few integers, carried along
//   heavy     activations
// A cut lies where all that later nodes need of the heavy values is one of them.
import type { Graph, Node } from './ir.ts'
import { readsOf } from './scope.ts'

type Class = 0 | 1 | 2 | 3
const light = 1
const shape = 2
const heavy = 3

/** Heavy nodes between two cuts, and the values that they and all later ones need from before. */
export interface Piece {
  nodes: { node: Node; position: number }[]
  inputs: string[]
}

/**
 * Cuts the main graph. `weights`: constants (weights and what is derived from them) whose reader makes a value heavy;
 * `tables`: those that are only looked up. Pieces are in graph order; together they hold every heavy node.
 */
export function cutFlow(
  graph: Graph,
  constants: ReadonlySet<string>,
  weights: ReadonlySet<string>,
  tables: ReadonlySet<string>,
): Piece[] {
  const reads = graph.nodes.map((node) => readsOf(node).filter((name) => !constants.has(name)))
  const inputs = new Set(graph.inputs.map((input) => input.name))
  let classes = classify(graph, reads, inputs, constants, weights)
  // A table looked up once and used all along (rotary positions) is no activation: it can be looked up again.
  const lookedUp = classify(graph, reads, inputs, constants, new Set([...weights].filter((name) => !tables.has(name))))
  const span = graph.nodes.length / 2
  const everywhere = new Set(
    [...lastReads(graph, reads)].flatMap(([name, last]) =>
      classes.get(name) === heavy && lookedUp.get(name) === light && last.end - last.begin > span ? [name] : [],
    ),
  )
  if (everywhere.size > 0) classes = classify(graph, reads, inputs, constants, weights, everywhere)
  return cut(graph, reads, classes)
}

function classify(
  graph: Graph,
  reads: readonly string[][],
  inputs: ReadonlySet<string>,
  constants: ReadonlySet<string>,
  weights: ReadonlySet<string>,
  forced: ReadonlySet<string> = new Set(),
): Map<string, Class> {
  const classes = new Map<string, Class>()
  for (const name of inputs) classes.set(name, light)
  graph.nodes.forEach((node, at) => {
    if (node.outputs.every((output) => constants.has(output))) return
    let result: Class = light
    for (const name of reads[at] ?? []) result = Math.max(result, classes.get(name) ?? light) as Class
    if (node.op === 'Shape' || node.op === 'Size') result = result === heavy ? shape : result
    else if (readsOf(node).some((name) => weights.has(name))) result = heavy
    for (const output of node.outputs) if (output !== '') classes.set(output, forced.has(output) ? light : result)
  })
  return classes
}

function lastReads(graph: Graph, reads: readonly string[][]): Map<string, { begin: number; end: number }> {
  const spans = new Map<string, { begin: number; end: number }>()
  graph.nodes.forEach((node, at) => {
    for (const output of node.outputs) spans.set(output, { begin: at, end: at })
    for (const name of reads[at] ?? []) {
      const span = spans.get(name)
      if (span) span.end = at
    }
  })
  return spans
}

function cut(graph: Graph, reads: readonly string[][], classes: ReadonlyMap<string, Class>): Piece[] {
  const classOf = (node: Node) => node.outputs.reduce<number>((max, name) => Math.max(max, classes.get(name) ?? 0), 0)
  // When a value is there, and until when it is needed. A shape is taken as soon as it can be.
  const made = new Map<string, number>()
  const needed = new Map<string, number>()
  const origins = new Map<string, Set<string>>() // of shape values: the heavy values whose shapes they come from
  graph.nodes.forEach((node, at) => {
    const level = classOf(node)
    if (level < shape) return
    const sources = reads[at] ?? []
    const time = level === heavy ? at : Math.max(0, ...sources.map((name) => made.get(name) ?? 0))
    for (const output of node.outputs) if (output !== '') made.set(output, time)
    if (level === shape) {
      const from = sources.flatMap((name) => [...(origins.get(name) ?? (classes.get(name) === heavy ? [name] : []))])
      for (const output of node.outputs) origins.set(output, new Set(from))
    }
    for (const name of sources) if (made.has(name)) needed.set(name, Math.max(needed.get(name) ?? 0, time))
  })

  const arriving = new Map<number, string[]>()
  const leaving = new Map<number, string[]>()
  for (const [name, last] of needed) {
    const time = made.get(name) ?? 0
    if (last <= time) continue
    push(arriving, time, name)
    push(leaving, last, name)
  }
  const live = new Set<string>()
  let heavyLive = 0
  let gone: readonly string[] = []
  const pieces: Piece[] = []
  graph.nodes.forEach((node, at) => {
    if (classOf(node) !== heavy) return
    for (const name of gone) {
      live.delete(name)
      if (classes.get(name) === heavy) heavyLive--
    }
    if (pieces.length === 0) pieces.push({ nodes: [], inputs: [] })
    else if (heavyLive === 1) {
      pieces.push({ nodes: [], inputs: withoutDerived(live, classes, origins) })
    }
    pieces.at(-1)?.nodes.push({ node, position: at })
    for (const name of arriving.get(at) ?? []) {
      live.add(name)
      if (classes.get(name) === heavy) heavyLive++
    }
    gone = leaving.get(at) ?? []
  })
  return pieces
}

/** The heavy value first; shapes only where they do not follow from it alone. */
function withoutDerived(
  live: ReadonlySet<string>,
  classes: ReadonlyMap<string, Class>,
  origins: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  const activations = [...live].filter((name) => classes.get(name) === heavy)
  const shapes = [...live].filter(
    (name) => classes.get(name) !== heavy && [...(origins.get(name) ?? [])].some((from) => !activations.includes(from)),
  )
  return [...activations, ...shapes]
}

function push(lists: Map<number, string[]>, key: number, name: string): void {
  const list = lists.get(key)
  if (list) list.push(name)
  else lists.set(key, [name])
}
