import { compressPieceOf } from '../calibrate/compress.ts'
import { graphOf } from '../calibrate/collect.ts'
import { layersOf, layoutOf } from '../calibrate/layout.ts'
import { workPerSample } from '../calibrate/work.ts'
import { biasedLayers } from '../prepare/channel-means.ts'
import { readImportance } from '../probe/importance.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** How a calibrated run of a checkpoint is cut. */
export function pieces({ checkpoint, prepared }: Tasks['pieces']['args']): Tasks['pieces']['result'] {
  const network = cachedNetwork(checkpoint, prepared)
  const graph = graphOf(network)
  return {
    pieces: layoutOf(network, graph).map((piece) => ({
      name: piece.name,
      layers: layersOf(piece).map(({ layer }) => layer.name),
      work: workPerSample(network, graph, piece),
    })),
  }
}

/** Carries out one piece of a calibrated run. */
export async function compressPiece(
  args: Tasks['compressPiece']['args'],
  context: TaskContext,
): Promise<Tasks['compressPiece']['result']> {
  const { checkpoint, prepared, data, importance, matching, ...rest } = args
  const network = cachedNetwork(checkpoint, prepared)
  const dataset = await cachedDataset(checkpoint, data)
  const measured = importance === null ? null : readImportance(importance, network)
  const biases = matching && network.graph ? biasedLayers(network.graph) : []
  const matched = matching ? new Map(biases.map(({ weight, bias }) => [weight, bias])) : null
  return compressPieceOf({ ...rest, network, dataset, importance: measured, matching: matched }, context)
}
