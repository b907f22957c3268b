import { type Methods, type Option, rankShareOf, type Recipe, sparsityOf } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { get } from '../store/query.ts'
import { canonicalJson } from '../store/recipes.ts'
import type { Pair } from '../engine/allocate/define.ts'
import { pairLoss } from '../engine/allocate/limits.ts'
import { calibrate, type Calibration, couplingWeight } from './calibrate.ts'
import { type Candidates, loadCandidates, type Named } from './candidates.ts'
import type { AppContext } from './context.ts'
import { readSeconds } from './latency-units.ts'
import { readLosses } from './losses.ts'
import {
  measuredPoints,
  type MeasuredRecipe,
  measuredRecipes,
  measuredVariants,
  recipesOf,
  qualitiesOf,
  removedBy,
} from './measured.ts'
import { layerLevers, methodsOfRecipe, REMOVE_BLOCKS } from './recipe-methods.ts'
import { depthChain, removalLosses } from './depth-loss.ts'
import { everyOption, isLever, optionsUnder } from './offered.ts'
import { readPairs } from './pair-units.ts'
import { canWeigh, planFormat, requireFormat } from './plan-format.ts'
import { type OpenProject, type Subject, subjectOf } from './projects.ts'

export interface PlanLayer {
  name: string
  parameters: number
  options: (Option & { bytes: number })[]
  bytes: Float64Array // [options], in the exported file
  loss: Float64Array // [options], nats, before calibration
  standardError: Float64Array // [options]
  seconds?: Float64Array // [options], of one sample on this machine; absent: not measured
}

/** All that a slider needs, in memory: rebuilt only when the store changed. */
export interface PlanModel {
  subject: Subject
  format: string // export format whose options and bytes these are
  methods: Methods
  baseBytes: number
  baseSeconds: number // of one sample, spent outside the layers
  pairs: Pair[] // measured, by index of the layers
  layers: PlanLayer[]
  widths: number[] // ascending; 32 = keep
  calibration: Calibration
  source: string
  /** Blocks left out of the network, and what that alone costs, before calibration. */
  removed: number[]
  removedLoss: number
  removedError: number
  running: Candidates['running'] // memory beside the weights
  /** What measured variants lost: KL divergence against ln perplexity ratio, or against points of accuracy. */
  qualities: { loss: number; lost: number }[]
  recipes: MeasuredRecipe[] // that were measured under these methods
  /** The same with blocks left out, one more each time; empty where depth is no lever. */
  shorter: PlanModel[]
}

interface Built {
  version: string
  stamp: string
  model: PlanModel
}
const built = new WeakMap<OpenProject, Map<string, Built>>()

/** Changes whenever anybody, this process's writer included, commits something to the project. */
const versionOf = (project: OpenProject): string => String(project.store.read.pragma('data_version', { simple: true }))

/** Changes only when a plan would: a running job commits at every layer, and the slider must not feel it. */
const stampOf = (project: OpenProject): string =>
  JSON.stringify(
    get(
      project.store.read,
      `SELECT checkpoint, data_set, (SELECT count(*) || ' ' || total(loss) || ' ' || total(samples) FROM options) AS losses,
         (SELECT max(rowid) || ' ' || count(*) FROM evaluations) AS evaluations,
         (SELECT max(rowid) || ' ' || count(*) FROM variants) AS variants,
         (SELECT max(rowid) || ' ' || count(*) FROM probes WHERE kind IN ('pair', 'latency', 'option-errors')) AS probes
       FROM projects`,
    ),
  )

/** The model for a format (default: the one the project plans for). `every`: also with options that are not offered now. */
export async function planModel(
  context: AppContext,
  project: OpenProject,
  asked: { format?: string; methods?: Methods; every?: boolean; also?: readonly Named[] } = {},
): Promise<PlanModel> {
  const subject = subjectOf(project)
  const { format = planFormat(subject), methods = subject.row.methods, every = false, also = [] } = asked
  const candidates = await loadCandidates(context, project, format, methods, also)
  const chain = depthOf(methods) === 0 ? [] : depthChain(project, subject).slice(1, 1 + depthOf(methods))
  const shorter = await Promise.all(
    chain.map(({ removed }) =>
      planModel(context, project, { format, methods: without(methods, removed), every, also }),
    ),
  )
  const models = built.get(project) ?? new Map<string, Built>()
  built.set(project, models)
  const key = `${format} ${every} ${canonicalJson([methods, also])}`
  const version = versionOf(project)
  const known = models.get(key)
  if (known?.version === version) return known.model
  const stamp = stampOf(project)
  const model =
    known?.stamp === stamp ? known.model : { ...build(project, candidates, { format, methods, every }), shorter }
  models.set(key, { version, stamp, model })
  return model
}

