// Layer-wise relevance: how much of what decides an output passes through each layer.
//   Ranjan & Savakis 2024, "LRP-QViT: Mixed-Precision Vision Transformer Quantization via Layer-wise Relevance Propagation",
//   section 3; its rules are those of Chefer et al. 2021, "Transformer Interpretability Beyond Attention Visualization",
//   section 3; attention and norms after Achtibat et al. 2024, "AttnLRP", section 3.3. The rules are in relevance/rules.ts.
//   R starts as 1 at the predicted class of each output row (image, token) and goes back to the data; at every cut it adds
//   up to 1 again.     value(layer) = mean over rows of sum R at the layer's output, from 0 to 1 for each use of it
// A branch beside a residual connection gets the part of the stream's relevance that it wrote; in a chain without branches
// all of it passes through every layer, and only the parts tell layers apart:
//   spread = (sum_c R_c)^2 / (channels sum_c R_c^2): 1 when all output channels matter alike, 1 / channels when one does
//   perWeight = value / (share of all weights that are here)
// Assumed, since the paper leaves it open to us: the predicted class is explained, and rows count alike.
// Cost: one forward pass, and back about four times its products; all activations of one batch, and the weights, their
// magnitudes and both turned, are in memory at once. Needs weights and activations.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { ScoreMap, ScoreValue } from '../../../src-preload/contract/methods.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { weightReader } from '../checkpoint/weights.ts'
import type { Batch } from '../data/types.ts'
import { logitsValue } from '../evaluate/output.ts'
import { scoredUnit } from '../evaluate/task.ts'
import { openSession } from '../runtime/session.ts'
import type { Session, TensorValue } from '../runtime/types.ts'
import { type Bench, defineScore, type Finding } from './define.ts'
import { borderReadings, type LayerReading, layerReadings } from './relevance/layers.ts'
import { readSizes, type Sizes } from './relevance/sizes.ts'
import { type Explained, type Reading, relevanceGraph, type RelevanceGraph } from './relevance/walk.ts'

/** Beyond this share, what was lost to constants or to rounding is noted. */
const conserved = 1e-3

interface Plan {
  explained: Explained
  readings: LayerReading[]
  borders: Reading[]
  graph: RelevanceGraph
}

/** Faults 'unsupported' where the network cannot be run, is not of 32-bit floats, or has an operator without a rule. */
export function planRelevance(network: Network, sizes?: Sizes): Plan {
  const value = network.graph && logitsValue(network.graph)
  if (!network.graph || value === null)
    throw new Fault('unsupported', `${network.name} holds tensors only: relevance needs a graph to run.`, {
      hint: 'Choose a score that needs weights only.',
      data: { file: network.path },
    })
  const other = [...network.graph.initializers.values()].find(({ dtype }) => dtype === 'float16' || dtype === 'float64')
  if (other)
    throw new Fault('unsupported', `Relevance is computed in 32-bit floats; "${other.name}" is ${other.dtype}.`, {
      hint: 'Export the network with 32-bit weights.',
      data: { file: network.path, tensor: other.name, expected: 'float32', found: other.dtype },
    })
  const explained: Explained = { value, unit: scoredUnit(network) ?? 'features' }
  const readings = layerReadings(network, network.graph)
  const borders = borderReadings(network)
  const graph = relevanceGraph(network.graph, explained, [...readings, ...borders], sizes)
  return { explained, readings, borders, graph }
}

/** Rows of the output that are padding do not count. */
function rowsOf({ targets }: Batch, unit: Explained['unit']): TensorValue {
  const rows =
    targets && unit === 'token' ? Float32Array.from(targets, (target) => (target < 0 ? 0 : 1)) : Float32Array.of(1)
  return { dtype: 'float32', dims: [rows.length, 1], data: rows }
}

const batching = ({ unit }: Explained, limit: number) => ({ batchSize: unit === 'token' ? 1 : 16, limit })

/** Shapes on the first batch. */
async function sizesOf({ network, dataset, samples, device, context }: Bench): Promise<Sizes | undefined> {
  const { explained } = planRelevance(network)
  for await (const batch of dataset?.calibrate.batches(batching(explained, samples)) ?? [])
    return readSizes(network, explained.value, batch, { device, notify: context.notify })
  return undefined
}

interface Sums {
  total: number
  absorbed: number
  read: Float64Array[] // of each reading, layers first, then borders: relevance of its channels
}

