import { readFloat32 } from '../checkpoint/weights.ts'
import type { Tasks } from '../protocol.ts'
import { cachedNetwork, layerOf } from './cache.ts'

const chunk = 1 << 20 // elements read at once

/** Distribution of one layer's weights, read in chunks twice: once for the range, once for the counts. */
export function histogram(args: Tasks['histogram']['args']): Tasks['histogram']['result'] {
  const network = cachedNetwork(args.path)
  const layer = layerOf(network, args.layer)
  const total = layer.shape.reduce((product, size) => product * size, 1)
  const eachChunk = (visit: (values: Float32Array) => void): void => {
    for (let begin = 0; begin < total; begin += chunk)
      visit(readFloat32(network, layer.name, { begin, end: Math.min(total, begin + chunk) }))
  }

  let [min, max, count, mean, squares, zeros, nonFinite] = [Infinity, -Infinity, 0, 0, 0, 0, 0]
  eachChunk((values) => {
    for (const value of values) {
      if (!Number.isFinite(value)) {
        nonFinite += 1
        continue
      }
      if (value === 0) zeros += 1
      if (value < min) min = value
      if (value > max) max = value
      // Welford's update: no cancellation however far the mean lies from zero
      count += 1
      const delta = value - mean
      mean += delta / count
      squares += delta * (value - mean)
    }
  })
  if (count === 0) [min, max] = [0, 0]
  const width = max > min ? (max - min) / args.bins : 1
  const edges = Array.from({ length: args.bins + 1 }, (_, bin) => min + width * bin)
  const counts = new Array<number>(args.bins).fill(0)
  eachChunk((values) => {
    for (const value of values) {
      if (!Number.isFinite(value)) continue
      const bin = Math.min(args.bins - 1, Math.floor((value - min) / width))
      counts[bin] = (counts[bin] ?? 0) + 1
    }
  })
  return {
    layer: layer.name,
    edges,
    counts,
    min,
    max,
    mean,
    standardDeviation: count > 0 ? Math.sqrt(squares / count) : 0,
    zeros,
    nonFinite,
  }
}
