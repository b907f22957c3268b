// The weights behind a seam as matrices [outputs, inputs], and which channel each of their columns multiplies.
import type { Layer, Network } from '../checkpoint/network.ts'
import { weightRows } from '../checkpoint/weights.ts'
import { eachBlock, type WeightRows } from '../quantize/rows.ts'
import type { Seam } from './seams.ts'

export interface Reader {
  layer: Layer
  weights: WeightRows
  columns: Int32Array // channel of the seam, [cols]
}

/** Readers whose columns are channels; a depthwise convolution has them as rows, where a factor changes no rounding. */
export function readersOf(network: Network, seam: Seam): Reader[] {
  return seam.readers.flatMap(({ tensor, axis, channels }) => {
    const layer = network.layers.find(({ name }) => name === tensor)
    if (!layer) return []
    const inputs = layer.order === 'rows' ? layer.shape[1] : layer.shape[0]
    const isColumns = layer.order === 'rows' ? axis === 1 : axis === 0
    if (!isColumns || inputs === undefined) return []
    const kernel = layer.cols / inputs
    const columns = Int32Array.from({ length: layer.cols }, (_, col) => {
      const input = Math.floor(col / kernel)
      return channels ? (channels[input] ?? -1) : input
    })
    return [{ layer, weights: weightRows(network, layer), columns }]
  })
}

/** Largest magnitude in the columns of each channel, [channels]. */
export function columnMaxima(readers: readonly Reader[], channels: number): Float32Array {
  const most = new Float32Array(channels)
  for (const { weights, columns } of readers) {
    const own = new Float32Array(weights.cols)
    eachBlock(weights, (data, begin, end) => {
      for (let row = 0; row < end - begin; row++)
        for (let col = 0, at = row * weights.cols; col < weights.cols; col++, at++) {
          const magnitude = Math.abs(data[at] as number)
          if (magnitude > (own[col] as number)) own[col] = magnitude
        }
    })
    columns.forEach((channel, col) => {
      if (channel >= 0) most[channel] = Math.max(most[channel] ?? 0, own[col] ?? 0)
    })
  }
  return most
}
