// Channel importance from parameters alone (ISCS).
//   Wang et al. 2025, "ISCS: Parameter-Guided Channel Ordering and Grouping for Learned Image Compression": the
//   variance of a channel's weights, the size of its bias and its correlation with the other channels tell which channels
//   are salient, without data.
//   v_i = var(w_i)   b_i = |bias_i|   c_i = mean over j of |corr(w_i, w_j)|   each divided by its largest in the layer
//   importance_i = (a v_i + b b_i + g (1 - c_i)) / (a + b + g)
// The text found names the three and not how they are joined: the weighted mean is an assumption (weights are parameters), and
// so is that a channel like many others matters less, since they can stand in for it. 'order' is the channel's place in the
// ordering, 0 the most important. Embeddings and heads have no channels that could be left out.
// Cost: one pass over the weights; rows^2 cols products for the correlations, on kernels/linear/multiply, in panels.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { ScoreValue } from '../../../src-preload/contract/methods.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { readFloat32, readMatrix } from '../checkpoint/weights.ts'
import { findUses } from '../graph/uses.ts'
import { multiply } from '../kernels/linear/multiply.ts'
import { wiringOf } from '../prepare/linears.ts'
import { defineScore } from './define.ts'

const TITLE = 'Channel importance (ISCS)'
const PANEL = 512 // channels whose correlations are held at a time
const MOST_VALUES = 16384 // of one result

export interface ChannelStatistics {
  variance: Float64Array
  bias: Float64Array // sizes
  correlation: Float64Array // mean |corr| with the others
}

/** Statistics of the channels of a weight [rows, cols]. A channel that is constant is correlated with none. */
export async function channelStatistics(
  data: Float32Array,
  rows: number,
  cols: number,
  bias: Float32Array | null,
): Promise<ChannelStatistics> {
  const variance = new Float64Array(rows)
  const unit = new Float32Array(rows * cols) // rows of mean 0 and length 1
  for (let r = 0; r < rows; r++) {
    const row = data.subarray(r * cols, (r + 1) * cols)
    let [sum, squares] = [0, 0]
    for (const w of row) sum += w
    const mean = sum / cols
    for (const w of row) squares += (w - mean) ** 2
    variance[r] = squares / cols
    const scale = squares > 1e-14 * cols * mean * mean ? 1 / Math.sqrt(squares) : 0
    for (let c = 0; c < cols; c++) unit[r * cols + c] = ((row[c] ?? 0) - mean) * scale
  }
  const correlation = new Float64Array(rows)
  for (let from = 0; from < rows; from += PANEL) {
    const m = Math.min(PANEL, rows - from)
    const a = unit.subarray(from * cols, (from + m) * cols)
    const products = await multiply({ a, b: unit, m, n: rows, k: cols, transB: true })
    for (let r = 0; r < m; r++) {
      let sum = -Math.abs(products[r * rows + from + r] ?? 0) // itself
      for (let j = 0; j < rows; j++) sum += Math.abs(products[r * rows + j] ?? 0)
      correlation[from + r] = rows > 1 ? Math.min(1, Math.max(0, sum / (rows - 1))) : 0
    }
  }
  return { variance, bias: Float64Array.from({ length: rows }, (_, r) => Math.abs(bias?.[r] ?? 0)), correlation }
}

export interface ChannelWeights {
  variance: number
  bias: number
  correlation: number
}

/** Importance of each channel, 0 .. 1. */
export function importanceOf(statistics: ChannelStatistics, weights: ChannelWeights): Float64Array {
  const scaled = (x: Float64Array) => {
    const largest = x.reduce((most, value) => Math.max(most, value), 0)
    return x.map((value) => (largest > 0 ? value / largest : 0))
  }
  const [variance, bias, correlation] = [statistics.variance, statistics.bias, statistics.correlation].map(scaled)
  const total = weights.variance + weights.bias + weights.correlation
  return statistics.variance.map(
    (_, i) =>
      (weights.variance * (variance?.[i] ?? 0) +
        weights.bias * (bias?.[i] ?? 0) +
        weights.correlation * (1 - (correlation?.[i] ?? 0))) /
      total,
  )
}

const scored = ({ layers }: Network): Layer[] =>
  layers.filter(({ compressible, role, op }) => compressible && op !== 'Gather' && role !== 'embed' && role !== 'head')

