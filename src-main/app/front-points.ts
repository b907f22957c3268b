import type { Option } from '../../src-preload/contract/plan.ts'
import { rankShareOf, sparsityOf } from '../../src-preload/contract/plan.ts'
import {
  type Front,
  type FrontPoint,
  type Lever,
  levers,
  type MeasuredPoint,
} from '../../src-preload/contract/results.ts'
import { curve } from '../engine/allocate/knapsack.ts'
import { importedFronts } from './front-import.ts'
import { measuredVariants } from './measured.ts'
import { isUnpacked, type MemoryModel, memoryModel, unpackedIn } from './front-memory.ts'
import { type PlanLayer, type PlanModel, total, type Total, uniformChoice } from './plan-model.ts'
import type { OpenProject } from './projects.ts'
import { readRunning } from './running-unit.ts'

/** More points than a chart can show differently. */
const maximumPoints = 200

interface Predictors {
  calibration: PlanModel['calibration']
  memory: MemoryModel
}

/** Weights that a plan stores in forms which are unpacked when the file is opened. */
const unpackedBy = ({ layers, format }: PlanModel, choice: Int32Array): number =>
  layers.reduce((sum, { options, parameters }, at) => {
    const option = options[choice[at] ?? 0]
    return option && isUnpacked(format, option) ? sum + parameters : sum
  }, 0)

/** A plan's sums as a point, its loss calibrated. */
export function pointOf(
  { calibration, memory }: Predictors,
  sums: Pick<Total, 'bytes' | 'averageBits' | 'loss' | 'standardError' | 'seconds'>,
  unpacked: number,
): FrontPoint {
  const { loss, low, high } = calibration.predict(sums.loss, sums.standardError)
  return {
    ...{ bytes: sums.bytes, averageBits: sums.averageBits, loss, lossLow: low, lossHigh: high },
    predictedMemory: memory.of(sums.bytes, unpacked),
    predictedSeconds: sums.seconds,
  }
}

/** The lower convex hull of size against predicted loss, thinned for drawing: from the smallest choice, one layer at a time
 *  gets the option that saves most loss per byte. With blocks left out where that is less loss at the same bytes. */
export const predictedCurve = (model: PlanModel, memory: MemoryModel): FrontPoint[] =>
  envelope([model, ...model.shorter].flatMap((each) => hullOf(each, { calibration: model.calibration, memory })))

function hullOf(model: PlanModel, predictors: Predictors): FrontPoint[] {
  const { layer, option } = curve(model.layers)
  const choice = smallestChoice(model)
  const every = Math.max(1, Math.ceil((layer.length + 1) / maximumPoints))
  const here = (): FrontPoint => pointOf(predictors, total(model, choice), unpackedBy(model, choice))
  const points = [here()]
  for (let step = 0; step < layer.length; step += 1) {
    choice[layer[step] ?? 0] = option[step] ?? 0
    if ((step + 1) % every === 0 || step === layer.length - 1) points.push(here())
  }
  return points
}

/** Those that no other beats: bytes rising, loss falling. */
export function envelope<P extends Pick<FrontPoint, 'bytes' | 'loss'>>(points: readonly P[]): P[] {
  let least = Infinity
  return [...points]
    .sort((a, b) => a.bytes - b.bytes || a.loss - b.loss)
    .filter(({ loss }) => {
      const isBetter = loss < least
      if (isBetter) least = loss
      return isBetter
    })
}

/** The fewest bytes everywhere; of equal ones the least loss. */
const smallestChoice = (model: PlanModel): Int32Array =>
  Int32Array.from(model.layers, ({ bytes, loss }) => {
    let best = 0
    for (let index = 1; index < bytes.length; index += 1) {
      const [size = 0, least = 0] = [bytes[index], bytes[best]]
      if (size < least || (size === least && (loss[index] ?? 0) < (loss[best] ?? 0))) best = index
    }
    return best
  })

/** Levers that an option draws on. Of a sparse or low-rank one, codes count where it stores fewer bits for what is left than
 *  the kept weight has. */
export function leversOf(option: Option, keptBits: number): Set<Lever> {
  const found = new Set<Lever>()
  const [sparsity, rank] = [sparsityOf(option), rankShareOf(option)]
  if (sparsity > 0) found.add('sparsity')
  if (rank < 1) found.add('rank')
  const { width = option.parameters.bits } = option.parameters
  const coded = typeof width === 'number' && width < Math.min(16, keptBits)
  if (option.method !== 'keep' && (found.size === 0 || coded)) found.add('bits')
  return found
}

