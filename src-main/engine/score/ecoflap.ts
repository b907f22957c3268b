// Zeroth-order global importance (ECoFLaP).
//   Sung, Yoon & Bansal 2024, "ECoFLaP: Efficient Coarse-to-Fine Layer-Wise Pruning for Vision-Language Models", section 3.3;
//   the two-point estimate is that of Malladi et al. 2023, "MeZO", definition 1
//   d_k = (L(W + h z_k) - L(W - h z_k)) / (2 h), z_k ~ N(0, I);    E[d^2] = |grad_W L|^2
//   value(layer) = sqrt(mean over k of d_k^2): the norm of the gradient of the loss, without computing a gradient
// The authors' code takes |mean of d_k| over the draws on one sample; its spread does not shrink with more draws, that of the
// mean square does. h is epsilon times the root mean square of the layer's weights, so that small weights get small steps.
// L is the cross-entropy on calibration data, of its labels or, without labels, of the network's own answers. Each draw is
// made on one batch, in turn. parts.sparsity: the layer's share of zeros when all together have the asked one (ratios.ts).
// Cost: 2 x perturbations x layers runs of one batch, from the layer's block on. Needs weights and activations; labels only help.
import { z } from 'zod'
import { readFloat32, weightReader } from '../checkpoint/weights.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { openSession } from '../runtime/session.ts'
import type { TensorValue } from '../runtime/types.ts'
import { calibrate } from './calibration.ts'
import { labelsOf, lossGraph, measureLoss } from './cross-entropy.ts'
import { layersByCut } from './cuts.ts'
import { type Bench, defineScore } from './define.ts'
import { noiseBank, perturb } from './ecoflap/perturb.ts'
import { sparsityRatios } from './ecoflap/ratios.ts'

const params = z.object({
  perturbations: z.int().min(1).max(1024).default(16).describe('Draws of noise for each layer, each on one batch'),
  epsilon: z.number().positive().max(0.5).default(0.01).describe('Step, relative to the size of the layer’s weights'),
  sparsity: z.number().min(0).max(0.99).default(0.5).describe('Share of zeros of all layers together'),
  max: z.number().min(0).max(1).optional().describe('Most zeros in one layer; by default a tenth more than of all'),
})

/** Root mean square of the two-point estimates of `draws` directions; `loss(step, draw)` is L(W + step z_draw). */
export async function gradientNorm(
  loss: (step: number, draw: number) => number | Promise<number>,
  draws: number,
  step: number,
): Promise<number> {
  let squares = 0
  for (let draw = 0; draw < draws; draw++) {
    const difference = (await loss(step, draw)) - (await loss(-step, draw))
    squares += (difference / (2 * step)) ** 2
  }
  return Math.sqrt(squares / draws)
}

function rootMeanSquare(network: Network, { name }: Layer): number {
  const part = 1 << 20
  const weights = readFloat32(network, name)
  const stride = Math.max(1, Math.floor(weights.length / part)) // a sample is enough for a step
  let [sum, count] = [0, 0]
  for (let at = 0; at < weights.length; at += stride) {
    sum += (weights[at] ?? 0) ** 2
    count++
  }
  return Math.sqrt(sum / Math.max(1, count))
}

type Parameters = z.output<typeof params>

async function importances(bench: Bench, parameters: Parameters): Promise<Map<string, number>> {
  const { network, dataset, samples, device, seed, context } = bench
  if (dataset === null) return new Map()
  const calibration = await calibrate({ network, dataset, samples, device }, context)
  const labels = await labelsOf(
    bench,
    (await calibration.at([], context)).map(({ batch }) => batch),
  )
  const compressible = network.layers.filter(
    ({ compressible, name }) => compressible && network.graph?.initializers.has(name),
  )
  const total = compressible.length
  const found = new Map<string, number>()
  for (const { cut, layers } of layersByCut(network, compressible)) {
    const graph = lossGraph(network, cut)
    const noisy = perturb(
      graph.graph,
      layers.map(({ name }) => name),
    )
    const draw = noiseBank(noisy.length, parameters.perturbations, seed)
    const batches = await calibration.at(cut, context)
    const session = await openSession(noisy.graph, weightReader(network), { device }, context.notify)
    const scalar = (value: number): TensorValue => ({ dtype: 'float32', dims: [], data: Float32Array.of(value) })
    try {
      for (const layer of layers) {
        context.progress({ fraction: found.size / total, step: layer.name })
        const loss = async (step: number, k: number) => {
          const index = k % batches.length
          const feeds = { ...batches[index]?.batch.feeds, ...Object.fromEntries(batches[index]?.values ?? []) }
          for (const [name, input] of noisy.steps) feeds[input] = scalar(name === layer.name ? step : 0)
          feeds[noisy.noise] = draw(k)
          const { sum, rows } = await measureLoss(session, graph, feeds, labels[index] ?? new Int32Array())
          return sum / Math.max(1, rows)
        }
        const step = parameters.epsilon * (rootMeanSquare(network, layer) || 1)
        found.set(layer.name, await gradientNorm(loss, parameters.perturbations, step))
      }
    } finally {
      await session.release()
    }
  }
  return found
}

export const ecoflap = defineScore({
  id: 'ecoflap',
  title: 'Zeroth-order importance (ECoFLaP)',
  summary:
    'Norm of the loss gradient of each layer, from forward passes with noise on its weights; gives sparsity ratios.',
  cite: 'Sung, Yoon & Bansal 2024, ECoFLaP: Efficient Coarse-to-Fine Layer-Wise Pruning for Vision-Language Models, section 3.3',
  formula: 'sqrt(mean ((L(W + h z) - L(W - h z)) / 2h)^2), z ~ N(0, I)',
  cost: '2 x perturbations x layers runs of one batch, from the layer’s block on',
  needs: ['weights', 'activations'],
  version: 1,
  params,
  per: () => 'layer',
  values(network, { sparsity, max }) {
    lossGraph(network) // says early what has no loss
    sparsityRatios([], [], sparsity, max === undefined ? {} : { max })
    return []
  },
  start: (network, parameters) => ({
    see: () => undefined,
    async finish(bench) {
      const found = await importances(bench, parameters)
      const layers = network.layers.filter(({ name }) => found.has(name))
      const values = layers.map(({ name }) => found.get(name) ?? 0)
      const { sparsity, max } = parameters
      const sizes = layers.map((layer) => layer.parameters)
      const finite = values.every(Number.isFinite)
      const ratios = finite ? sparsityRatios(values, sizes, sparsity, max === undefined ? {} : { max }) : []
      return {
        values: layers.map(({ name }, index) => ({
          key: name,
          value: values[index] ?? 0,
          parts: { sparsity: ratios[index] ?? 0 },
        })),
      }
    },
  }),
})
