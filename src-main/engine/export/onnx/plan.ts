import { z } from 'zod'
import type { Option } from '../../../../src-preload/contract/plan.ts'
import { measureModel } from '../../checkpoint/onnx/encode.ts'
import type { Layer, Network } from '../../checkpoint/network.ts'
import type { Graph, Initializer, Node } from '../../graph/ir.ts'
import { codedFormOf } from '../../quantize/codings/registry.ts'
import { optionsFor } from '../../quantize/options.ts'
import { type Offered, withOffered } from '../codings/offered.ts'
import { canEmit } from '../codings/onnx.ts'
import type { BytePlan } from '../define.ts'
import { baseGraph, exportGraph, scopeFor, slotsOf, withContrib } from './assemble.ts'
import { emitLayer, type Style } from './emit-layer.ts'
import type { StoredForm, WeightForm } from './form.ts'
import { usesOf } from './uses.ts'

const gridSchema = z.object({
  bits: z.int().min(2).max(8),
  granularity: z.enum(['tensor', 'channel', 'group']),
  groupSize: z.int().positive().optional(),
  symmetric: z.boolean().default(false),
})

/** The form a quantized layer will have, from its option alone. Scales are taken as float16, which all but freak layers
 *  are (quantize/grid.ts says when not). */
export function formOfOption(layer: Pick<Layer, 'rows' | 'cols'>, option: Option): WeightForm {
  const { bits, granularity, groupSize = 32, symmetric } = gridSchema.parse({ bits: option.bits, ...option.parameters })
  const { rows, cols } = layer
  const size = granularity === 'group' ? Math.min(groupSize, cols) : cols
  return {
    rows,
    cols,
    bits,
    symmetric,
    granularity,
    groupSize: size,
    groups: Math.ceil(cols / size),
    scaleType: 'float16',
  }
}

/** The same of options whose result is a coding, too. */
export const storedFormOf = (layer: Pick<Layer, 'rows' | 'cols'>, option: Option): StoredForm =>
  codedFormOf(option, layer) ?? formOfOption(layer, option)

/** Exact bytes of every layer under every option: the nodes and tensors the exporter would emit are built without their
 *  values and measured. What layers share (byte tables, shapes) is charged in equal parts to those that would share it
 *  if all took the same width. */
export function planBytes(network: Network, style: Style, offered?: Offered): BytePlan {
  const graph = exportGraph(network)
  const slots = slotsOf(network, graph)
  const uses = usesOf(graph)
  const opset = graph.opsets.get('') ?? 1
  const layerOf = new Map(network.layers.map((layer) => [layer.name, layer]))
  const sharers = new Map<string, { layers: Set<string>; bytes: number }>() // width and key of a shared piece
  const measured = slots.map((slot) => {
    const layer = layerOf.get(slot.name)
    const known = layer === undefined ? [] : withOffered(optionsFor(layer), layer, offered, canEmit)
    const options = known.map((option) => {
      if (option.method === 'keep')
        return { option, own: measure(graph, [], initializersOf(graph, slot.name)), keys: [] }
      const scope = scopeFor(smallest(graph), slots.length)
      const { piece, replaced } = emitLayer(scope, slot, storedFormOf(slot, option), uses.get(slot.name), opset, style)
      const nodes = [...piece.nodes, ...[...replaced.values()].flat()]
      const made = measure(graph, nodes, piece.initializers)
      const shared = (key: string, bytes: () => number): string => {
        const id = `${widthOf(option)} ${option.method} ${key}`
        const known = sharers.get(id) ?? { layers: new Set(), bytes: bytes() }
        known.layers.add(slot.name)
        sharers.set(id, known)
        return id
      }
      const keys = [...scope.shared].map(([key, part]) =>
        shared(key, () => measure(graph, part.nodes, part.initializers)),
      )
      const opsets = withContrib(graph, nodes)
      if (opsets !== graph.opsets) {
        keys.push(
          shared('operator set', () => measureModel({ ...smallest(graph), opsets }) - measureModel(smallest(graph))),
        )
      }
      return { option, own: made - measure(graph, [...replaced.keys()], []), keys }
    })
    return { name: slot.name, options }
  })
  const share = (id: string): number => {
    const found = sharers.get(id)
    return found === undefined ? 0 : found.bytes / found.layers.size
  }
  const layers = measured.map(({ name, options }) => ({
    name,
    options: options.map(({ option, own, keys }) => ({
      ...option,
      bytes: Math.round(own + keys.reduce((sum, id) => sum + share(id), 0)),
    })),
  }))
  return { baseBytes: measureModel(baseGraph(graph, slots)), layers }
}

/** What decides the tables that layers share: bits of sparse and low-rank options count all their parts. */
const widthOf = ({ bits, parameters }: Option): string =>
  typeof parameters.width === 'number' ? `${parameters.width} ${String(parameters.pattern)}` : `${bits}`

const initializersOf = (graph: Graph, name: string): Initializer[] => {
  const found = graph.initializers.get(name)
  return found === undefined ? [] : [found]
}

const smallest = (graph: Graph): Graph => ({
  ...graph,
  nodes: [],
  inputs: [],
  outputs: [],
  initializers: new Map(),
  metadata: new Map(),
  functions: [],
})

/** Bytes that nodes and tensors add to a model, without the length field of the graph around them. */
function measure(graph: Graph, nodes: Node[], initializers: Initializer[]): number {
  const piece = {
    ...smallest(graph),
    nodes,
    initializers: new Map(initializers.map((initializer) => [initializer.name, initializer])),
  }
  const inside = (total: number) => total - varintBytes(total)
  return inside(measureModel(piece)) - inside(measureModel(smallest(graph)))
}

const varintBytes = (value: number): number => Math.max(1, Math.ceil(Math.log2(value + 1) / 7))
