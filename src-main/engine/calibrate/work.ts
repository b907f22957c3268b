// How much there is to do, in billions of multiplications: for progress and for estimates. Rates of the steps differ; the
// factors stand for what a step takes beside a matrix product of the same size.
import type { Network } from '../checkpoint/network.ts'
import type { Graph } from '../graph/ir.ts'
import { layersOf, type Piece, type PlacedLayer } from './layout.ts'

const usualRows = 256 // of a sample, where nothing tells
const mostRows = 512 // data sets cut no longer windows unless told
const columnLoop = 3 // error feedback runs on small blocks
const usualSamples = 32 // that the work of a calibrated layer itself is spread over

/** Rows that one sample gives a layer. */
function rowsPerSample({ head, tokens }: Network, graph: Graph, { input }: PlacedLayer): number {
  const context = head?.context ?? tokens?.context
  if (context !== undefined && context !== null) return Math.min(context, mostRows)
  const shape = graph.values.get(input?.node.outputs[0] ?? '')?.shape
  const places = (input?.kind === 'unfolded' ? shape?.slice(2) : shape?.slice(1, -1)) ?? []
  const known = places.every((dim) => typeof dim === 'number')
  return known && places.length > 0 ? places.reduce<number>((product, dim) => product * Number(dim), 1) : usualRows
}

/** Running a layer on one sample; a lookup is nothing beside a product. */
export const forwardWork = (network: Network, graph: Graph, placed: PlacedLayer): number =>
  placed.layer.op === 'Gather' ? 0 : (rowsPerSample(network, graph, placed) * placed.layer.parameters) / 1e9

/** Adding one sample to a layer's Hessians. */
export function hessianWork(network: Network, graph: Graph, placed: PlacedLayer): number {
  const { groups = 0, size = 0 } = placed.input ?? {}
  return (rowsPerSample(network, graph, placed) * groups * size ** 2) / 1e9
}

/** Choosing a layer's codes. */
export function codesWork({ layer, input }: PlacedLayer, calibrated: boolean): number {
  if (!calibrated || input === null) return (layer.parameters * 200) / 1e9
  return (input.groups * input.size ** 3 + columnLoop * layer.rows * input.size ** 2) / 1e9
}

/** Work of a piece whose layers are all calibrated, on so many samples. */
export function pieceWork(network: Network, graph: Graph, piece: Piece, samples: number): number {
  let [work, before] = [0, 0] // `before`: running what stands before a stage, once more for each
  for (const { layers } of piece.stages) {
    const [first] = layers
    work += samples * (before + (first ? hessianWork(network, graph, first) : 0))
    for (const each of layers) {
      work += codesWork(each, true)
      before += forwardWork(network, graph, each)
    }
  }
  return work + samples * before + (1 + layersOf(piece).length) * 1e-3
}

/** Work for one sample of many. */
export const workPerSample = (network: Network, graph: Graph, piece: Piece): number =>
  pieceWork(network, graph, piece, usualSamples) / usualSamples
