// Activation sparsity at a bounded loss (PPL-p%), and activation density (DEFT).
//   Luo et al. 2024, "Sparsing Law: Towards Large Language Models with Greater Activation Sparsity", section 3: the largest
//   share of activations that can be set to zero while the perplexity rises by at most p %, found by bisection
//   Runwal et al. 2024, "From PEFT to DEFT: Parameter Efficient Finetuning for Reducing Activation Density in Transformers",
//   section 3: density = share of activations of the feed-forward part that are not zero
//   x -> x where |x| > t, else 0;   rise(t) = exp(L(t) - L(0)) - 1, L = mean cross-entropy in nats
//   sparsity = share of |x| <= t at the largest t with rise(t) <= p / 100;   value = 1 - sparsity: what must be computed
// The activations are what a layer reads from an activation function (gated ones: the product); layers that read the same
// share one threshold. The paper bounds the rise of all layers together; here each layer is first tried alone, so that layers
// can be told apart, and then all thresholds are shrunk by one factor until they keep the bound together ("together").
// Classifiers have a perplexity too, exp of their cross-entropy; without labels their own answers count as right.
// Cost: layers x (steps + 2) runs of the calibration samples, from the layer's block on, and some of all. Needs activations.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { ScoreValue } from '../../../src-preload/contract/methods.ts'
import { weightReader } from '../checkpoint/weights.ts'
import type { Network } from '../checkpoint/network.ts'
import { openSession } from '../runtime/session.ts'
import type { Session, TensorValue } from '../runtime/types.ts'
import { activationSites, type Site, withThresholds, type Thresholds } from './activation/sites.ts'
import { calibrate, type CalibrationBatch } from './calibration.ts'
import { columnOf, labelsOf, type LossGraph, lossGraph } from './cross-entropy.ts'
import { layersByCut } from './cuts.ts'
import { type Bench, defineScore, type Finding } from './define.ts'

const params = z.object({
  percent: z.number().positive().max(1000).default(1).describe('Rise of the perplexity that is allowed, in percent'),
  steps: z.int().min(1).max(30).default(10).describe('Bisections for each layer'),
})

/** Thresholds are looked for between this share of the largest activation and the largest itself. */
const smallestShare = 1e-6

/** Largest t in (0, high] with fits(t), by bisection of its logarithm; 0 where none of those tried fits. `fits` is taken to
 *  hold below any t where it holds. */
export async function largestThreshold(
  fits: (threshold: number) => Promise<boolean>,
  high: number,
  steps: number,
): Promise<number> {
  if (high <= 0 || (await fits(high))) return high
  let [low, above, found] = [Math.log(high * smallestShare), Math.log(high), 0]
  for (let step = 0; step < steps; step++) {
    const middle = (low + above) / 2
    if (await fits(Math.exp(middle))) [low, found] = [middle, Math.exp(middle)]
    else above = middle
  }
  return found
}

interface Measured {
  loss: number // mean cross-entropy
  kept: number[] // of each threshold
  largest: number[]
}

/** The network from a cut on, with thresholds. */
interface Trial {
  thresholds: Thresholds[]
  run(values: readonly number[]): Promise<Measured>
  release(): Promise<void>
}

async function openTrial(bench: Bench, cut: string[], sites: readonly Site[], labels: Int32Array[]): Promise<Trial> {
  const { network, dataset, samples, device, context } = bench
  if (dataset === null) throw new Error('activations need data')
  const calibration = await calibrate({ network, dataset, samples, device }, context)
  const batches = await calibration.at(cut, context)
  const loss = lossGraph(network, cut)
  const { graph, thresholds } = withThresholds(
    loss.graph,
    sites.map(({ value }) => value),
  )
  const session = await openSession(graph, weightReader(network), { device }, context.notify)
  return {
    thresholds,
    run: (values) => measure({ session, loss, thresholds }, batches, labels, values),
    release: () => session.release(),
  }
}

interface Opened {
  session: Session
  loss: LossGraph
  thresholds: Thresholds[]
}

async function measure(
  { session, loss, thresholds }: Opened,
  batches: readonly CalibrationBatch[],
  labels: readonly Int32Array[],
  values: readonly number[],
): Promise<Measured> {
  const found: Measured = { loss: 0, kept: thresholds.map(() => 0), largest: thresholds.map(() => 0) }
  let [rows, size] = [0, 0]
  for (const [at, { batch, values: known }] of batches.entries()) {
    const targets = labels[at] ?? new Int32Array()
    const fed: Record<string, TensorValue> = { ...batch.feeds, ...Object.fromEntries(known) }
    fed[loss.targets] = columnOf(targets)
    thresholds.forEach(({ threshold }, index) => {
      fed[threshold] = { dtype: 'float32', dims: [], data: Float32Array.of(values[index] ?? 0) }
    })
    const feeds = Object.fromEntries(Object.entries(fed).filter(([name]) => session.inputNames.includes(name)))
    const wanted = [loss.loss, ...thresholds.flatMap(({ kept, largest }) => [kept, largest])]
    const out = await session.run(feeds, wanted)
    targets.forEach((target, row) => {
      if (target < 0) return
      found.loss += Number(out[loss.loss]?.data[row] ?? NaN)
      rows++
    })
    size += batch.size
    thresholds.forEach(({ kept, largest }, index) => {
      found.kept[index] = (found.kept[index] ?? 0) + batch.size * Number(out[kept]?.data[0] ?? NaN)
      found.largest[index] = Math.max(found.largest[index] ?? 0, Number(out[largest]?.data[0] ?? NaN))
    })
  }
  return { ...found, loss: found.loss / Math.max(1, rows), kept: found.kept.map((sum) => sum / size) }
}

