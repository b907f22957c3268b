// Predicted against measured loss of random recipes, on samples that nothing was predicted from: the means of engine/predict
// by themselves, added up, and with pairwise terms.
//   LATHE_BENCH_MODELS="stories260K vit" LATHE_BENCH_PAIRS=all npm run bench predictor
import { existsSync } from 'node:fs'
import { spearman } from '../../src-main/app/calibrate.ts'
import type { Option } from '../../src-preload/contract/plan.ts'
import type { Layer, Network } from '../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { readMatrix } from '../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../src-main/engine/data/open.ts'
import type { Dataset } from '../../src-main/engine/data/types.ts'
import { fitAccuracy } from '../../src-main/engine/allocate/accuracy.ts'
import type { Choices } from '../../src-main/engine/allocate/define.ts'
import { totalsOf } from '../../src-main/engine/allocate/limits.ts'
import { createChain, means } from '../../src-main/engine/predict/chain.ts'
import type { LayerFacts } from '../../src-main/engine/predict/define.ts'
import { pairwiseLoss, type Pair } from '../../src-main/engine/predict/pairs.ts'
import { dequantize } from '../../src-main/engine/quantize/dequantize.ts'
import { applyOption, optionsFor } from '../../src-main/engine/quantize/options.ts'
import type { WeightMatrix } from '../../src-main/engine/quantize/types.ts'
import { measurePairs } from '../../src-main/engine/score/pairs.ts'
import { refereeFor } from '../../src-main/engine/score/referee.ts'
import { measureSensitivity } from '../../src-main/engine/score/sensitivity.ts'
import { openStart, openSwap } from '../../src-main/engine/score/swap.ts'
import { dataPath } from '../helpers/data.ts'
import { type Around, measureAround } from './around.ts'

const models = [
  { name: 'stories260K', model: ['stories260K'], data: ['stories260K'], samples: 4 },
  { name: 'vit', model: ['vit-cifar10', 'vit_tiny_cifar10.onnx'], data: ['vit-cifar10'], samples: 128 },
  { name: 'resnet32', model: ['cifar10', 'resnet32.onnx'], data: ['cifar10'], samples: 128 },
  { name: 'novels-5m', model: ['novels-5m'], data: ['novels-5m'], samples: 2 },
]
const recipes = 32
const seed = 5
const device = 'cpu'
const quiet = { progress: () => undefined, notify: () => undefined }

