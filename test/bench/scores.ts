// What the one-pass and weights-only scores are worth on real models: rank correlation with measured sensitivity, WeLore's ranks
// against uniform ones, and whether Q-VLM's dependency tells how much neighbours' errors act on one another.
import type { MethodUse } from '../../src-preload/contract/plan.ts'
import { spearman } from '../../src-preload/contract/layer-scores.ts'
import type { Layer, Network } from '../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { readMatrix, toMemoryOrder, weightReader } from '../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../src-main/engine/data/open.ts'
import type { Batch, Dataset } from '../../src-main/engine/data/types.ts'
import { createJudge } from '../../src-main/engine/evaluate/judge.ts'
import { segment } from '../../src-main/engine/graph/segment.ts'
import { gramOf, symmetricEigen } from '../../src-main/engine/kernels/linear/eigen.ts'
import { multiply } from '../../src-main/engine/kernels/linear/multiply.ts'
import { dequantize } from '../../src-main/engine/quantize/dequantize.ts'
import { applyPlain, optionsFor } from '../../src-main/engine/quantize/options.ts'
import { openSession } from '../../src-main/engine/runtime/session.ts'
import { measureScores } from '../../src-main/engine/score/measure.ts'
import { ranksFor } from '../../src-main/engine/score/spectrum/shape.ts'
import { spectrumOf } from '../../src-main/engine/score/spectrum/spectra.ts'
import { dataPath, hasData, skipReason } from '../helpers/data.ts'

const quiet = { progress: () => undefined, notify: () => undefined }
const BITS = 3
const models = [
  { name: 'language sample', path: 'resources/samples/language', data: 'resources/samples/language', samples: 8 },
  { name: 'novels-5m', path: dataPath('novels-5m'), data: dataPath('novels-5m'), samples: 2 },
  { name: 'resnet20', path: dataPath('cifar10/resnet20.onnx'), data: dataPath('cifar10'), samples: 64 },
  {
    name: 'vit-cifar10',
    path: dataPath('vit-cifar10/vit_tiny_cifar10.onnx'),
    data: dataPath('vit-cifar10'),
    samples: 64,
  },
]
const methods = ['lim', 'zd', 'luq', 'qvlm', 'welore', 'arank', 'dse', 'information-plane', 'snr']

type Losses = (weights: ReadonlyMap<string, Float32Array>) => Promise<number>

/** Mean KL in nats with some weights replaced, on a few calibration batches. */
async function judging(
  network: Network,
  dataset: Dataset,
  samples: number,
): Promise<{ loss: Losses; end: () => Promise<void> }> {
  if (network.graph === null) throw new Error('no graph')
  const judge = await createJudge(network, { device: 'cpu', notify: quiet.notify })
  const graph = segment(network.graph, { outputs: [judge.value] })
  const batches: Batch[] = []
  for await (const batch of dataset.calibrate.batches({ batchSize: Math.min(samples, 64), limit: samples }))
    batches.push(batch)
  const outputs = async (weights?: ReadonlyMap<string, Float32Array>) => {
    const session = await openSession(graph, weightReader(network, weights), { device: 'cpu' }, quiet.notify)
    const found: Float32Array[] = []
    for (const { feeds } of batches) {
      const fed = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name] as never]))
      found.push((await session.run(fed))[judge.value]?.data as Float32Array)
    }
    await session.release()
    return found
  }
  const original = await outputs()
  return {
    end: () => judge.release(),
    async loss(weights) {
      const changed = await outputs(weights)
      let [sum, rows] = [0, 0]
      for (const [index, batch] of batches.entries()) {
        const head = weights.get(network.head?.weight ?? '')
        const { kl } = await judge.compare(original[index] as never, changed[index] as never, batch.targets, head)
        for (const value of kl) sum += value
        rows += kl.length
      }
      return sum / rows
    },
  }
}

const rounded = (network: Network, layer: Layer): Float32Array => {
  const option = optionsFor(layer).find(({ bits }) => bits === BITS)
  if (!option) throw new Error(`${layer.name}: no ${BITS} bits`)
  return toMemoryOrder(layer, dequantize(applyPlain(readMatrix(network, layer), option)))
}

/** The weight projected on its leading singular directions. */
async function lowRank(network: Network, layer: Layer, rank: number): Promise<Float32Array> {
  const { data, rows, cols } = readMatrix(network, layer)
  const n = Math.min(rows, cols)
  if (rank >= n) return toMemoryOrder(layer, { data, rows, cols })
  const { gram } = await gramOf(data, rows, cols)
  const basis = symmetricEigen(gram, n).vectors.subarray(0, rank * n) // [rank, n]
  const project = await multiply({ a: basis, b: basis, m: n, n, k: rank, transA: true })
  const product =
    rows <= cols
      ? multiply({ a: project, b: data, m: n, n: cols, k: n })
      : multiply({ a: data, b: project, m: rows, n, k: n })
  return toMemoryOrder(layer, { data: await product, rows, cols })
}

