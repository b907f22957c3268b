// A network without some of its blocks as programs that load files want it: blocks numbered from 0 without gaps, in tensors,
// in the configuration and in the key-value cache. Everything inside Lathe goes by the checkpoint's own names.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { renameSource } from '../checkpoint/joined.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import type { Graph, ValueInfo } from '../graph/ir.ts'
import { closingUp } from '../graph/rewrites/refit.ts'
import type { Artifact } from '../protocol.ts'
import type { BytePlan, ExportArguments } from './define.ts'
import type { Offered } from './codings/offered.ts'

/** A network with closed-up numbers, and the names of its layers on either side. */
export interface ClosedUp {
  network: Network
  toFile(layer: string): string
  toSource(layer: string): string
}

const known = new WeakMap<Network, ClosedUp>()

/** Null where nothing was left out, or the names are no numbers of a Hugging Face model: nothing need change then. */
export function closeUp(network: Network): ClosedUp | null {
  const { leftOut, config } = network
  if (leftOut === undefined || leftOut.closed === true || config === null) return null
  const found = known.get(network) ?? renumbered(network, closingUp(leftOut.blocks))
  known.set(network, found)
  return found
}

/** Why this network cannot be told by a configuration, in words; null where it can. */
export const cannotCloseUp = ({ leftOut, config }: Network): string | null =>
  leftOut === undefined || config === null ? null : leftOut.misfit()

function renumbered(network: Network, rename: (name: string) => string): ClosedUp {
  const { graph, source, layers, blocks, head, cached, rounding, leftOut, ...rest } = network
  const index = new Map(blocks.map((block, position) => [block.index, position]))
  const names = new Map(layers.map(({ name }) => [name, rename(name)]))
  const back = new Map([...names].map(([old, name]) => [name, old]))
  if (back.size !== names.size)
    throw new Fault('internal', `${network.path}: two layers get one name once blocks are numbered anew`)
  const renumber = (given: Graph) => renamedGraph(given, rename, index)
  return {
    network: {
      ...rest,
      ...(leftOut && { leftOut: { ...leftOut, closed: true } }),
      graph: graph && renumber(graph),
      source: renameSource(source, rename),
      layers: layers.map((layer) => ({
        ...layer,
        name: rename(layer.name),
        block: layer.block === null ? null : (index.get(layer.block) ?? layer.block),
      })),
      blocks: blocks.map((block, position) => ({
        ...block,
        index: position,
        name: rename(block.name),
        layers: block.layers.map(rename),
      })),
      head: head && { ...head, weight: rename(head.weight) },
      ...(cached && { cached: () => renumber(cached()) }),
      ...(rounding && { rounding: rounding.map((each) => ({ ...each, layers: each.layers.map(rename) })) }),
    },
    toFile: (layer) => names.get(layer) ?? layer,
    toSource: (layer) => back.get(layer) ?? layer,
  }
}

/** Weights renamed where they stand and where they are read, and the cache's inputs and outputs (families/cached.ts). Graphs
 *  of Hugging Face families hold no subgraphs. */
function renamedGraph(graph: Graph, rename: (name: string) => string, index: ReadonlyMap<number, number>): Graph {
  const cache = (name: string): string => {
    const found = /^(past_key_values|present)\.(\d+)\.(key|value)$/.exec(name)
    return found ? `${found[1]}.${index.get(Number(found[2])) ?? found[2]}.${found[3]}` : name
  }
  const value = (name: string) => (graph.initializers.has(name) ? rename(name) : cache(name))
  const io = (info: ValueInfo): ValueInfo => ({ ...info, name: cache(info.name) })
  return {
    ...graph,
    nodes: graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(value),
      outputs: node.outputs.map(cache),
    })),
    inputs: graph.inputs.map(io),
    outputs: graph.outputs.map(io),
    initializers: new Map(
      [...graph.initializers.values()].map((initializer) => {
        const name = rename(initializer.name)
        const { data } = initializer
        return [name, { ...initializer, name, data: 'source' in data ? { source: rename(data.source) } : data }]
      }),
    ),
    values: new Map([...graph.values.values()].map((info) => [cache(info.name), io(info)])),
  }
}

/** The arguments of an export with the names that the file will have. */
export function closedArguments(args: ExportArguments, { network, toFile, toSource }: ClosedUp): ExportArguments {
  const { artifacts, options, importance } = args
  return {
    ...args,
    network,
    artifacts: artifacts.map((artifact): Artifact => ({ ...artifact, layer: toFile(artifact.layer) })),
    ...(options && { options: new Map([...options].map(([layer, option]) => [toFile(layer), option])) }),
    ...(importance && { importance: (layer: string) => importance(toSource(layer)) }),
  }
}

/** What is offered to layers, asked with the names of the file. */
export function closedOffer(offered: Offered, whole: Network, { toSource }: ClosedUp): Offered {
  const own = new Map(whole.layers.map((layer) => [layer.name, layer]))
  return (layer: Layer) => offered(own.get(toSource(layer.name)) ?? layer)
}

/** A plan under the names that the layers have inside Lathe. */
export const openedPlan = ({ baseBytes, layers }: BytePlan, { toSource }: ClosedUp): BytePlan => ({
  baseBytes,
  layers: layers.map((layer) => ({ ...layer, name: toSource(layer.name) })),
})