/** The model in which a recipe can be looked up: of the format it was made for, and with all options where it needs them (it
 *  may come from a time with other data). */
export async function recipeModel(context: AppContext, project: OpenProject, recipe: Recipe): Promise<PlanModel> {
  const subject = subjectOf(project)
  const format = recipe.format === undefined ? planFormat(subject) : requireFormat(subject, recipe.format)
  const methods = methodsOfRecipe(recipe)
  const model = await planModel(context, project, { format, methods })
  const offered = new Map(model.layers.map(({ name, options }) => [name, new Set(options.map(({ id }) => id))]))
  const missing = recipe.layers.filter(({ name, option }) => !(offered.get(name)?.has(option.id) ?? true))
  if (missing.length === 0) return model
  // Levers are named by the options alone: their bytes follow from their parameters.
  const also = missing.flatMap(({ name, option }) => (isLever(option) ? [{ layer: name, option }] : []))
  return planModel(context, project, { format, methods, also, every: true })
}

/** Blocks that may be left out under these methods. */
export function depthOf({ levers = [] }: Methods): number {
  const use = levers.find(({ method }) => method === REMOVE_BLOCKS)
  return use === undefined ? 0 : Number(use.parameters.most ?? 2)
}

/** Methods of a network with these blocks left out: first of all rewritings, with no lever for more. */
function without(methods: Methods, removed: readonly number[]): Methods {
  const use = { method: REMOVE_BLOCKS, parameters: { blocks: [...removed] } }
  return { ...methods, prepare: [use, ...methods.prepare], levers: layerLevers(methods) }
}

function build(
  project: OpenProject,
  candidates: Candidates,
  { format, methods, every }: { format: string; methods: Methods; every: boolean },
): PlanModel {
  const subject = subjectOf(project)
  const losses = readLosses(project, subject)
  const seconds = readSeconds(project, subject, format)
  const parameters = new Map(subject.checkpoint.summary.layers.map((layer) => [layer.name, layer.parameters]))
  const layers = candidates.layers.map(({ name, options: all }): PlanLayer => {
    const weights = parameters.get(name) ?? 0
    const options = (every ? everyOption(all, methods) : optionsUnder(all, methods, canWeigh(subject))).map((option) =>
      option.method === 'keep' ? { ...option, bits: keptBits(option.bytes, weights) } : option,
    )
    const costs = options.map((option) => losses.of(name, option))
    const times = options.map((option) => seconds.of(name, option))
    return {
      name,
      parameters: weights,
      options,
      bytes: Float64Array.from(options, (option) => option.bytes),
      loss: Float64Array.from(costs, (cost) => cost.loss),
      standardError: Float64Array.from(costs, (cost) => cost.standardError),
      ...(times.every((time) => time !== null) && { seconds: Float64Array.from(times) }),
    }
  })
  const plain = layers.flatMap((layer) => layer.options.filter((option) => !isLever(option)))
  const widths = [...new Set(plain.map(({ bits }) => bits))].sort((a, b) => a - b)
  const removed = removedBy(methods)
  const gone = removalLosses(project, subject)(removed)
  const pairs = readPairs(project, subject)
  const measured = measuredVariants(project, subject)
  const made = recipesOf(project, subject, measured)
  const points = measuredPoints(project, subject, { made, losses, methods, pairs })
  const weight = couplingWeight(points, losses.priorDeviation)
  const index = new Map(layers.map(({ name }, at) => [name, at]))
  const model: PlanModel = {
    subject,
    format,
    methods,
    baseBytes: candidates.baseBytes,
    baseSeconds: seconds.base,
    pairs: pairs.flatMap(({ a, b, rho }) => {
      const [first, second] = [index.get(a), index.get(b)]
      return weight > 0 && first !== undefined && second !== undefined
        ? [{ a: first, b: second, rho: weight * rho }]
        : []
    }),
    layers,
    widths,
    calibration: calibrate([], losses.priorDeviation),
    source: losses.source,
    ...{ removed, removedLoss: gone.loss, removedError: gone.standardError, shorter: [] },
    running: candidates.running,
    qualities: qualitiesOf(measured),
    recipes: measuredRecipes(made, methods),
  }
  const predictions = points.map((point) => ({
    predicted: point.predicted + weight * point.cross,
    measured: point.measured,
  }))
  return { ...model, calibration: calibrate(predictions, losses.priorDeviation) }
}

/** Bits a kept weight takes in the file: 32 where the format holds plain floats, less where it keeps them packed. In
 *  sixteenths, as the types of formats come, so that padding does not count. */
const keptBits = (bytes: number, weights: number): number =>
  weights === 0 ? 32 : Math.min(32, Math.floor((8 * bytes * 16) / weights) / 16)

/** Index of each layer's chosen option. A layer the recipe does not name is kept; an option this Lathe does not offer
 *  is a Fault, for its bytes would be a guess. */
