import type { Metric } from '../../../src-preload/contract/results.ts'

// 95 % interval of a mean over rows that come in clusters (all tokens of a window share their text).
//   m = sum_w S_w / N,   se^2 = K / (K - 1) * sum_w (S_w - n_w m)^2 / N^2,   m +- 1.96 se
//   S_w, n_w: sum and number of rows in cluster w; K clusters, N rows. Cochran 1977, "Sampling Techniques", section 9A.
// With one row per cluster (images) this is the usual interval from the sample's standard deviation.
const normal95 = 1.959964

/** Mean of values by row; `clusters[row]` names the row's window or image. No interval from a single cluster. */
export function meanWithInterval(values: ArrayLike<number>, clusters: ArrayLike<number>): Metric {
  const rows = values.length
  const sums = new Map<number, { sum: number; count: number }>()
  let total = 0
  for (let row = 0; row < rows; row++) {
    const value = values[row] ?? 0
    const cluster = clusters[row] ?? row
    const entry = sums.get(cluster) ?? { sum: 0, count: 0 }
    entry.sum += value
    entry.count++
    sums.set(cluster, entry)
    total += value
  }
  const mean = total / rows
  const count = sums.size
  if (count < 2) return { value: mean, low: null, high: null }
  let spread = 0
  for (const entry of sums.values()) spread += (entry.sum - entry.count * mean) ** 2
  const error = (normal95 * Math.sqrt((count / (count - 1)) * spread)) / rows
  return { value: mean, low: mean - error, high: mean + error }
}

/** The metric through an increasing function, such as exp. */
export const through = (metric: Metric, f: (value: number) => number): Metric => ({
  value: f(metric.value),
  low: metric.low === null ? null : f(metric.low),
  high: metric.high === null ? null : f(metric.high),
})

/** The metric with its interval kept inside what is possible. */
export const within = (metric: Metric, least: number, most: number): Metric => ({
  value: metric.value,
  low: metric.low === null ? null : Math.max(least, metric.low),
  high: metric.high === null ? null : Math.min(most, metric.high),
})
