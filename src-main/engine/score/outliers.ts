/** Sums that give mean and standard deviation of weights read in parts; about the first weight, against cancellation. */
export interface Moments {
  origin: number | null
  count: number
  sum: number
  squares: number
}

export const noMoments = (): Moments => ({ origin: null, count: 0, sum: 0, squares: 0 })

export function addMoments(moments: Moments, weights: Float32Array): Moments {
  const origin = moments.origin ?? weights[0] ?? 0
  let { sum, squares } = moments
  for (const weight of weights) {
    const d = weight - origin
    sum += d
    squares += d * d
  }
  return { origin, count: moments.count + weights.length, sum, squares }
}

/** mean + deviations * (population standard deviation); Infinity for weights that are all equal. */
export function thresholdOf({ origin, count, sum, squares }: Moments, deviations: number): number {
  const mean = sum / count
  const variance = squares / count - mean * mean
  return variance > 0 ? (origin ?? 0) + mean + deviations * Math.sqrt(variance) : Infinity
}

export function countAbove(weights: Float32Array, threshold: number): number {
  let count = 0
  for (const weight of weights) if (weight > threshold) count++
  return count
}
