// Layer-adaptive pruning by exact dynamic programming against one share for all layers and one threshold for all weights.
//   Xu et al. 2023, "Efficient Joint Optimization of Layer-Adaptive Weight Pruning in Deep Neural Networks": the distortion of the
//   network's output adds up over layers; a dynamic program picks each layer's share.
// Nothing is retrained, BatchNorm is folded and stays, all ways prune the same layers by the same pruner: SparseGPT, block by
// block on what the pruned blocks before give, with or without matching the original network (prepare/match-original.ts).
// What one threshold for all weights leaves of each layer (global magnitude) is pruned by that pruner, too. The program's
// losses: each layer pruned alone, the change of the network's logits on calibration images.
//   node test/bench/rd-pruning.ts [models=resnet32,resnet56] [images=256] [test images=all] [budgets=0.7,0.8,0.9,0.95] [ways=plain,matched]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { collectHessians } from '../../src-main/engine/calibrate/collect.ts'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import type { Layer, Network } from '../../src-main/engine/checkpoint/network.ts'
import { readFloat32, toMemoryOrder, weightReader } from '../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../src-main/engine/data/open.ts'
import type { Batch, DataPart, Dataset } from '../../src-main/engine/data/types.ts'
import { cutBefore, segment } from '../../src-main/engine/graph/segment.ts'
import type { Graph } from '../../src-main/engine/graph/ir.ts'
import { solve } from '../../src-main/engine/allocate/knapsack.ts'
import { topOfRows } from '../../src-main/engine/kernels/select/select.ts'
import { biasedLayers } from '../../src-main/engine/prepare/channel-means.ts'
import { matchOriginal } from '../../src-main/engine/prepare/match-original.ts'
import { readArtifact } from '../../src-main/engine/quantize/artifact.ts'
import { dequantize } from '../../src-main/engine/quantize/dequantize.ts'
import { pruneWithFeedback } from '../../src-main/engine/sparsify/feedback.ts'
import { openSession } from '../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../src-main/engine/runtime/types.ts'
import type { Option } from '../../src-preload/contract/plan.ts'
import { runPieces } from '../engine/calibrate/run.ts'
import { quiet } from '../engine/score/network.ts'
import { dataPath, hasData, skipReason } from '../helpers/data.ts'

const BATCH = 128
const ladder = [0, 0.3, 0.5, 0.6, 0.7, 0.78, 0.84, 0.88, 0.91, 0.935, 0.955, 0.97, 0.98, 0.99]

type Feeds = Record<string, TensorValue>
type Weights = ReadonlyMap<string, Float32Array>
interface Pruned {
  layer: Layer
  original: Float32Array
}
/** The weight with so many entries left, the others 0. */
type Pruner = (one: Pruned, count: number) => Float32Array | Promise<Float32Array>

const ways = ['plain', 'matched'] as const

interface Sizes {
  models?: readonly string[]
  images?: number // calibration images
  test?: number // test images; default all
  budgets?: readonly number[] // shares of zeros
  by?: readonly (typeof ways)[number][]
}

interface Subject {
  name: string
  network: Network
  graph: Graph
  dataset: Dataset
  layers: Pruned[]
  test: Batch[]
}

export async function benchRdPruning({
  models = ['resnet32', 'resnet56'],
  images = 256,
  test = Infinity,
  budgets = [0.7, 0.8, 0.9, 0.95],
  by = ways,
}: Sizes = {}): Promise<void> {
  if (!hasData) return console.log(`rd-pruning skipped: ${skipReason}`)
  for (const name of models) {
    const network = openNetwork(dataPath('cifar10', `${name}.onnx`))
    const { graph } = network
    if (graph === null) throw new Error(`${name} has no graph`)
    const dataset = await openDataset({ path: dataPath('cifar10', 'data.yaml'), split: 'auto' }, network)
    const layers = network.layers
      .filter((layer) => layer.compressible && graph.initializers.has(layer.name))
      .map((layer): Pruned => ({ layer, original: readFloat32(network, layer.name) }))
    const subject = { name, network, graph, dataset, layers, test: await batchesOf(dataset.evaluate, test) }
    const began = performance.now()
    const calibration = await batchesOf(dataset.calibrate, images)
    const losses = await measure(subject, await sparseGpt(network, dataset, images), calibration)
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    console.log(
      `\nrd-pruning: ${name}, ${layers.length} layers, ${weightsOf(layers)} weights, losses on ${images} images (${seconds} s), top-1 on ${samplesIn(subject.test)} test images, dense ${percent(await accuracy(subject, new Map()))}`,
    )
    for (const way of by) await compare(subject, losses, budgets, { matched: way === 'matched', images })
  }
}

const weightsOf = (layers: readonly Pruned[]) => layers.reduce((sum, { original }) => sum + original.length, 0)
const samplesIn = (batches: readonly Batch[]) => batches.reduce((sum, { size }) => sum + size, 0)