const told = (x: number) => (Number.isFinite(x) ? x.toFixed(2).padStart(6) : '     -')

export async function benchScores(): Promise<void> {
  if (!hasData) console.log(`scores: the samples alone (${skipReason})`)
  for (const model of hasData ? models : models.slice(0, 1)) {
    const network = openNetwork(model.path)
    const dataset = await openDataset({ path: model.data, split: 'auto' }, network)
    const { loss, end } = await judging(network, dataset, model.samples)
    const layers = network.layers.filter(({ compressible, op }) => compressible && op !== 'Gather')
    const sensitivity = new Map<string, number>()
    for (const layer of layers)
      sensitivity.set(layer.name, await loss(new Map([[layer.name, rounded(network, layer)]])))
    console.log(
      `\n${model.name}: Spearman with the measured KL at ${BITS} bits, layer by layer, ${model.samples} samples`,
    )
    const results = await scoresOf(network, dataset)
    for (const [method, result] of results) {
      if (typeof result === 'string') console.log(`  ${method.padEnd(18)} ${result}`)
      else {
        const target = (key: string) =>
          result.per === 'layer'
            ? (sensitivity.get(key) ?? NaN)
            : layers
                .filter(({ block }) => `${block}` === key)
                .reduce((sum, { name }) => sum + (sensitivity.get(name) ?? 0), 0)
        const pairs = result.values
          .map(({ key, value }) => [value, target(key)] as const)
          .filter(([, y]) => Number.isFinite(y))
        const rho = spearman(pairs.map(([x]) => x), pairs.map(([, y]) => y)) // prettier-ignore
        console.log(
          `  ${method.padEnd(18)} ${told(rho ?? NaN)}  over ${pairs.length} ${result.per}s, ${result.seconds.toFixed(1)} s`,
        )
      }
    }
    await compareRanks(network, loss)
    const qvlm = results.get('qvlm')
    if (qvlm && typeof qvlm !== 'string') await compareNeighbours(network, loss, sensitivity, qvlm.values)
    await end()
  }
}

async function scoresOf(network: Network, dataset: Dataset) {
  const found = new Map<string, Awaited<ReturnType<typeof measureScores>>[number] | string>()
  for (const method of methods) {
    const use: MethodUse = { method, parameters: {} }
    try {
      const [result] = await measureScores({ network, dataset, device: 'cpu' }, [use], quiet)
      if (result) found.set(method, result)
    } catch (error) {
      found.set(method, error instanceof Error ? error.message : String(error))
    }
  }
  return found
}

async function compareRanks(network: Network, loss: Losses): Promise<void> {
  const inside = network.layers.filter(
    ({ compressible, block, op }) => compressible && block !== null && op !== 'Gather',
  )
  const spectra: Float64Array[] = []
  for (const layer of inside) spectra.push(await spectrumOf(network, layer))
  for (const ratio of [0.1, 0.2, 0.3, 0.5]) {
    const uniform = spectra.map(({ length }) => Math.max(1, Math.round((1 - ratio) * length)))
    const kl: number[] = []
    for (const ranks of [uniform, ranksFor(spectra, ratio).ranks]) {
      const weights = new Map<string, Float32Array>()
      for (const [index, layer] of inside.entries())
        weights.set(layer.name, await lowRank(network, layer, ranks[index] ?? 1))
      kl.push(await loss(weights))
    }
    console.log(`  ranks cut by ${ratio}: KL ${kl[0]?.toFixed(4)} uniform, ${kl[1]?.toFixed(4)} WeLore`)
  }
}

/** |KL(a and b) - KL(a) - KL(b)| / (KL(a) + KL(b)) of consecutive steps, against the dependency that Q-VLM gives them. */
async function compareNeighbours(
  network: Network,
  loss: Losses,
  sensitivity: ReadonlyMap<string, number>,
  values: readonly { key: string; parts?: Record<string, number> }[],
): Promise<void> {
  const layers = new Map(network.layers.map((layer) => [layer.name, layer]))
  const [dependency, interplay]: [number[], number[]] = [[], []]
  for (const [index, { key, parts }] of values.entries()) {
    const before = values[index - 1]?.key
    const [a, b] = [layers.get(before ?? ''), layers.get(key)]
    const own = parts?.['dependency on the step before']
    if (!a || !b || own === undefined) continue
    const both = await loss(new Map([a, b].map((layer) => [layer.name, rounded(network, layer)])))
    const alone = (sensitivity.get(a.name) ?? 0) + (sensitivity.get(b.name) ?? 0)
    dependency.push(own)
    interplay.push(Math.abs(both - alone) / alone)
  }
  const mean = interplay.reduce((sum, x) => sum + x, 0) / interplay.length
  console.log(
    `  Q-VLM dependency against the interplay of neighbours: Spearman ${told(spearman(dependency, interplay) ?? NaN)} over ${interplay.length} pairs (mean interplay ${(100 * mean).toFixed(1)} %)`,
  )
}