/** What each lever does alone, where more than bits can be spent; a layer that it does not reach stays as it is. */
export function leverCurves(model: PlanModel, memory: MemoryModel): Front['curves'] {
  const predictors = { calibration: model.calibration, memory }
  const curves = levers.flatMap((lever) => {
    const models = lever === 'depth' ? [model, ...model.shorter] : [model]
    const points = envelope(
      models.flatMap((each) => hullOf({ ...each, layers: each.layers.map(only(lever)) }, predictors)),
    )
    return points.length > 1 ? [{ lever, points }] : []
  })
  return curves.some(({ lever }) => lever !== 'bits') ? curves : []
}

const only =
  (lever: Lever) =>
  (layer: PlanLayer): PlanLayer => {
    const widest = layer.options.reduce((best, { bits }, i) => (bits > (layer.options[best]?.bits ?? 0) ? i : best), 0)
    const keep = layer.options.findIndex(({ method }) => method === 'keep')
    const kept = keep >= 0 ? keep : widest
    const keptBits = layer.options[kept]?.bits ?? 32
    const left = layer.options.flatMap((option, i) => {
      const drawn = leversOf(option, keptBits)
      return i === kept || (drawn.size === 1 && drawn.has(lever)) ? [i] : []
    })
    const pick = (values: Float64Array): Float64Array => Float64Array.from(left, (i) => values[i] ?? 0)
    return {
      ...layer,
      options: left.flatMap((i) => layer.options[i] ?? []),
      bytes: pick(layer.bytes),
      loss: pick(layer.loss),
      standardError: pick(layer.standardError),
      ...(layer.seconds && { seconds: pick(layer.seconds) }),
    }
  }

/** The newest measurement of the original and of each variant on the project's data. */
export function measuredDots(project: OpenProject, model: PlanModel): MeasuredPoint[] {
  const { subject } = model
  const memory = memoryModel(project, model)
  const files = new Map<string, ReturnType<typeof readRunning>>()
  const fileOf = (variant: string | null, format: string) => {
    const known = files.get(format) ?? readRunning(project, subject, format)
    files.set(format, known)
    return known.get(variant) ?? null
  }
  return measuredVariants(project, subject).map(({ variant, evaluation, loss }): MeasuredPoint => {
    const { variant: id, metrics, bytes, samplesPerSecond } = evaluation
    const file = fileOf(id, variant?.format ?? model.format)
    return {
      variant: id,
      format: variant?.format ?? null,
      label: variant?.name ?? 'original',
      kind: variant === null ? 'original' : variant.uniform ? 'uniform' : 'planned',
      bytes: variant?.bytes ?? bytes,
      averageBits: variant?.averageBits ?? storedBits(model),
      loss: loss.value,
      lossLow: loss.low,
      lossHigh: loss.high,
      predictedLoss: variant?.predictedLoss ?? null,
      metrics,
      pinned: variant?.pinned ?? false,
      seconds: samplesPerSecond > 0 ? 1 / samplesPerSecond : null,
      fileSeconds: file?.seconds ?? null,
      memory: file?.peakBytes ?? null,
      // Another format's files are another matter; the original is no file of any.
      predictedMemory:
        variant?.format === model.format
          ? memory.of(variant.bytes, unpackedIn(project, subject, variant.recipeId))
          : null,
      predictedSeconds: null,
    }
  })
}

/** Bits a compressible weight takes in the checkpoint as it is. */
function storedBits(model: PlanModel): number {
  const names = new Set(model.layers.map(({ name }) => name))
  const layers = model.subject.checkpoint.summary.layers.filter(({ name }) => names.has(name))
  const weights = layers.reduce((sum, layer) => sum + layer.parameters, 0)
  return weights === 0 ? 0 : (8 * layers.reduce((sum, layer) => sum + layer.bytes, 0)) / weights
}

export function frontOf(project: OpenProject, model: PlanModel): Front {
  const { factor, spearman, points } = model.calibration
  const widths = model.widths.filter((width) => width < 32)
  const memory = memoryModel(project, model)
  const predictors = { calibration: model.calibration, memory }
  return {
    predicted: predictedCurve(model, memory),
    measured: measuredDots(project, model),
    uniform: widths.map((width) => {
      const choice = uniformChoice(model, width)
      return pointOf(predictors, total(model, choice), unpackedBy(model, choice))
    }),
    curves: leverCurves(model, memory),
    imported: importedFronts(project, model.subject),
    calibration: { factor, spearman, points },
    source: model.source,
    memorySource: memory.source,
  }
}