async function measure(session: Session, plan: Plan, bench: Bench): Promise<Sums> {
  const { graph, explained } = plan
  const { dataset, samples, context } = bench
  const sums: Sums = { total: 0, absorbed: 0, read: graph.readings.map(() => new Float64Array()) }
  let done = 0
  for await (const batch of dataset?.calibrate.batches(batching(explained, samples)) ?? []) {
    const fed: Record<string, TensorValue> = { ...batch.feeds, [graph.rows]: rowsOf(batch, explained.unit) }
    const feeds = Object.fromEntries(Object.entries(fed).filter(([name]) => session.inputNames.includes(name)))
    const found = await session.run(feeds)
    const read = (name: string | null) => (name === null ? [] : Array.from(found[name]?.data ?? [], Number))
    sums.total += read(graph.total)[0] ?? 0
    sums.absorbed += read(graph.absorbed)[0] ?? 0
    graph.readings.forEach((name, index) => {
      const before = sums.read[index] ?? []
      sums.read[index] = Float64Array.from(read(name), (value, channel) => value + (before[channel] ?? 0))
    })
    done += batch.size
    context.progress({ fraction: Math.min(1, done / samples), step: `${done} of ${samples} samples` })
  }
  if (done === 0) throw new Fault('bad-data', 'The data set has no calibration samples.')
  return sums
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((all, value) => all + value, 0)

export const lrp = defineScore({
  id: 'lrp',
  title: 'Layer-wise relevance (LRP-QViT)',
  summary: 'Share of what decides the output that passes through each layer, by layer-wise relevance propagation.',
  cite: 'Ranjan & Savakis 2024, LRP-QViT: Mixed-Precision Vision Transformer Quantization via Layer-wise Relevance Propagation, section 3',
  formula:
    'mean over rows of the sum of R at the layer’s output; R = 1 at the predicted class, conserved on its way back',
  cost: 'one forward pass and about four times as much backward; memory for the activations of one batch and 4 x the weights',
  needs: ['weights', 'activations'],
  version: 1,
  params: z.object({}),
  per: () => 'layer',
  values(network) {
    planRelevance(network) // says early what has no rule
    return []
  },
  start: (network) => ({
    see: () => undefined,
    async finish(bench) {
      const { device, context } = bench
      const plan = planRelevance(network, await sizesOf(bench))
      const session = await openSession(plan.graph.graph, weightReader(network), { device }, context.notify)
      try {
        return conclude(network, plan, await measure(session, plan, bench))
      } finally {
        await session.release()
      }
    },
  }),
})

function conclude(network: Network, plan: Plan, sums: Sums): Finding {
  const { readings } = plan
  const all = readings.reduce((total, { layer }) => total + layer.parameters, 0)
  const values = new Map<string, ScoreValue>()
  const shares = new Map<Layer, number>()
  readings.forEach(({ layer }, index) => {
    const channels = sums.read[index] ?? new Float64Array()
    const value = sum(channels) / sums.total + (shares.get(layer) ?? 0)
    shares.set(layer, value)
    const squares = sum(channels.map((relevance) => relevance * relevance))
    const spread = channels.length > 1 && squares > 0 ? sum(channels) ** 2 / (channels.length * squares) : null
    const parts = { perWeight: (value * all) / layer.parameters, ...(spread !== null && { spread }) }
    values.set(layer.name, { key: layer.name, value, parts })
  })
  return { values: [...values.values()], maps: mapOf(network, shares), notes: notesOf(plan, sums, shares) }
}

function notesOf({ readings, borders, graph }: Plan, sums: Sums, shares: ReadonlyMap<Layer, number>): string[] {
  const notes: string[] = []
  const lost = sums.absorbed / sums.total
  if (lost > conserved)
    notes.push(`${(100 * lost).toFixed(2)} % of the relevance ends in constants: class tokens, or biases over padding.`)
  const silent = readings.filter((_, index) => graph.readings[index] === null).map(({ layer }) => layer.name)
  if (silent.length > 0) notes.push(`Nothing that decides the output passes through ${silent.join(', ')}.`)
  const off = borders.map((_, index) => sum(sums.read[readings.length + index] ?? []) / sums.total)
  const worst = Math.max(0, ...off.map((share) => Math.max(share - 1, 1 - lost - share)))
  if (worst > conserved)
    notes.push(
      `Relevance is off by ${(100 * worst).toFixed(2)} % at one border between blocks: read small differences with care.`,
    )
  const [first = 0, ...others] = shares.values()
  if (others.every((share) => Math.abs(share - first) < 1e-3))
    notes.push('No layer stands beside a residual connection, so all have the same share; the parts tell them apart.')
  return notes
}

/** Blocks against roles: where a block's contribution is made. */
function mapOf(network: Network, shares: ReadonlyMap<Layer, number>): ScoreMap[] {
  const layers = [...shares].filter(([{ block }]) => block !== null)
  const roles = [...new Set(layers.map(([{ role }]) => role))]
  if (network.blocks.length === 0 || roles.length === 0) return []
  const rows = network.blocks.map(({ index }) => index)
  const at = (row: number, role: string) =>
    layers.reduce((all, [{ block, role: own }, share]) => (block === row && own === role ? all + share : all), 0)
  return [
    {
      title: 'Share of relevance by block and role',
      rows: rows.map(String),
      cols: roles,
      values: rows.flatMap((row) => roles.map((role) => at(row, role))),
    },
  ]
}
