/** A variant whose loss was predicted (by summing its layers) and then measured, both in nats, both > 0. */
export interface CalibrationPoint {
  predicted: number
  measured: number
}

export interface Prediction {
  loss: number
  low: number // 95 % interval
  high: number
}

/** Turns summed layer losses into what a measurement will probably show. */
export interface Calibration {
  factor: number // measured / predicted at the middle of the measured points; 1 without any
  points: number
  spearman: number | null // rank correlation of predicted and measured, null below three points
  /** `standardError`: sampling error of the summed losses themselves. */
  predict(sum: number, standardError?: number): Prediction
}

const slopeDeviation = 0.2 // ln-ln slope is 1 within this: layer losses are nearly additive
const scatterGuess = 0.3 // of ln(measured / predicted), worth two points
const guessWeight = 2
const heldOutWeight = 4 // points that say the line's own interval is right
const z95 = 1.96

interface LogPoint {
  x: number // ln predicted
  y: number // ln measured
}

interface Line {
  middle: number
  intercept: number
  tilt: number
  /** Variance of y at ln(predicted) = x, the noise of one measurement included. */
  varianceAt(x: number): number
}

/** Bayesian straight line ln(measured) = a + b ln(predicted) with a ~ N(0, priorDeviation^2) at the middle of the points
 *  and b ~ N(1, 0.2^2); the noise mixes a guess with the residuals. Without points it is the identity with the prior's
 *  width; one point shifts it; many points make the interval their own scatter. */
function fitLine(pairs: readonly LogPoint[], priorDeviation: number): Line {
  const n = pairs.length
  const middle = n === 0 ? 0 : mean(pairs.map(({ x }) => x))
  const ratios = pairs.map(({ x, y }) => ({ x: x - middle, r: y - x })) // r = a + (b - 1) x
  const spread = ratios.reduce((sum, { x }) => sum + x * x, 0)
  const mixed = ratios.reduce((sum, { x, r }) => sum + x * r, 0)

  let variance = scatterGuess ** 2
  let [intercept, tilt, interceptVariance, tiltVariance] = [0, 0, priorDeviation ** 2, slopeDeviation ** 2]
  for (let round = 0; round < 5 && n > 0; round += 1) {
    // x is centred, so intercept and tilt are independent
    interceptVariance = 1 / (n / variance + 1 / priorDeviation ** 2)
    tiltVariance = 1 / (spread / variance + 1 / slopeDeviation ** 2)
    intercept = (interceptVariance * ratios.reduce((sum, { r }) => sum + r, 0)) / variance
    tilt = (tiltVariance * mixed) / variance
    const residuals = ratios.reduce((sum, { x, r }) => sum + (r - intercept - tilt * x) ** 2, 0)
    variance = (guessWeight * scatterGuess ** 2 + residuals) / (guessWeight + n)
  }
  tilt = Math.max(-0.8, tilt) // the calibrated loss must grow with the predicted one
  const noise = n === 0 ? 0 : variance
  return {
    middle,
    intercept,
    tilt,
    varianceAt(x) {
      const away = n === 0 ? 0 : x - middle
      return interceptVariance + tiltVariance * away * away + noise
    },
  }
}

/** How much wider than the line says the interval has to be: from points that are each told by the others. Held-out errors
 *  see what the line cannot: that the scatter is no normal one, that plans are other than the variants before them. */
function heldOutScale(pairs: readonly LogPoint[], priorDeviation: number): number {
  if (pairs.length < 3) return 1
  let squares = heldOutWeight
  for (const left of pairs) {
    const line = fitLine(
      pairs.filter((pair) => pair !== left),
      priorDeviation,
    )
    const expected = left.x + line.intercept + line.tilt * (left.x - line.middle)
    squares += (left.y - expected) ** 2 / line.varianceAt(left.x)
  }
  return Math.min(3, Math.max(0.7, Math.sqrt(squares / (heldOutWeight + pairs.length))))
}

/** 97.5 % quantile of Student's t (Abramowitz and Stegun 1964, formula 26.7.5): a scatter learnt from few points is unsure. */
function quantile(freedom: number): number {
  const z = z95
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2)
}

