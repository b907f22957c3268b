import type { Xray } from '../../../src-preload/contract/scores.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { weightRows } from '../checkpoint/weights.ts'
import type { Dataset } from '../data/types.ts'
import type { TaskContext } from '../protocol.ts'
import { notFinite } from '../quantize/rows.ts'
import { folded, sideOf, wholeKurtosis } from './channels.ts'
import { inputsOf } from './inputs.ts'
import { moments } from './moments.ts'
import { spectrumOf } from './spectrum.ts'

/** Kernel places of a convolution stand together behind their channel; 1 of a product. */
const placesOf = ({ op, shape }: Layer): number =>
  op === 'Conv' || shape.length > 2 ? shape.slice(2).reduce((product, size) => product * size, 1) : 1

/** Channels, spectrum and inputs of one layer. Without a data set: the weights alone. Faults 'bad-input' on weights that are
 *  not finite. */
export async function xrayLayer(
  args: { network: Network; dataset: Dataset | null; layer: Layer; samples: number; device: DeviceId },
  context: TaskContext,
): Promise<Xray> {
  const { network, dataset, layer, samples, device } = args
  const source = weightRows(network, layer)
  context.progress({ fraction: 0, step: 'channels' })
  const { rows, cols } = await moments(source)
  const damaged = rows.sums[1].findIndex((value) => !Number.isFinite(value))
  if (damaged >= 0) {
    const at = source.read(damaged, damaged + 1).findIndex((value) => !Number.isFinite(value))
    throw notFinite(layer.name, source, damaged * source.cols + Math.max(0, at))
  }
  const squares = rows.sums[1].reduce((sum, value) => sum + value, 0)
  context.progress({ fraction: 0.2, step: 'singular values' })
  const spectrum = layer.compressible ? await spectrumOf(source, squares) : null
  context.progress({ fraction: 0.6, step: 'inputs' })
  const inputs =
    dataset && network.graph
      ? await inputsOf({ network, dataset, layer, samples, device }, { ...context, progress: () => undefined })
      : null
  const places = placesOf(layer)
  const notes = [
    ...(spectrum === null && squares === 0 ? ['All weights are zero.'] : []),
    ...(spectrum === null && squares > 0 ? ['No singular values: not a matrix that is compressed.'] : []),
    ...(dataset && network.graph && inputs === null
      ? ['Nothing flows into this layer as a matrix product: it is looked up, recurs, or stands in a subgraph.']
      : []),
  ]
  return {
    layer: layer.name,
    rows: sideOf(rows),
    cols: sideOf(cols.sums[0].length % places === 0 ? folded(cols, places) : cols),
    kurtosis: wholeKurtosis(rows),
    spectrum,
    inputs,
    notes,
  }
}
