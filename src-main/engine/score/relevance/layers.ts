// Where the relevance of a layer is read: at the result of the operator that uses its weight.
import type { Layer, Network } from '../../checkpoint/network.ts'
import type { Graph } from '../../graph/ir.ts'
import { findUses, type Use } from '../../graph/uses.ts'
import { flowOf } from '../../probe/flow.ts'
import type { Reading } from './walk.ts'

export interface LayerReading extends Reading {
  layer: Layer
}

/** One reading for each use of each compressible weight of the graph; a tied embedding has two. */
export function layerReadings(network: Network, graph: Graph): LayerReading[] {
  const uses = findUses(graph)
  return network.layers
    .filter(({ compressible }) => compressible)
    .flatMap((layer) =>
      uses.of(layer.name).map((use) => ({ layer, value: use.node.outputs[0] ?? '', channels: channelsOf(layer, use) })),
    )
}

/** How the output channels lie, where the operator tells it. */
function channelsOf(layer: Layer, { node, slot }: Use): Reading['channels'] {
  if (node.op === 'Conv') return { axis: 1, rank: layer.shape.length }
  const product = (node.op === 'Gemm' || node.op === 'MatMul') && slot === 1 && layer.shape.length === 2
  return product ? { last: layer.rows } : null
}

/** The main stream at the borders of the blocks: cuts that all relevance passes. */
export function borderReadings(network: Network): Reading[] {
  const borders = flowOf(network).flatMap(({ input, output }) => [input, output])
  return [...new Set(borders)].flatMap((value) => (value === null ? [] : [{ value, channels: null }]))
}