async function sparseGpt(network: Network, dataset: Dataset, samples: number): Promise<Pruner> {
  const hessians = await collectHessians(network, dataset, { samples, device: 'cpu' }, quiet)
  return async ({ layer, original }, count) => {
    const [hessian] = hessians.get(layer.name) ?? []
    const [own] = [hessians.get(layer.name)?.length ?? 0]
    if (!hessian || own !== 1) throw new Error(`${layer.name} has ${own} Hessians`)
    const { rows, cols } = layer
    const part = { weights: original, rows, cols, hessian, keptUpTo: (share: number) => Math.round(share * count) }
    const how = {
      pattern: 'unstructured',
      sparsity: 0,
      width: 32,
      groupSize: 0,
      unit: 1,
      damping: 0.01,
      sweeps: 2,
    } as const
    const { values } = await pruneWithFeedback(part, how, { layer: layer.name })
    return values
  }
}

async function batchesOf(part: DataPart, limit: number): Promise<Batch[]> {
  const batches: Batch[] = []
  for await (const batch of part.batches({ batchSize: BATCH, limit: Math.min(limit, part.samples) }))
    batches.push(batch)
  return batches
}

async function compare(
  subject: Subject,
  losses: { squared: Float64Array[]; kl: Float64Array[] },
  budgets: readonly number[],
  how: { matched: boolean; images: number },
): Promise<void> {
  const { layers } = subject
  const total = weightsOf(layers)
  console.log(how.matched ? 'matching the original' : 'each layer by itself')
  console.log(
    '   zeros   uniform    global  DP, output error  DP, KL   kept by the first DP (first, last, least, most of a layer)',
  )
  for (const sparsity of budgets) {
    const kept = Math.round((1 - sparsity) * total)
    const plans = {
      uniform: layers.map(({ original }) => Math.round((1 - sparsity) * original.length)),
      global: globalCounts(layers, kept),
      squared: byProgram(layers, losses.squared, kept),
      kl: byProgram(layers, losses.kl, kept),
    }
    const found: string[] = []
    for (const [name, counts] of Object.entries(plans)) {
      const spent = counts.reduce((sum, count) => sum + count, 0)
      if (spent > kept + layers.length) throw new Error(`${name} keeps ${spent} of ${kept} weights`)
      found.push(percent(await prunedAccuracy(subject, counts, how)))
    }
    const shares = layers.map(({ original }, i) => (plans.squared[i] ?? 0) / original.length)
    const told = [shares[0] ?? 0, shares.at(-1) ?? 0, Math.min(...shares), Math.max(...shares)].map(percent).join(' ')
    console.log(`${percent(sparsity)}  ${found.join('  ')}        ${told}`)
  }
}