/** The bias of each layer: of its operator, or added behind its product; by name where there is no graph. */
function biasesOf(network: Network): (layer: Layer) => Float32Array | null {
  const { graph, source } = network
  const uses = graph && findUses(graph)
  const linears = new Map(
    graph ? [...wiringOf(graph).linears.values()].map(({ weight, bias }) => [weight, bias] as const) : [],
  )
  return ({ name, rows, op }) => {
    const node = uses?.of(name)[0]?.node
    const own = /Conv|Gemm/.test(op) ? node?.inputs[2] : undefined
    const tensor = own ?? linears.get(name) ?? (graph ? '' : name.replace(/weight$/, 'bias'))
    if (tensor === '' || tensor === name || !source.tensors.has(tensor)) return null
    const bias = readFloat32(network, tensor)
    return bias.length === rows ? bias : null
  }
}

export const iscs = defineScore({
  id: 'iscs',
  title: TITLE,
  summary: 'Which output channels of each layer matter, from their weights and biases alone: an order for pruning.',
  cite: 'Wang et al. 2025, ISCS: Parameter-Guided Channel Ordering and Grouping for Learned Image Compression',
  formula: 'weighted mean of weight variance, |bias| and 1 - mean |correlation|, each over its largest in the layer',
  cost: 'one pass over the weights, and the correlations of all channels of a layer',
  needs: ['weights'],
  version: 1,
  params: z
    .object({
      variance: z.number().min(0).max(1).default(1).describe('Weight of the variance of a channel’s weights'),
      bias: z.number().min(0).max(1).default(1).describe('Weight of the size of its bias'),
      correlation: z.number().min(0).max(1).default(1).describe('Weight of how little it is like the others'),
    })
    .refine(({ variance, bias, correlation }) => variance + bias + correlation > 0, 'one weight must be above 0'),
  per: () => 'channel',
  values: () => [],
  start: (network, weights) => ({
    see: () => undefined,
    async finish({ context }) {
      const layers = scored(network)
      if (layers.length === 0)
        throw new Fault('unsupported', `${TITLE}: ${network.name} has no layer with channels.`, {
          data: { file: network.path },
        })
      const biasOf = biasesOf(network)
      const channels = layers.reduce((sum, { rows }) => sum + rows, 0)
      const most = channels > MOST_VALUES ? Math.max(2, Math.floor(MOST_VALUES / layers.length)) : Infinity
      const values: ScoreValue[] = []
      for (const [index, layer] of layers.entries()) {
        context.progress({ fraction: index / layers.length, step: layer.name })
        const { data, rows, cols } = readMatrix(network, layer)
        requireFiniteWeights(data, layer, network)
        const statistics = await channelStatistics(data, rows, cols, biasOf(layer))
        const importance = importanceOf(statistics, weights)
        const order = Array.from(importance.keys()).sort((i, j) => (importance[j] ?? 0) - (importance[i] ?? 0) || i - j)
        const kept = order.flatMap((channel, place) =>
          place < most / 2 || order.length - place <= most / 2 ? [{ channel, place }] : [],
        )
        for (const { channel, place } of kept.sort((a, b) => a.channel - b.channel))
          values.push({
            key: `${layer.name}/${channel}`,
            value: importance[channel] ?? 0,
            parts: {
              'weight variance': statistics.variance[channel] ?? 0,
              '|bias|': statistics.bias[channel] ?? 0,
              correlation: statistics.correlation[channel] ?? 0,
              order: place,
            },
          })
      }
      const notes =
        most < Infinity
          ? [
              `${channels} channels are too many for one list: of each layer the ${Math.floor(most / 2)} most and least important ones are given.`,
            ]
          : []
      return { values, notes }
    },
  }),
})

function requireFiniteWeights(data: Float32Array, { name, cols }: Layer, network: Network): void {
  const faulty = data.findIndex((w) => !Number.isFinite(w))
  if (faulty < 0) return
  throw new Fault('bad-input', `${name}: the weight of channel ${Math.floor(faulty / cols)} is ${data[faulty]}.`, {
    hint: 'Look at the checkpoint: its weights must be finite.',
    data: { file: network.path, tensor: name, expected: 'finite weights', found: String(data[faulty]) },
  })
}
