// How a calibrated run is cut: pieces one after the other, each in stages of layers that share their input.
//   Frantar et al. 2022, "GPTQ", section 4: block by block, inputs from the already compressed model.
// A layer belongs to the place that first multiplies by it; a table that is also the head (tied weights) so belongs to the
// head, whose inputs are known, and is looked up as it was until then. Others belong to the place that first reads them.
import type { Layer, Network } from '../checkpoint/network.ts'
import type { Graph } from '../graph/ir.ts'
import { createBorders } from './borders.ts'
import { createLayerInputs, type LayerInput } from './inputs.ts'

export interface PlacedLayer {
  layer: Layer
  input: LayerInput | null // null: no Hessian can be had
  position: number
  lastUse: number // index of the last node that reads it
}

export interface Stage {
  layers: PlacedLayer[]
}

export interface Piece {
  index: number
  name: string
  block: number | null // index of the network's block
  stages: Stage[] // in graph order
  border: string[] // values that the piece begins from; none for the first
  shared: string[] // layers of earlier pieces that are read again behind this piece's border
}

export const layersOf = ({ stages }: Pick<Piece, 'stages'>): PlacedLayer[] => stages.flatMap(({ layers }) => layers)

/** Every compressible layer of a network in exactly one piece, in the order of a calibrated run. */
export function layoutOf(network: Network, graph: Graph): Piece[] {
  const placed = placeLayers(network, graph)
  const groups = network.blocks.length > 0 ? byBlocks(network, placed) : byStages(placed)
  const borders = createBorders(
    network,
    graph,
    placed.map(({ position }) => position),
  )
  let begun = -1 // last node that reads a layer of the pieces so far
  return groups.map(({ name, block, stages }, index): Piece => {
    const own = stages.flatMap(({ layers }) => layers.map(({ position }) => position))
    const next = Math.min(...groups.slice(index).flatMap(firstPositions))
    const { position, values } = index === 0 ? { position: -1, values: [] } : borders(begun, next)
    const before = groups.slice(0, index).flatMap((group) => layersOf(group))
    begun = Math.max(begun, ...own)
    const shared = before.filter(({ lastUse }) => lastUse > position).map(({ layer }) => layer.name)
    return { index, name, block, stages, border: values, shared }
  })
}

type Group = Pick<Piece, 'name' | 'block' | 'stages'>

const firstPositions = (group: Group): number[] => layersOf(group).map(({ position }) => position)

function placeLayers(network: Network, graph: Graph): PlacedLayer[] {
  const inputs = createLayerInputs(graph)
  return network.layers
    .filter(({ compressible }) => compressible)
    .map((layer): PlacedLayer => {
      const input = inputs.of(layer)
      const uses = inputs.uses(layer)
      const position = input?.position ?? uses[0]?.position ?? 0
      return { layer, input, position, lastUse: uses.at(-1)?.position ?? position }
    })
    .sort((a, b) => a.position - b.position)
}

/** Layers that share their input, in graph order; those without one stand alone. */
function stagesOf(placed: readonly PlacedLayer[]): Stage[] {
  const stages = new Map<string, Stage>()
  for (const each of placed) {
    const key = each.input === null ? `alone ${each.layer.name}` : `value ${each.input.value}`
    const stage = stages.get(key)
    if (stage) stage.layers.push(each)
    else stages.set(key, { layers: [each] })
  }
  return [...stages.values()]
}

/** Before the first block, each block with what follows it, behind the last block. */
function byBlocks(network: Network, placed: readonly PlacedLayer[]): Group[] {
  const starts = network.blocks.flatMap((block) => {
    const own = placed.filter(({ layer }) => layer.block === block.index)
    return own.length > 0 ? [{ block, position: Math.min(...own.map(({ position }) => position)) }] : []
  })
  starts.sort((a, b) => a.position - b.position)
  const lastBlock = starts.at(-1)?.block.index
  const end = Math.max(-1, ...placed.filter(({ layer }) => layer.block === lastBlock).map(({ position }) => position))
  const layersIn: PlacedLayer[][] = Array.from({ length: starts.length + 2 }, () => [])
  for (const each of placed) {
    const begun = starts.filter(({ position }) => position <= each.position).length
    layersIn[begun === starts.length && each.position > end ? begun + 1 : begun]?.push(each)
  }
  const groups = layersIn.map((layers, at): Group => {
    const start = starts[at - 1]
    const name = start
      ? start.block.name || `block ${start.block.index}`
      : at === 0
        ? 'before the blocks'
        : 'behind the blocks'
    return { name, block: start?.block.index ?? null, stages: stagesOf(layers) }
  })
  return (groups.at(-1)?.stages.length ?? 0) > 0 ? groups : groups.slice(0, -1)
}

/** One piece for each stage; stages whose layers lie between each other's are one. */
function byStages(placed: readonly PlacedLayer[]): Group[] {
  const groups: { stages: Stage[]; end: number }[] = []
  for (const stage of stagesOf(placed)) {
    const positions = stage.layers.map(({ position }) => position)
    const end = Math.max(...positions)
    const current = groups.at(-1)
    if (current && Math.min(...positions) <= current.end) {
      current.stages.push(stage)
      current.end = Math.max(current.end, end)
    } else groups.push({ stages: [stage], end })
  }
  return groups.map(({ stages }): Group => {
    const [first, second] = stages.flatMap(({ layers }) => layers)
    const name = `${first?.layer.name ?? ''}${second ? ' and others' : ''}`
    return { name, block: null, stages }
  })
}
