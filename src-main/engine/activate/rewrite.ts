// The graph with a rounding before some readers of some values.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import type { DataType, Graph, Initializer, Node } from '../graph/ir.ts'
import { raiseOpset } from '../graph/opset.ts'
import { allNames } from '../graph/scope.ts'
import { createDescriptions } from '../graph/types.ts'
import { type Bench, createBench } from './bench.ts'

/** Round, and ReduceMax with axes counted from the end, are there from 11 on; the exporter wants 13 anyway. */
const wantedOpset = 13

/** One value that some readers are to see rounded. */
export interface Insertion {
  value: string
  dtype: DataType
  graph: Graph // that holds the readers
  readers: readonly { node: Node; slot: number }[]
  /** Writes the rounding of a float32 value of the same shape; gives the rounded one. */
  emit(bench: Bench, value: string): string
}

/** Faults 'unsupported' by name where the graph's operators have no counterpart in the operator set that rounding needs. */
export const raised = (graph: Graph): Graph =>
  (graph.opsets.get('') ?? 1) >= wantedOpset ? graph : raiseOpset(graph, wantedOpset)

/** Why a graph cannot be raised, in words; null where it can. */
export function refusesOpset(graph: Graph): string | null {
  try {
    raised(graph)
    return null
  } catch (error) {
    if (error instanceof Fault) return error.message
    throw error
  }
}

/** The graph with every insertion right before the first of its readers, and the names of the rounded values in their
 *  order. Everything else keeps its name and its place: what finds layers, blocks and cuts by name finds them still. */
export function insertRoundings(
  graph: Graph,
  insertions: readonly Insertion[],
  label: string,
): { graph: Graph; rounded: string[] } {
  const initializers = new Map<string, Initializer>(graph.initializers)
  const values = new Map(graph.values)
  const bench = createBench(graph.opsets.get('') ?? 1, allNames(graph), initializers, label)
  const describe = createDescriptions(graph)
  const before = new Map<Node, Node[]>()
  const inputs = new Map<Node, Map<number, string>>()
  const rounded = insertions.map((insertion) => {
    const { value, dtype, readers } = insertion
    const own = bench.at(`${value}/${label}`)
    const wide = dtype === 'float32' ? value : own.cast(value, 'float32')
    const made = insertion.emit(own, wide)
    const name = dtype === 'float32' ? made : own.cast(made, dtype)
    const first = insertion.graph.nodes.find((node) => readers.some((reader) => reader.node === node))
    if (first) before.set(first, [...(before.get(first) ?? []), ...own.nodes])
    for (const { node, slot } of readers) {
      const known = inputs.get(node) ?? new Map<number, string>()
      inputs.set(node, known.set(slot, name))
    }
    if (insertion.graph === graph) values.set(name, { name, dtype, shape: shapeOf(describe, value) })
    return name
  })
  const rebuild = (part: Graph): Graph => ({
    ...part,
    nodes: part.nodes.flatMap((node) => [...(before.get(node) ?? []), change(node)]),
  })
  const change = (node: Node): Node => {
    const changed = inputs.get(node)
    const attributes = new Map(node.attributes)
    for (const [name, attribute] of attributes) {
      if (attribute.kind === 'graph') attributes.set(name, { kind: 'graph', value: rebuild(attribute.value) })
    }
    return { ...node, attributes, inputs: node.inputs.map((name, slot) => changed?.get(slot) ?? name) }
  }
  return { graph: { ...rebuild(graph), initializers, values }, rounded }
}

function shapeOf(describe: ReturnType<typeof createDescriptions>, value: string): ReturnType<typeof describe>['shape'] {
  try {
    return describe(value).shape
  } catch {
    return null // its type is nowhere told: then its shape is not, either
  }
}

/** The network with `rewrite` done to its graph and to the one with a cache. */
export function withGraph(network: Network, graph: Graph, cached: ((graph: Graph) => Graph) | null): Network {
  const { cached: own, ...rest } = network
  return { ...rest, graph, ...(own && cached && { cached: () => cached(own()) }) }
}