export function choiceOf(model: PlanModel, recipe: Recipe): Int32Array {
  const wanted = new Map(recipe.layers.map(({ name, option }) => [name, option]))
  const choice = Int32Array.from(model.layers, (layer) => {
    const option = wanted.get(layer.name)
    wanted.delete(layer.name)
    const index = layer.options.findIndex(({ id }) => id === (option?.id ?? 'keep'))
    if (index >= 0) return index
    throw new Fault(
      'bad-arguments',
      `The recipe wants "${option?.id ?? 'keep'}" for ${layer.name}, which is not offered for ${model.format}.`,
      {
        hint: `Offered: ${layer.options.map(({ id }) => id).join(', ')}. Plan again for this format.`,
        data: { tensor: layer.name, found: option?.id ?? 'keep' },
      },
    )
  })
  const [stray] = wanted.keys()
  if (stray !== undefined && wanted.get(stray)?.method !== 'keep')
    throw new Fault('bad-arguments', `The recipe names ${stray}, which this checkpoint cannot compress.`, {
      hint: 'Make the recipe from this checkpoint.',
      data: { tensor: stray },
    })
  return choice
}

export interface Total {
  bytes: number // of the exported file
  averageBits: number // option bits per compressible weight
  bitsPerWeight: number // with scales, zero points and graph overhead
  sparsity: number // share of the weights that are zero
  rankShare: number // of the full ranks
  loss: number // nats, before calibration
  standardError: number
  seconds: number | null // of one sample; null where a layer's time was not measured
}

export function total(model: PlanModel, choice: Int32Array): Total {
  let [layerBytes, codeBits, weights, zeros, ranks] = [0, 0, 0, 0, 0]
  let { removedLoss: loss, removedError: standardError } = model
  let seconds: number | null = model.baseSeconds
  for (const [index, layer] of model.layers.entries()) {
    const chosen = choice[index] ?? 0
    layerBytes += layer.bytes[chosen] ?? 0
    const option = layer.options[chosen]
    codeBits += (option?.bits ?? 0) * layer.parameters
    zeros += (option ? sparsityOf(option) : 0) * layer.parameters
    ranks += (option ? rankShareOf(option) : 1) * layer.parameters
    weights += layer.parameters
    seconds = layer.seconds && seconds !== null ? seconds + (layer.seconds[chosen] ?? 0) : null
    loss += layer.loss[chosen] ?? 0
    standardError += layer.standardError[chosen] ?? 0 // the same samples everywhere: errors add up, they do not cancel
  }
  return {
    bytes: model.baseBytes + layerBytes,
    averageBits: weights > 0 ? codeBits / weights : 0,
    bitsPerWeight: weights > 0 ? (8 * layerBytes) / weights : 0,
    sparsity: weights > 0 ? zeros / weights : 0,
    rankShare: weights > 0 ? ranks / weights : 1,
    loss: loss + coupled(model, choice),
    standardError,
    seconds: seconds === null ? null : Math.max(seconds, 1e-9), // forms that are told apart by noise alone
  }
}

/** What pairs of layers lose together, beyond what each loses alone. */
const coupled = ({ pairs, layers }: PlanModel, choice: Int32Array): number =>
  pairs.reduce(
    (sum, { a, b, rho }) =>
      sum + pairLoss(rho, layers[a]?.loss[choice[a] ?? 0] ?? 0, layers[b]?.loss[choice[b] ?? 0] ?? 0),
    0,
  )

/** Every layer at `width` bits, or the nearest it offers below, or its smallest; of equal ones the first, but kept as it is
 *  where that is as narrow. */
export const uniformChoice = (model: PlanModel, width: number): Int32Array =>
  Int32Array.from(model.layers, ({ options }) => {
    let best = -1
    let smallest = 0
    for (const [index, option] of options.entries()) {
      if (isLever(option)) continue
      if (option.bits < (options[smallest]?.bits ?? Infinity)) smallest = index
      const widest = options[best]?.bits ?? -1
      const isBetter = option.bits > widest || (option.bits === widest && option.method === 'keep')
      if (option.bits <= width && isBetter) best = index
    }
    return best >= 0 ? best : smallest
  })

/** Bytes of the file at `bits` for all layers; between two widths, the straight line between theirs. */
export function bytesAtBits(model: PlanModel, bits: number): number {
  const at = (width: number): number => total(model, uniformChoice(model, width)).bytes
  const [lowest = bits] = model.widths
  const below = model.widths.filter((width) => width <= bits).at(-1)
  const above = model.widths.find((width) => width >= bits)
  if (below === undefined) return model.baseBytes + ((at(lowest) - model.baseBytes) * bits) / lowest
  if (above === undefined || above === below) return at(below)
  return at(below) + ((at(above) - at(below)) * (bits - below)) / (above - below)
}