interface Result {
  site: Site
  threshold: number
  density: number
  sparsity: number
  rise: number
}

type Parameters = z.output<typeof params>

/** Each site's threshold, the others left at 0. */
async function alone(bench: Bench, sites: readonly Site[], labels: Int32Array[], parameters: Parameters) {
  const { network, context } = bench
  const results: Result[] = []
  const layers = sites.flatMap(({ layers: [first] }) => (first ? [first] : []))
  for (const { cut, layers: own } of layersByCut(network, layers)) {
    const here = sites.filter(({ layers: [first] }) => first && own.includes(first))
    const trial = await openTrial(bench, cut, here, labels)
    try {
      const base = await trial.run([])
      for (const [index, site] of here.entries()) {
        context.progress({ fraction: results.length / sites.length, step: site.layers[0]?.name ?? site.value })
        const [density, high] = [base.kept[index] ?? NaN, base.largest[index] ?? NaN]
        if (!Number.isFinite(base.loss) || !Number.isFinite(high)) throw notFinite(network, site, base.loss)
        const at = (value: number) => trial.run(here.map((_, other) => (other === index ? value : 0)))
        let best = { kept: density, rise: 0 }
        const fits = async (value: number) => {
          const { loss, kept } = await at(value)
          const rise = Math.expm1(loss - base.loss)
          if (!(rise <= parameters.percent / 100)) return false
          best = { kept: kept[index] ?? NaN, rise }
          return true
        }
        const threshold = await largestThreshold(fits, high, parameters.steps)
        results.push({ site, threshold, density, sparsity: 1 - best.kept, rise: best.rise })
      }
    } finally {
      await trial.release()
    }
  }
  return results
}

/** All thresholds at once, shrunk by one factor until the bound holds: the share of all activations that is zero then. */
async function together(
  bench: Bench,
  results: readonly Result[],
  labels: Int32Array[],
  { percent, steps }: Parameters,
) {
  const trial = await openTrial(
    bench,
    [],
    results.map(({ site }) => site),
    labels,
  )
  try {
    const base = await trial.run([])
    let kept = base.kept
    const fits = async (factor: number) => {
      const found = await trial.run(results.map(({ threshold }) => factor * threshold))
      const holds = Math.expm1(found.loss - base.loss) <= percent / 100
      if (holds) kept = found.kept
      return holds
    }
    const factor = await largestThreshold(fits, 1, steps)
    return { factor, sparsity: kept.map((share) => 1 - share) }
  } finally {
    await trial.release()
  }
}

const notFinite = (network: Network, { value, layers }: Site, loss: number): Fault =>
  new Fault(
    'bad-data',
    `${network.name}: its loss is ${loss}, or activations before ${layers[0]?.name} are not finite.`,
    {
      hint: 'Look for values that are not finite in the weights or the data.',
      data: { file: network.path, tensor: value, found: String(loss) },
    },
  )

export const activationSparsity = defineScore({
  id: 'activation-sparsity',
  title: 'Activation sparsity (PPL-p%)',
  summary:
    'Share of a layer’s input activations that must be kept for the perplexity to rise by no more than p percent.',
  cite: 'Luo et al. 2024, Sparsing Law: Towards Large Language Models with Greater Activation Sparsity, section 3; density: Runwal et al. 2024, From PEFT to DEFT, section 3',
  formula: '1 - max share of |x| <= t with exp(L(t) - L(0)) - 1 <= p / 100',
  cost: 'layers x (steps + 2) runs of the calibration samples, from the layer’s block on',
  needs: ['activations'],
  version: 1,
  params,
  per: () => 'layer',
  values(network) {
    lossGraph(network) // says early what has no loss
    sitesOf(network)
    return []
  },
  start: (network, parameters) => ({
    see: () => undefined,
    async finish(bench): Promise<Finding> {
      const { dataset, samples, device, context } = bench
      if (dataset === null) return { values: [] }
      const calibration = await calibrate({ network, dataset, samples, device }, context)
      const labels = await labelsOf(
        bench,
        (await calibration.at([], context)).map(({ batch }) => batch),
      )
      const results = await alone(bench, sitesOf(network), labels, parameters)
      const joint = await together(bench, results, labels, parameters)
      const values = results.flatMap(({ site, threshold, density, sparsity, rise }, index) =>
        site.layers.map(({ name }): ScoreValue => {
          const parts = { sparsity, density, threshold, rise, together: joint.sparsity[index] ?? 0 }
          return { key: name, value: 1 - sparsity, parts }
        }),
      )
      const mean = joint.sparsity.reduce((sum, share) => sum + share, 0) / Math.max(1, joint.sparsity.length)
      const notes = [
        `All together, at ${joint.factor.toPrecision(3)} of their thresholds, ${(100 * mean).toFixed(1)} % of the activations are zero within ${parameters.percent} %.`,
      ]
      return { values, notes }
    },
  }),
})

function sitesOf(network: Network): Site[] {
  const sites = activationSites(network)
  if (sites.length > 0) return sites
  throw new Fault('unsupported', `${network.name}: no layer reads what an activation function made.`, {
    hint: 'Choose another score: there are no activations that could be sparse.',
    data: { file: network.path },
  })
}