/** Top-1 after a whole calibrated run with so many weights kept of each layer. */
async function prunedAccuracy(
  subject: Subject,
  counts: readonly number[],
  { matched, images }: { matched: boolean; images: number },
): Promise<number> {
  const { network, dataset, graph, layers } = subject
  const folder = mkdtempSync(join(tmpdir(), 'lathe-rd-'))
  try {
    const zeros = new Map(layers.map(({ layer, original }, i) => [layer.name, 1 - (counts[i] ?? 0) / original.length]))
    const option = ({ name }: Layer): Option | null => {
      const sparsity = zeros.get(name) ?? 0
      const parameters = { pattern: 'unstructured', sparsity, width: 16 }
      return sparsity > 0 ? { id: `sparsegpt-${sparsity}`, method: 'sparsegpt', bits: 16, parameters } : null
    }
    const biases = new Map(biasedLayers(graph).map(({ weight, bias }) => [weight, bias]))
    const pieces = await runPieces(network, dataset, {
      samples: images,
      folder,
      option,
      ...(matched && { matching: biases }),
    })
    const compressed = new Map<string, Float32Array>()
    for (const { layer, path } of pieces.flatMap(({ artifacts }) => artifacts)) {
      const own = layers.find((each) => each.layer.name === layer)
      if (own) compressed.set(layer, toMemoryOrder(own.layer, dequantize(readArtifact(path))))
    }
    if (!matched) return await accuracy(subject, compressed)
    const args = { network, dataset, samples: images, seed: 0, device: 'cpu', compressed } as const
    const measured = (await matchOriginal.measure?.(args, {}, quiet)) ?? null
    return await accuracy({ ...subject, network: matchOriginal.apply(network, {}, { seed: 0, measured }) }, compressed)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`.padStart(8)

/** What one threshold for all leaves of each layer. */
function globalCounts(layers: readonly Pruned[], kept: number): number[] {
  const all = new Float32Array(layers.reduce((sum, { original }) => sum + original.length, 0))
  let at = 0
  for (const { original } of layers) {
    all.set(original, at)
    at += original.length
  }
  const mask = topOfRows(all, 1, all.length, kept)
  at = 0
  return layers.map(({ original }) => {
    const count = mask.subarray(at, at + original.length).reduce((sum, bit) => sum + bit, 0)
    at += original.length
    return count
  })
}

const countAt = ({ original }: Pruned, step: number): number => Math.round((1 - (ladder[step] ?? 0)) * original.length)

/** The least sum of losses with at most so many weights. */
function byProgram(layers: readonly Pruned[], losses: readonly Float64Array[], kept: number): number[] {
  const choices = layers.map((each, i) => ({
    bytes: Float64Array.from(ladder, (_, step) => countAt(each, step)),
    loss: losses[i] ?? new Float64Array(ladder.length),
  }))
  const { choice } = solve(choices, kept)
  return layers.map((each, i) => countAt(each, choice[i] ?? 0))
}

/** Losses of every layer at every share, alone: mean squared change of the logits, and KL divergence. */
async function measure({ network, graph, layers }: Subject, prune: Pruner, batches: readonly Batch[]) {
  const outputs = graph.outputs.map(({ name }) => name)
  const squared = layers.map(() => new Float64Array(ladder.length))
  const kl = layers.map(() => new Float64Array(ladder.length))
  const whole = await logits(network, graph, batches.map(({ feeds }) => feeds), new Map()) // prettier-ignore
  const blocks = [...new Set(layers.map(({ layer }) => layer.block))]
  for (const block of blocks) {
    const found = network.blocks.find(({ index }) => index === block)
    const cut = found ? cutBefore(graph, found) : []
    const suffix = cut.length > 0 ? segment(graph, { inputs: cut, outputs }) : graph
    const feeds = cut.length > 0 ? await runAll(network, segment(graph, { outputs: cut }), batches.map((b) => b.feeds), new Map()) : batches.map((b) => b.feeds) // prettier-ignore
    for (const [i, each] of layers.entries()) {
      if (each.layer.block !== block) continue
      for (let step = 1; step < ladder.length; step++) {
        const weights = new Map([[each.layer.name, await prune(each, countAt(each, step))]])
        const changed = await logits(network, suffix, feeds, weights)
        const distance = distanceOf(whole, changed)
        for (const [to, value] of [
          [squared, distance.squared],
          [kl, distance.kl],
        ] as const) {
          // prettier-ignore
          const own = to[i]
          if (own) own[step] = value
        }
      }
    }
  }
  return { squared, kl }
}

async function runAll(network: Network, graph: Graph, feeds: readonly Feeds[], weights: Weights): Promise<Feeds[]> {
  const session = await openSession(graph, weightReader(network, weights), { device: 'cpu' }, console.log)
  const found: Feeds[] = []
  for (const one of feeds) {
    const wanted = Object.fromEntries(session.inputNames.map((name) => [name, one[name] as TensorValue]))
    found.push(await session.run(wanted))
  }
  await session.release()
  return found
}

async function logits(
  network: Network,
  graph: Graph,
  feeds: readonly Feeds[],
  weights: Weights,
): Promise<Float32Array[]> {
  const name = graph.outputs[0]?.name ?? ''
  return (await runAll(network, graph, feeds, weights)).map((one) => one[name]?.data as Float32Array)
}

const CLASSES = 10

function distanceOf(a: readonly Float32Array[], b: readonly Float32Array[]): { squared: number; kl: number } {
  let [squared, kl, rows] = [0, 0, 0]
  for (const [i, before] of a.entries())
    for (let at = 0; at < before.length; at += CLASSES, rows++) {
      const [x, y] = [before.subarray(at, at + CLASSES), b[i]?.subarray(at, at + CLASSES) ?? new Float32Array()]
      const [p, q] = [logSoftmax(x), logSoftmax(y)]
      for (let c = 0; c < CLASSES; c++) {
        squared += ((x[c] ?? 0) - (y[c] ?? 0)) ** 2
        kl += Math.exp(p[c] ?? 0) * ((p[c] ?? 0) - (q[c] ?? 0))
      }
    }
  return { squared: squared / rows, kl: kl / rows }
}

function logSoftmax(x: Float32Array): number[] {
  const most = Math.max(...x)
  const sum = x.reduce((total, value) => total + Math.exp(value - most), 0)
  return Array.from(x, (value) => value - most - Math.log(sum))
}

async function accuracy({ network, test }: Subject, weights: Weights): Promise<number> {
  const { graph } = network
  if (graph === null) return NaN
  const all = await logits(network, graph, test.map(({ feeds }) => feeds), weights) // prettier-ignore
  let [right, rows] = [0, 0]
  for (const [i, { targets }] of test.entries())
    targets?.forEach((target, row) => {
      const own = all[i]?.subarray(row * CLASSES, (row + 1) * CLASSES) ?? new Float32Array()
      right += Number(own.indexOf(Math.max(...own)) === target)
      rows++
    })
  return right / rows
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [models, images, test, budgets, by] = process.argv.slice(2)
  await benchRdPruning({
    ...(models && { models: models.split(',') }),
    ...(images && { images: Number(images) }),
    ...(test && { test: test === 'all' ? Infinity : Number(test) }),
    ...(budgets && { budgets: budgets.split(',').map(Number) }),
    ...(by && { by: ways.filter((way) => by.split(',').includes(way)) }),
  })
}