/** The line through the measured points, and an interval that covers about 95 % of what is measured next. */
export function calibrate(points: readonly CalibrationPoint[], priorDeviation: number): Calibration {
  const usable = ({ predicted, measured }: CalibrationPoint): boolean =>
    predicted > 0 && measured > 0 && Number.isFinite(predicted) && Number.isFinite(measured)
  const pairs = points
    .filter(usable)
    .map(({ predicted, measured }) => ({ x: Math.log(predicted), y: Math.log(measured) }))
  const n = pairs.length
  const line = fitLine(pairs, priorDeviation)
  const scale = heldOutScale(pairs, priorDeviation)
  const width = scale * (n === 0 ? z95 : quantile(guessWeight + n))
  return {
    factor: Math.exp(line.intercept),
    points: n,
    spearman:
      n < 3
        ? null
        : spearman(
            pairs.map(({ x }) => x),
            pairs.map(({ y }) => y),
          ),
    predict(sum, standardError = 0) {
      if (!(sum > 0)) return { loss: 0, low: 0, high: 0 }
      const x = Math.log(sum)
      const sampling = n === 0 ? (standardError / sum) ** 2 : 0
      const deviation = Math.sqrt(line.varianceAt(x) + sampling)
      const loss = sum * Math.exp(line.intercept + line.tilt * (n === 0 ? 0 : x - line.middle))
      return { loss, low: loss * Math.exp(-width * deviation), high: loss * Math.exp(width * deviation) }
    },
  }
}

/** A measured variant with what pairs of layers add to the plain sum: cross = sum of 2 rho sqrt(L_i L_j). */
export interface CoupledPoint extends CalibrationPoint {
  cross: number
}

const weights = [0, 0.25, 0.5, 0.75, 1]
const enoughPoints = 6
const worthwhile = 0.95 // of the error without pairs

/** How much of the pairwise terms to believe: the share with which each measured variant is told best from the others. None
 *  before there are enough variants, and none unless they clearly help: correlations measured at one reference option often do
 *  not hold at others (figures in test/bench/predictor.ts). */
export function couplingWeight(points: readonly CoupledPoint[], priorDeviation: number): number {
  const usable = points.filter(({ predicted, measured }) => predicted > 0 && measured > 0)
  if (usable.length < enoughPoints) return 0
  const errorWith = (weight: number): number => {
    const pairs = usable.map(({ predicted, cross, measured }) => ({
      x: Math.log(Math.max(predicted + weight * cross, 0.1 * predicted)),
      y: Math.log(measured),
    }))
    return mean(
      pairs.map((left) => {
        const line = fitLine(
          pairs.filter((pair) => pair !== left),
          priorDeviation,
        )
        return Math.abs(left.y - left.x - line.intercept - line.tilt * (left.x - line.middle))
      }),
    )
  }
  const errors = weights.map((weight) => ({ weight, error: errorWith(weight) }))
  const best = errors.reduce((least, each) => (each.error < least.error ? each : least))
  return best.error < worthwhile * (errors[0]?.error ?? 0) ? best.weight : 0
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Rank correlation; equal values share their mean rank. null where one side does not vary. */
export function spearman(a: readonly number[], b: readonly number[]): number | null {
  const [x, y] = [ranks(a), ranks(b)]
  const [meanX, meanY] = [mean(x), mean(y)]
  let [xy, xx, yy] = [0, 0, 0]
  for (const [index, rank] of x.entries()) {
    const [dx, dy] = [rank - meanX, (y[index] ?? 0) - meanY]
    xy += dx * dy
    xx += dx * dx
    yy += dy * dy
  }
  return xx === 0 || yy === 0 ? null : xy / Math.sqrt(xx * yy)
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((value, index) => ({ value, index })).sort((p, q) => p.value - q.value)
  const result = new Array<number>(values.length).fill(0)
  for (let begin = 0; begin < order.length;) {
    let end = begin
    while (end < order.length && order[end]?.value === order[begin]?.value) end += 1
    for (const { index } of order.slice(begin, end)) result[index] = (begin + end - 1) / 2
    begin = end
  }
  return result
}
