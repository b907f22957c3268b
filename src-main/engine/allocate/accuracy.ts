// A learned predictor of what a whole recipe loses, from recipes that were measured.
//   log(loss(x)) = log(model(x)) + w . f(x),  f = random Fourier features of the recipe
//   ridge: w = (F'F + lambda I)^-1 F' y, with lambda chosen by leave-one-out error (closed form)
//   In the place of EQ-Net's accuracy predictor (Xu et al. 2023), a small network on one-hot options trained on
//   thousands of samples of a supernet: a desktop measures tens of recipes, so that what is learned is the correction to a
//   model that is already good, and without data the correction is none. Random features: Rahimi & Recht 2007.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Problem, Sample } from './define.ts'
import { totalsOf } from './limits.ts'
import { numbers } from './random.ts'

export interface AccuracyPredictor {
  predict(choice: Int32Array): number
  samples: number
  /** What tells losses: the model as it is, the model with one factor that the samples give, or the learned correction;
   *  whichever told each sample best from the others. */
  means: 'model' | 'factor' | 'learned'
  /** Leave-one-out RMS error of log(loss), of what is used and of the model as it is. */
  error: number
  errorBefore: number
  errorLearned: number | null // of the learned correction; null of too few samples
}

/** Fewer recipes teach nothing. */
export const leastSamples = 4

const FEATURES = 64
const RIDGES = [1e-3, 1e-2, 1e-1, 1, 10, 100]

/** Losses are compared by their logarithm; what lies at or below nothing counts as this share of the largest. */
const FLOOR = 1e-6

export function fitAccuracy(
  problem: Pick<Problem, 'layers' | 'pairs'>,
  samples: readonly Sample[],
  seed: number,
): AccuracyPredictor {
  const model = (choice: Int32Array) => totalsOf(problem, choice).loss
  const choices = samples.map((sample, i) => checked(problem, sample, i))
  const floor = FLOOR * Math.max(...samples.map(({ loss }) => Math.abs(loss)), Number.MIN_VALUE)
  const log = (loss: number) => Math.log(Math.max(loss, floor))
  const targets = samples.map(({ loss }, i) => log(loss) - log(model(choices[i] as Int32Array)))
  const errorBefore = rms(targets)
  const none = {
    ...{ predict: model, samples: samples.length, means: 'model' as const, error: errorBefore, errorBefore },
    errorLearned: null,
  }
  if (samples.length < leastSamples) return none
  const byFactor = oneFactor(targets)
  const plain =
    byFactor.error < errorBefore
      ? {
          ...{ ...none, means: 'factor' as const, error: byFactor.error },
          predict: (choice: Int32Array) => model(choice) * byFactor.factor,
        }
      : none
  const features = featuresOf(problem, seed)
  const rows = choices.map(features)
  let best: { weights: Float64Array; error: number } | null = null
  for (const ridge of RIDGES) {
    const fit = ridgeFit(rows, targets, ridge)
    if (best === null || fit.error < best.error) best = fit
  }
  if (best === null || !(best.error < plain.error)) return { ...plain, errorLearned: best?.error ?? null }
  const { weights, error } = best
  const predict = (choice: Int32Array): number => {
    const loss = model(choice)
    const row = features(choice)
    let correction = 0
    for (let f = 0; f < row.length; f++) correction += (weights[f] ?? 0) * (row[f] ?? 0)
    return loss > 0 ? loss * Math.exp(correction) : loss
  }
  return { predict, samples: samples.length, means: 'learned', error, errorBefore, errorLearned: error }
}

/** One factor for all, and how well each sample is told by that of the others. */
function oneFactor(targets: readonly number[]): { factor: number; error: number } {
  const sum = targets.reduce((all, target) => all + target, 0)
  const n = targets.length
  return {
    factor: Math.exp(sum / n),
    error: rms(targets.map((target) => target - (sum - target) / (n - 1))),
  }
}

function checked({ layers }: Pick<Problem, 'layers'>, { choice, loss }: Sample, index: number): Int32Array {
  const fits = choice.length === layers.length && choice.every((option, i) => option in (layers[i]?.bytes ?? []))
  if (fits && Number.isFinite(loss)) return Int32Array.from(choice)
  throw new Fault(
    'bad-data',
    `Measured recipe ${index} of the accuracy predictor does not fit: loss ${loss}, ${choice.length} of ${layers.length} layers.`,
    {
      hint: 'Pass recipes whose options are all among those of the plan, with a finite loss.',
      data: { field: 'measured', found: String(index) },
    },
  )
}

