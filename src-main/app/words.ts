/** Words for people: sizes in decimal units, as file managers and model cards give them. */
export function formatBytes(bytes: number): string {
  if (bytes < 999.5) return `${Math.round(bytes)} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes / 1000
  let unit = 0
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value.toFixed(value < 9.995 ? 2 : 1)} ${units[unit]}`
}

const TITLES = new Map([
  ['klDivergence', 'KL divergence'],
  ['agreement', 'same top answer'],
  ['perplexity', 'perplexity'],
  ['logPerplexityRatio', 'ln(perplexity ratio)'],
  ['crossEntropy', 'cross-entropy'],
  ['top1', 'top-1 accuracy'],
  ['top5', 'top-5 accuracy'],
  ['top1Difference', 'top-1 difference'],
  ['sqnrDb', 'signal to noise'],
  ['maxAbsDifference', 'largest difference'],
])

/** A metric in words; one that is not known keeps the name its evaluator gave it. */
export const metricTitle = (name: string): string => TITLES.get(name) ?? name

const SHARES = new Set(['top1', 'top5', 'agreement', 'top1Difference'])

/** A metric the way the field prints it: shares in percent, losses with four significant digits. */
export function formatMetric(name: string, value: number): string {
  if (SHARES.has(name)) return `${(value * 100).toFixed(2)} %`
  if (name === 'perplexity') return value.toFixed(4)
  if (name === 'crossEntropy') return value.toFixed(5)
  if (name === 'sqnrDb') return `${value.toFixed(1)} dB`
  if (value === 0) return '0'
  return Math.abs(value) >= 0.01 ? value.toFixed(4) : value.toExponential(2)
}
