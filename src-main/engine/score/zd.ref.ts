/** ZD straight from the formula: share of weights more than one standard deviation above the mean. */
export function zdReference(weights: readonly number[]): number {
  const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length
  const deviation = Math.sqrt(weights.reduce((sum, w) => sum + (w - mean) ** 2, 0) / weights.length)
  return weights.filter((w) => (w - mean) / deviation > 1).length / weights.length
}