/** A constant, the log of the modelled loss, its spread over layers, and waves over random sums of the layers' shares. A
 *  layer enters by its option's share of what its worst one loses, and by its share of the largest bytes. */
function featuresOf(problem: Pick<Problem, 'layers' | 'pairs'>, seed: number): (choice: Int32Array) => Float64Array {
  const { layers } = problem
  const { normal, next } = numbers(seed)
  const worst = layers.map(({ loss }) => Math.max(...loss.map(Math.abs), Number.MIN_VALUE))
  const largest = layers.map(({ bytes }) => Math.max(...bytes, 1))
  const width = 1 / Math.sqrt(layers.length)
  const directions = Array.from({ length: FEATURES }, () =>
    Float64Array.from({ length: 2 * layers.length }, () => normal() * width),
  )
  const phases = Float64Array.from({ length: FEATURES }, () => 2 * Math.PI * next())
  return (choice) => {
    const parts = new Float64Array(2 * layers.length)
    let [sum, squares] = [0, 0]
    choice.forEach((option, i) => {
      const loss = Math.max(0, layers[i]?.loss[option] ?? 0)
      sum += loss
      squares += loss * loss
      parts[2 * i] = Math.sqrt(loss / (worst[i] ?? 1))
      parts[2 * i + 1] = (layers[i]?.bytes[option] ?? 0) / (largest[i] ?? 1)
    })
    const row = new Float64Array(FEATURES + 3)
    row[0] = 1
    row[1] = sum > 0 ? Math.log(sum) / 10 : 0
    row[2] = sum > 0 ? Math.sqrt(squares) / sum : 0
    directions.forEach((direction, f) => {
      let dot = phases[f] ?? 0
      for (let k = 0; k < parts.length; k++) dot += (direction[k] ?? 0) * (parts[k] ?? 0)
      row[3 + f] = Math.cos(dot) / Math.sqrt(FEATURES / 2)
    })
    return row
  }
}

/** Ridge regression in its dual form: K = F F' + ridge I over samples, of which there are few. The leave-one-out residual
 *  is (K^-1 y)_i / (K^-1)_ii. */
function ridgeFit(rows: Float64Array[], targets: number[], ridge: number): { weights: Float64Array; error: number } {
  const n = rows.length
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, f) => sum + value * (b[f] ?? 0), 0)
  const kernel = rows.map((a, i) => Float64Array.from(rows, (b, j) => dot(a, b) + (i === j ? ridge : 0)))
  const inverse = invert(kernel)
  const alpha = inverse.map((row) => targets.reduce((sum, target, j) => sum + (row[j] ?? 0) * target, 0))
  const residuals = alpha.map((value, i) => value / (inverse[i]?.[i] ?? 1))
  const weights = new Float64Array(rows[0]?.length ?? 0)
  for (let i = 0; i < n; i++) rows[i]?.forEach((value, f) => (weights[f] = (weights[f] ?? 0) + (alpha[i] ?? 0) * value))
  return { weights, error: rms(residuals) }
}

/** Of a symmetric positive definite matrix: Gauss-Jordan, no pivoting needed. */
function invert(matrix: Float64Array[]): Float64Array[] {
  const n = matrix.length
  const work = matrix.map((row, i) =>
    Float64Array.from({ length: 2 * n }, (_, j) => (j < n ? (row[j] ?? 0) : Number(j - n === i))),
  )
  for (let k = 0; k < n; k++) {
    const pivot = work[k] as Float64Array
    const scale = 1 / (pivot[k] ?? 1)
    for (let j = 0; j < 2 * n; j++) pivot[j] = (pivot[j] ?? 0) * scale
    work.forEach((row, i) => {
      const factor = row[k] ?? 0
      if (i === k || factor === 0) return
      for (let j = k; j < 2 * n; j++) row[j] = (row[j] ?? 0) - factor * (pivot[j] ?? 0)
    })
  }
  return work.map((row) => row.slice(n))
}

const rms = (values: readonly number[]): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / Math.max(1, values.length))
