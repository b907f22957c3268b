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
const z95 = 1.96

/** Bayesian straight line ln(measured) = a + b ln(predicted) with a ~ N(0, priorDeviation^2) at the middle of the points
 *  and b ~ N(1, 0.2^2); the noise mixes a guess with the residuals. Without points it is the identity with the prior's
 *  width; one point shifts it; many points make the interval their own scatter. */
export function calibrate(points: readonly CalibrationPoint[], priorDeviation: number): Calibration {
  const pairs = points
    .filter(({ predicted, measured }) => predicted > 0 && measured > 0)
    .map(({ predicted, measured }) => ({ x: Math.log(predicted), y: Math.log(measured) }))
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

  return {
    factor: Math.exp(intercept),
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
      const x = n === 0 ? 0 : Math.log(sum) - middle
      const sampling = (standardError / sum) ** 2
      const noise = n === 0 ? 0 : variance
      const deviation = Math.sqrt(interceptVariance + tiltVariance * x * x + noise + (n === 0 ? sampling : 0))
      const loss = sum * Math.exp(intercept + tilt * x)
      return { loss, low: loss * Math.exp(-z95 * deviation), high: loss * Math.exp(z95 * deviation) }
    },
  }
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
