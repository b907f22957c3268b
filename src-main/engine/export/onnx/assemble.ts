import type { Network } from '../../checkpoint/network.ts'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Graph, Initializer, Node } from '../../graph/ir.ts'
import { raiseOpset } from '../../graph/opset.ts'
import { allNames } from '../../graph/scope.ts'
import { taskKey } from '../../graph/task.ts'
import { emitLayer, type Style } from './emit-layer.ts'
import type { WeightSlot } from './emit-weight.ts'
import type { StoredForm } from './form.ts'
import { createScope, type Payload, type Piece, type Scope } from './scope.ts'
import { shorten } from './shorten.ts'
import { asQuantizeLinear } from './static-rounding.ts'
import { usesOf } from './uses.ts'

const LOWEST_OPSET = 11 // bit shifts and ranges
const WANTED_OPSET = 13 // DequantizeLinear along an axis
const NAMES_PER_LAYER = 16 // a guess from above: names of three letters cost little

/** The network's graph as the exporter starts from it: opset high enough, short names, value_info left out (readers
 *  infer it). */
export function exportGraph(network: Network): Graph {
  const { graph } = network
  if (graph === null) {
    throw new Fault('unsupported', `${network.name} holds tensors only: there is no graph to export.`, {
      hint: 'Open the ONNX file or the complete Hugging Face folder of a known family.',
      data: { file: network.path },
    })
  }
  // What it is for does not always show in its inputs and outputs: the file says it.
  const metadata = new Map(graph.metadata)
  if (network.task !== 'other') metadata.set(taskKey, network.task)
  const { rounding } = network
  return shorten({ ...(rounding ? asQuantizeLinear(raised(graph)) : raised(graph)), values: new Map(), metadata })
}

/** At the opset the exporter wants where the converter can, and at least at the one it cannot do without. */
function raised(graph: Graph): Graph {
  const opset = graph.opsets.get('') ?? 1
  if (opset >= WANTED_OPSET) return graph
  try {
    return raiseOpset(graph, WANTED_OPSET)
  } catch (error) {
    if (opset >= LOWEST_OPSET && error instanceof Fault && error.code === 'unsupported') return graph
    throw error
  }
}

/** Weights the exporter can compress: marked so, and an initializer of the main graph. */
export function slotsOf(network: Network, graph: Graph): (WeightSlot & { rows: number; cols: number })[] {
  return network.layers.flatMap((layer) => {
    const initializer = layer.compressible ? graph.initializers.get(layer.name) : undefined
    if (initializer === undefined) return []
    const { name, order, rows, cols } = layer
    return [{ name, order, rows, cols, shape: initializer.shape, dtype: initializer.dtype }]
  })
}

export const scopeFor = (graph: Graph, layers: number): Scope => createScope(allNames(graph), layers * NAMES_PER_LAYER)

export interface Assembled {
  graph: Graph
  /** Initializers whose bytes come from a quantized layer: initializer -> layer and how to pack it. */
  payloads: Map<string, { layer: string; payload: Payload }>
}

/** The graph with the given layers' weights replaced by what computes them. Layers not in `forms` stay as they are. */
export function assemble(network: Network, forms: ReadonlyMap<string, StoredForm>, style: Style): Assembled {
  const graph = exportGraph(network)
  const slots = slotsOf(network, graph)
  const scope = scopeFor(graph, slots.length)
  const uses = usesOf(graph)
  const opset = graph.opsets.get('') ?? 1
  const initializers = new Map(graph.initializers)
  const payloads: Assembled['payloads'] = new Map()
  const head: Node[] = []
  const replaced = new Map<Node, Node[]>()
  const take = (piece: Piece, layer: string) => {
    for (const initializer of piece.initializers) initializers.set(initializer.name, initializer)
    for (const [name, payload] of piece.payloads) payloads.set(name, { layer, payload })
    head.push(...piece.nodes)
  }
  for (const slot of slots) {
    const form = forms.get(slot.name)
    if (form === undefined) continue
    const emitted = emitLayer(scope, slot, form, uses.get(slot.name), opset, style)
    initializers.delete(slot.name)
    take(emitted.piece, slot.name)
    for (const [node, nodes] of emitted.replaced) replaced.set(node, nodes)
  }
  const own = head.splice(0)
  for (const piece of scope.shared.values()) take(piece, '')
  const nodes = [...head, ...own, ...graph.nodes.flatMap((node) => replaced.get(node) ?? [node])]
  return { graph: { ...graph, nodes, initializers, opsets: withContrib(graph, nodes) }, payloads }
}

const contrib = 'com.microsoft'

/** The operator sets that these nodes need beside those of the graph. */
export const withContrib = (graph: Graph, nodes: readonly Node[]): Graph['opsets'] =>
  nodes.some(({ domain }) => domain === contrib)
    ? new Map([...graph.opsets, [contrib, graph.opsets.get(contrib) ?? 1]])
    : graph.opsets

/** The graph without the weights that options decide about: what every export holds. */
export function baseGraph(graph: Graph, slots: readonly { name: string }[]): Graph {
  const decided = new Set(slots.map(({ name }) => name))
  const kept = [...graph.initializers].filter(([name]) => !decided.has(name))
  return { ...graph, initializers: new Map<string, Initializer>(kept) }
}