function mulberry(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Subject {
  network: Network
  dataset: Dataset
  layers: Layer[]
  options: Map<string, Option[]>
  samples: number
}

/** What is known of each layer; `bits`: with the other layers at that width, and what all of them there lose. */
async function factsOf(subject: Subject, bits: number | null = null): Promise<{ facts: LayerFacts[]; whole: number }> {
  const { network, layers, options } = subject
  const { layers: found, whole } = bits === null ? await alone(subject) : await aroundBits(subject, options, bits)
  const all = network.layers.reduce((sum, layer) => sum + layer.parameters, 0)
  const facts = found.map(({ name, losses }): LayerFacts => ({
    name,
    share: (layers.find((layer) => layer.name === name)?.parameters ?? 0) / all,
    options: losses.map(({ option, loss, standardError, error, outputError }) => ({
      ...{ id: option, kind: 'quantize', error, outputError },
      measured:
        loss === null || (bits !== null && loss <= (standardError ?? 0))
          ? null
          : { loss, standardError: standardError ?? 0 },
    })),
  }))
  return { facts, whole }
}

const aroundBits = (subject: Subject, options: Subject['options'], bits: number): Promise<Around> =>
  measureAround({ ...subject, device }, options, referenceOf(subject, bits), quiet)

async function alone({ network, dataset, layers, options, samples }: Subject): Promise<Around> {
  const wanted = new Map([...options].map(([name, own]) => [name, { options: own }]))
  const found: Around = { layers: [], whole: 0 }
  for (const block of new Set(layers.map((layer) => layer.block ?? -1))) {
    const common = { network, dataset, block, samples, device } as const
    const args = { ...common, layers: wanted, every: false, importance: null }
    found.layers.push(...(await measureSensitivity(args, quiet)).layers)
  }
  return found
}

const referenceOf = ({ layers, options }: Pick<Subject, 'layers' | 'options'>, bits: number): Map<string, Option> =>
  new Map(
    layers.flatMap(({ name }) => {
      const own = options.get(name) ?? []
      const chosen = own.find((option) => option.bits === bits) ?? own[0]
      return chosen ? [[name, chosen] as const] : []
    }),
  )

/** Which layers are measured together: those of one block; with `all`, every two of the network. */
async function pairsOf({ network, dataset, layers, options, samples }: Subject, bits: number, all: boolean) {
  const reference = referenceOf({ layers, options }, bits)
  const found: { a: string; b: string; rho: number }[] = []
  const groups = all ? [-1] : [...new Set(layers.map((layer) => layer.block ?? -1))]
  let passes = 0
  for (const block of groups) {
    const own = all ? layers : layers.filter((layer) => (layer.block ?? -1) === block)
    const pairs = own.flatMap((a, i) => own.slice(i + 1).map((b) => ({ a: a.name, b: b.name })))
    const args = { network, dataset, block, samples, device, pairs, options: reference, importance: null } as const
    const measured = await measurePairs(args, quiet)
    found.push(...measured.pairs)
    passes += measured.passes
  }
  return { found, passes }
}

function* randomRecipes({ layers, options }: Subject): Generator<Map<string, Option>> {
  const random = mulberry(seed)
  for (let recipe = 0; recipe < recipes; recipe++) {
    // A recipe has a width of its own around which its layers scatter, so that the losses span the useful range.
    const centre = 2.6 + random() * 3.4
    const choice = new Map<string, Option>()
    for (const { name } of layers) {
      const own = options.get(name) ?? []
      const wanted = Math.min(8, Math.max(2, Math.round(centre + (random() - 0.5) * 3)))
      const fitting = own.filter(({ bits }) => bits === wanted)
      const option = fitting[Math.floor(random() * fitting.length)]
      if (option) choice.set(name, option)
    }
    yield choice
  }
}

export async function benchPredictor(): Promise<void> {
  const asked = process.env.LATHE_BENCH_MODELS?.split(' ')
  for (const { name, model, data, samples } of models) {
    if (!existsSync(dataPath(...model)) || (asked && !asked.includes(name))) continue
    const network = openNetwork(dataPath(...model))
    const dataset = await openDataset({ path: dataPath(...data), split: 'auto' }, network)
    const layers = network.layers.filter(({ compressible }) => compressible)
    const options = new Map(layers.map((layer) => [layer.name, optionsFor(layer).filter(({ id }) => id !== 'keep')]))
    const subject = { network, dataset, layers, options, samples }
    const { facts } = await factsOf(subject)
    const around = await factsOf(subject, 4)
    const byName = new Map(facts.map((fact) => [fact.name, fact]))
    const bare = facts.map((fact) => ({ ...fact, options: fact.options.map((each) => ({ ...each, measured: null })) }))
    const index = new Map(layers.map((layer, at) => [layer.name, at]))
    const indexed = (found: { a: string; b: string; rho: number }[]): Pair[] =>
      found.map(({ a, b, rho }) => ({ a: index.get(a) ?? 0, b: index.get(b) ?? 0, rho }))
    const inBlocks = await pairsOf(subject, 4, false)
    const everywhere = process.env.LATHE_BENCH_PAIRS === 'all' ? await pairsOf(subject, 4, true) : null

    const chains = {
      'weight error': createChain(facts, means.slice(0, 1)),
      'output error': createChain(facts, means.slice(1, 2)),
      measured: createChain(facts),
      around: createChain(around.facts),
    }
    const aroundBy = new Map(around.facts.map((fact) => [fact.name, fact]))
    // Every pair is counted from both sides: brought to what the reference as a whole loses.
    const reference = referenceOf(subject, 4)
    const counted = around.facts.reduce((sum, fact) => {
      const option = fact.options.find(({ id }) => id === reference.get(fact.name)?.id)
      return sum + (option ? (chains.around(fact, option)?.loss ?? 0) : 0)
    }, 0)
    const untold = (fact: LayerFacts) => bare.find(({ name: own }) => own === fact.name) ?? fact
    const held = { ...dataset, calibrate: dataset.evaluate, fingerprint: `${dataset.fingerprint} evaluate` }
    const referee = await refereeFor({ network, dataset: held, samples: samples * 4, device }, quiet)
    const passes = { count: 0 }
    const start = await openStart(referee, [layers], -1, device, passes, quiet)
    const swap = await openSwap(referee, start.sites[0]!, start.batches, device, passes, quiet)
    const rows: Record<string, number[]> = {}
    const real: number[] = []
    const note = (what: string, value: number) => (rows[what] ??= []).push(value)
    const decoded = new Map<string, WeightMatrix>()
    const optionsOf = (layer: Layer): readonly { id: string }[] => byName.get(layer.name)?.options ?? []
    const choices: number[][] = []
    for (const recipe of randomRecipes(subject)) {
      const weights = new Map<Layer, WeightMatrix>()
      for (const layer of layers) {
        const option = recipe.get(layer.name)
        if (!option) continue
        const key = `${layer.name} ${option.id}`
        const matrix = decoded.get(key) ?? dequantize(await applyOption(readMatrix(network, layer), option))
        decoded.set(key, matrix)
        weights.set(layer, matrix)
      }
      real.push((await swap.loss(weights)).loss)
      choices.push(
        layers.map((layer) =>
          Math.max(
            0,
            optionsOf(layer).findIndex(({ id }) => id === recipe.get(layer.name)?.id),
          ),
        ),
      )
      const lossesBy = (what: keyof typeof chains, own: (fact: LayerFacts) => LayerFacts) =>
        layers.map((layer) => {
          const fact = byName.get(layer.name)
          const option = fact?.options.find(({ id }) => id === recipe.get(layer.name)?.id)
          return fact && option ? (chains[what](own(fact), option)?.loss ?? 0) : 0
        })
      const same = (fact: LayerFacts) => fact
      const sum = (losses: number[]) => losses.reduce((all, loss) => all + loss, 0)
      note('data-free (weight error)', sum(lossesBy('weight error', same)))
      note(
        'output error, layer not measured',
        sum(lossesBy('output error', (fact) => ({ ...untold(fact), name: `?${fact.name}` }))),
      )
      note('output error, 3 of the layer measured', sum(lossesBy('output error', same)))
      const additive = lossesBy('measured', same)
      note('additive (measured where it was)', sum(additive))
      const others = lossesBy('around', (fact) => aroundBy.get(fact.name) ?? fact)
      const scaled = (sum(others) * around.whole) / counted
      note('around 4 bits (all pairs at once)', scaled)
      note('mean of alone and around', (sum(additive) + scaled) / 2)
      note('pairwise, layers of a block', pairwiseLoss(additive, indexed(inBlocks.found)))
      if (everywhere) note('pairwise, all layers', pairwiseLoss(additive, indexed(everywhere.found)))
    }
    await swap.release()
    const problem = layers.map((layer): Choices => {
      const fact = byName.get(layer.name)
      const losses = (fact?.options ?? []).map((option) => (fact && chains.measured(fact, option)?.loss) ?? 0)
      const bits = new Map(options.get(layer.name)?.map((option) => [option.id, option.bits]))
      const sizes = optionsOf(layer).map(({ id }) => Math.ceil((layer.parameters * (bits.get(id) ?? 32)) / 8))
      return { loss: Float64Array.from(losses), bytes: Float64Array.from(sizes) }
    })
    learnedRows(problem, choices, real)
    console.log(
      `\n${name}: ${recipes} random recipes (seed ${seed}), ${samples} samples to predict from, ${referee.calibration.samples} others to measure on; KL ${Math.min(...real).toExponential(2)} .. ${Math.max(...real).toExponential(2)}`,
    )
    console.log(
      `pairs within blocks: ${inBlocks.found.length} in ${inBlocks.passes.toFixed(0)} passes; all: ${everywhere?.found.length ?? 'not measured'}`,
    )
    console.log(['means', 'Spearman', 'mean |ln ratio|', 'without its own factor'].join(' | '))
    for (const [what, predicted] of Object.entries(rows)) {
      const logs = predicted.map((value, at) => Math.log(value / (real[at] ?? NaN)))
      const mean = logs.reduce((all, value) => all + value, 0) / logs.length
      // Of each recipe, with the factor that the others give: what a project knows once some variants were measured.
      const rest = logs.map((value) => value - (mean * logs.length - value) / (logs.length - 1))
      const size = (values: number[]) => values.reduce((all, value) => all + Math.abs(value), 0) / values.length
      console.log(
        [what, spearman(predicted, real)?.toFixed(4), size(logs).toFixed(3), size(rest).toFixed(3)].join(' | '),
      )
    }
  }
}

/** What the genetic search's predictor (allocate/accuracy.ts) learns from measured recipes, on those it has not seen: the plain
 *  sum, the sum with the one factor that its samples give, and the learned correction. */
function learnedRows(layers: Choices[], choices: number[][], real: readonly number[]): void {
  const sum = (choice: readonly number[]) => totalsOf({ layers }, Int32Array.from(choice)).loss
  const error = (logs: number[]) => logs.reduce((all, log) => all + Math.abs(log), 0) / logs.length
  console.log(['learned from', 'sum alone', 'sum x factor', 'learned', 'used'].join(' | '))
  for (const count of [8, 16, 24]) {
    const samples = choices.slice(0, count).map((choice, at) => ({ choice, loss: real[at] ?? 0 }))
    const fit = fitAccuracy({ layers }, samples, seed)
    const factor = samples.reduce((all, { choice, loss }) => all + Math.log(loss / sum(choice)), 0) / count
    const held = choices.slice(count)
    const logs = (predict: (choice: readonly number[]) => number) =>
      held.map((choice, at) => predict(choice) - Math.log(real[count + at] ?? NaN))
    console.log(
      [
        `${count} recipes`,
        error(logs((choice) => Math.log(sum(choice)))).toFixed(3),
        error(logs((choice) => Math.log(sum(choice)) + factor)).toFixed(3),
        error(logs((choice) => Math.log(fit.predict(Int32Array.from(choice))))).toFixed(3),
        fit.means,
      ].join(' | '),
    )
  }
}
