import type { Metric } from '../../src-preload/contract/results.ts'
import { dash, formatPercent, formatScientific, signed } from './format.ts'

interface MetricRow {
  title: string
  unit: string
  better: 'lower' | 'higher'
  help: string
  isShare: boolean
  /** Already a difference to the original: no further difference is shown. */
  isDifference: boolean
}

const row = (
  title: string,
  unit: string,
  better: MetricRow['better'],
  help: string,
  more: Partial<Pick<MetricRow, 'isShare' | 'isDifference'>> = {},
): MetricRow => ({ title, unit, better, help, isShare: false, isDifference: false, ...more })

const rows: Record<string, MetricRow> = {
  klDivergence: row(
    'KL divergence',
    'nats',
    'lower',
    'How far the predictions moved from the original’s, in nats per prediction. 0 is identical.',
    { isDifference: true },
  ),
  agreement: row(
    'Same top answer',
    '',
    'higher',
    'Share of predictions whose most likely answer equals the original’s.',
    {
      isShare: true,
      isDifference: true,
    },
  ),
  perplexity: row('Perplexity', '', 'lower', 'Exponential of the mean negative log-likelihood per token.'),
  logPerplexityRatio: row('ln(perplexity ratio)', 'nats', 'lower', 'ln(perplexity / original perplexity).', {
    isDifference: true,
  }),
  perplexityRatio: row('Perplexity ratio', '', 'lower', 'Perplexity over the original’s: 1 is equal.', {
    isDifference: true,
  }),
  crossEntropy: row('Cross-entropy', 'nats', 'lower', 'Mean negative log-likelihood of the right answer.'),
  top1: row('Top-1 accuracy', '', 'higher', 'Share of samples whose most likely class is the label.', {
    isShare: true,
  }),
  top5: row('Top-5 accuracy', '', 'higher', 'Share of samples whose label is among the five most likely classes.', {
    isShare: true,
  }),
  top1Difference: row('Top-1 difference', '', 'higher', 'Accuracy minus the original’s, on the same samples.', {
    isShare: true,
    isDifference: true,
  }),
  sqnrDb: row('Signal to noise', 'dB', 'higher', 'Power of the original output over power of the difference.', {
    isDifference: true,
  }),
  maxAbsDifference: row('Largest difference', '', 'lower', 'Largest absolute difference of any output value.', {
    isDifference: true,
  }),
}

/** Order in which metrics are shown; unknown ones follow by name. */
const order = Object.keys(rows)

export function metricRow(name: string): MetricRow {
  return rows[name] ?? row(name, '', 'lower', `Metric ${name} as the evaluator reported it.`)
}

export function sortMetrics(names: Iterable<string>): string[] {
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length)
  return [...new Set(names)].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
}

export function formatMetricValue(name: string, value: number | null | undefined): string {
  const { isShare, isDifference, unit } = metricRow(name)
  if (isShare && isDifference && name.endsWith('Difference')) return formatPercent(value, 2).replace(' %', ' pp')
  if (isShare) return formatPercent(value, 2)
  const text = formatScientific(value)
  return unit && text !== dash ? `${text} ${unit}` : text
}

/** 'low – high' of the 95 % interval, or null where the evaluator gave none. */
export function formatInterval(name: string, metric: Metric): string | null {
  if (metric.low === null || metric.high === null) return null
  const { isShare } = metricRow(name)
  const write = (value: number) => (isShare ? formatPercent(value, 2).replace(' %', '') : formatScientific(value))
  return `${write(metric.low)} to ${write(metric.high)}`
}

export interface Difference {
  text: string
  /** null: equal, or the original lies inside the interval, so that the sign means nothing. */
  isBetter: boolean | null
}

/** Difference to the original, in percentage points for shares. */
export function difference(name: string, metric: Metric, original: number): Difference {
  const { isShare, better } = metricRow(name)
  const delta = metric.value - original
  const isInside = metric.low !== null && metric.high !== null && metric.low <= original && original <= metric.high
  const text = isShare ? `${signed(formatPercent(delta, 2).replace(' %', ''))} pp` : signed(formatScientific(delta))
  if (delta === 0) return { text: isShare ? '0.00 pp' : '0', isBetter: null }
  return { text, isBetter: isInside ? null : better === 'higher' ? delta > 0 : delta < 0 }
}
