// What flows into a layer: range, spread and entropy of every input channel over calibration data.
//   entropy = -sum p log2 p over a histogram of 64 equal bins between the channel's own least and greatest value (at most 6
//   bits, of a uniform one; an outlier that stretches the range lowers it)
import type { Xray } from '../../../src-preload/contract/scores.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { createLayerInputs, type LayerInput } from '../calibrate/inputs.ts'
import { realRows, weightsFor } from '../calibrate/rows.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import type { Dataset } from '../data/types.ts'
import { fromHalfBits } from '../kernels/float16.ts'
import { collect } from '../probe/collect.ts'
import type { TaskContext } from '../protocol.ts'
import type { TensorValue } from '../runtime/types.ts'
import { batchSizeFor } from '../score/samples.ts'

export type InputChannels = Omit<NonNullable<Xray['inputs']>, 'source'>

const BINS = 64
const MOST_KEPT = 1 << 23 // numbers: 32 MiB

/** Statistics of each column of a matrix [rows, channels]. */
export function channelStatistics(values: Float32Array, channels: number): InputChannels {
  const rows = values.length / channels
  const fill = (value: number) => new Float64Array(channels).fill(value)
  const [min, max, sum, squares] = [fill(Infinity), fill(-Infinity), fill(0), fill(0)]
  for (let i = 0; i < values.length; i++) {
    const [channel, value] = [i % channels, values[i] as number]
    if (value < (min[channel] as number)) min[channel] = value
    if (value > (max[channel] as number)) max[channel] = value
    sum[channel] = (sum[channel] as number) + value
    squares[channel] = (squares[channel] as number) + value * value
  }
  const counts = new Float64Array(channels * BINS)
  for (let i = 0; i < values.length; i++) {
    const channel = i % channels
    const span = (max[channel] as number) - (min[channel] as number)
    const share = span > 0 ? ((values[i] as number) - (min[channel] as number)) / span : 0
    const bin = channel * BINS + Math.min(BINS - 1, Math.floor(share * BINS))
    counts[bin] = (counts[bin] as number) + 1
  }
  const entropy = Array.from({ length: channels }, (_, channel) => {
    let bits = 0
    for (const count of counts.subarray(channel * BINS, (channel + 1) * BINS))
      if (count > 0) bits -= (count / rows) * Math.log2(count / rows)
    return Math.max(0, bits)
  })
  const mean = Array.from(sum, (value) => value / rows)
  const deviation = Array.from(squares, (value, channel) =>
    Math.sqrt(Math.max(0, value / rows - (mean[channel] ?? 0) ** 2)),
  )
  return { min: [...min], max: [...max], mean, deviation, entropy }
}

/** An activation as rows of channels, row-major. `turned`: channels stand before the last axis; `unfolded`: after the
 *  batch. */
export function rowsOfInput(kind: LayerInput['kind'], { dims, data }: TensorValue): Float32Array {
  const plain =
    data instanceof Float32Array
      ? data
      : Float32Array.from(data as Uint16Array, data instanceof Uint16Array ? fromHalfBits : Number)
  if (kind === 'rows') return plain
  const axis = kind === 'turned' ? dims.length - 2 : 1
  const channels = dims[axis] ?? 1
  const inner = dims.slice(axis + 1).reduce((product, size) => product * size, 1)
  const out = new Float32Array(plain.length)
  for (let i = 0; i < plain.length; i++) {
    const outer = Math.floor(i / (channels * inner))
    const channel = Math.floor(i / inner) % channels
    out[(outer * inner + (i % inner)) * channels + channel] = plain[i] as number
  }
  return out
}

/** One pass over calibration data up to the layer; null where nothing flows into it (a lookup, a layer in a subgraph).
 *  Padding is left out. Rows beyond 32 MiB are not kept: the first ones stand for all. */
export async function inputsOf(
  args: { network: Network; dataset: Dataset; layer: Layer; samples: number; device: DeviceId },
  context: TaskContext,
): Promise<Xray['inputs']> {
  const { network, dataset, layer, samples, device } = args
  const input = network.graph && createLayerInputs(network.graph).of(layer)
  if (!input) return null
  const { kind, value, picked } = input
  const parts: Float32Array[] = []
  let [kept, channels] = [0, 0]
  const pass = { network, part: dataset.calibrate, device, samples, batchSize: batchSizeFor(network) }
  const seen = await collect(
    { ...pass, values: picked === null ? [value] : [value, picked] },
    (found, batch) => {
      const tensor = found[value]
      if (!tensor || kept >= MOST_KEPT) return
      channels =
        (kind === 'rows' ? tensor.dims.at(-1) : tensor.dims[kind === 'turned' ? tensor.dims.length - 2 : 1]) ?? 1
      const rows = rowsOfInput(kind, tensor)
      const indices = picked === null ? null : (found[picked]?.data as BigInt64Array | Int32Array)
      const weights = weightsFor(realRows(network, batch), rows.length / channels, indices)
      const real = weights === null ? rows : realOnly(rows, weights, channels)
      parts.push(real.subarray(0, Math.min(real.length, Math.floor((MOST_KEPT - kept) / channels) * channels)))
      kept += real.length
    },
    context,
  )
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let from = 0
  for (const part of parts) {
    all.set(part, from)
    from += part.length
  }
  if (all.length === 0) return null
  const source = `${all.length / channels} rows of ${seen} calibration samples`
  return { ...channelStatistics(all, channels), source }
}

function realOnly(rows: Float32Array, weights: Float32Array, channels: number): Float32Array {
  const kept = [...weights.keys()].filter((row) => weights[row] !== 0)
  const out = new Float32Array(kept.length * channels)
  kept.forEach((row, at) => out.set(rows.subarray(row * channels, (row + 1) * channels), at * channels))
  return out
}
