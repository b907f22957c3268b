import type { Front, FrontPoint, MeasuredPoint, Metric } from '../../../src-preload/contract/results.ts'
import type { FrontChartData, FrontMark } from '../../charts/front.ts'
import type { FrontX } from '../../stores/compare.ts'
import { formatBits, formatBytes, formatPercent, formatScientific, megabytes, trimZeros } from '../../ui/format.ts'
import { metricRow } from '../../ui/metrics.ts'

/** One entry of the chart and of the list beside it. A measured one is a variant or the original, a predicted one a budget. */
export interface FrontItem {
  key: string
  source: 'measured' | 'predicted'
  kind: 'original' | 'planned' | 'uniform'
  label: string
  variant: string | null
  bytes: number
  averageBits: number
  loss: number
  low: number
  high: number
  predictedLoss: number | null
  metrics: Readonly<Record<string, Metric>>
  isPinned: boolean
}

const wholeAndHalf = Array.from({ length: 13 }, (_, i) => 2 + i / 2)

/** At most one point near each half bit: enough to choose from, few enough to point at. */
export function sampled(points: readonly FrontPoint[]): FrontPoint[] {
  const near = wholeAndHalf.flatMap((bits) => {
    const best = points.reduce<FrontPoint | null>(
      (now, p) => (now === null || Math.abs(p.averageBits - bits) < Math.abs(now.averageBits - bits) ? p : now),
      null,
    )
    return best && Math.abs(best.averageBits - bits) <= 0.26 ? [best] : []
  })
  return [...new Set(near)]
}

const predictedItem =
  (kind: 'planned' | 'uniform') =>
  (point: FrontPoint): FrontItem => ({
    key: `${kind} ${point.bytes}`,
    source: 'predicted',
    kind,
    label: `${kind === 'uniform' ? 'Uniform' : 'Planned'} ${formatBits(point.averageBits)} bits`,
    variant: null,
    bytes: point.bytes,
    averageBits: point.averageBits,
    loss: point.loss,
    low: point.lossLow,
    high: point.lossHigh,
    predictedLoss: point.loss,
    metrics: {},
    isPinned: false,
  })

const measuredItem = (point: MeasuredPoint): FrontItem => ({
  key: `measured ${point.variant ?? 'original'}`,
  source: 'measured',
  kind: point.kind,
  label: point.label.charAt(0).toUpperCase() + point.label.slice(1),
  variant: point.variant,
  bytes: point.bytes,
  averageBits: point.averageBits,
  loss: point.loss,
  low: point.lossLow,
  high: point.lossHigh,
  predictedLoss: point.predictedLoss,
  metrics: point.metrics,
  isPinned: point.pinned,
})

export interface FrontItems {
  measured: FrontItem[]
  predicted: FrontItem[]
  original: FrontItem | null
}

/** Everything that can be chosen, smallest file first; the original apart. */
export function frontItems(front: Front): FrontItems {
  const bySize = (a: FrontItem, b: FrontItem) => a.bytes - b.bytes
  const measured = front.measured.map(measuredItem)
  return {
    measured: measured.filter((item) => item.kind !== 'original').sort(bySize),
    predicted: [
      ...sampled(front.predicted).map(predictedItem('planned')),
      ...sampled(front.uniform).map(predictedItem('uniform')),
    ].sort(bySize),
    original: measured.find((item) => item.kind === 'original') ?? null,
  }
}

/** What is chosen before the person chose: the newest question is usually about four bits. */
export function startingPoint({ measured, predicted }: FrontItems): FrontItem | null {
  const planned = (items: FrontItem[]) => items.filter((item) => item.kind === 'planned')
  const from = [planned(measured), measured, planned(predicted), predicted].find((items) => items.length > 0) ?? []
  return from.reduce<FrontItem | null>(
    (best, item) => (!best || Math.abs(item.averageBits - 4) < Math.abs(best.averageBits - 4) ? item : best),
    null,
  )
}

export interface FrontView {
  x: FrontX
  metric: string
  chosen: string | null
  hovered: string | null
}

function mark(item: FrontItem, view: FrontView): FrontMark | null {
  const x = view.x === 'size' ? megabytes(item.bytes) : item.averageBits
  const { key, label, isPinned } = item
  if (view.metric === 'klDivergence') return { key, x, y: item.loss, low: item.low, high: item.high, label, isPinned }
  const metric = item.metrics[view.metric]
  return metric ? { key, x, y: metric.value, low: metric.low, high: metric.high, label, isPinned } : null
}

/** What the chart draws for a way of looking at the front. Predictions exist for the KL divergence alone. */
export function frontChartData(front: Front, view: FrontView): FrontChartData {
  const { measured, predicted, original } = frontItems(front)
  const isLoss = view.metric === 'klDivergence'
  const marks = (items: FrontItem[]): FrontMark[] =>
    items.flatMap((item) => {
      const one = mark(item, view)
      return one && (!isLoss || one.y > 0) ? [one] : []
    })
  const { title, unit, isShare } = metricRow(view.metric)
  const values = marks(measured).map((one) => one.y)
  const isWide = Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 20
  // Past the widest point that can be chosen the curve runs on to the uncompressed file, a long way of nothing to see.
  const widest = 1.01 * Math.max(0, ...marks([...predicted, ...measured]).map((one) => one.x))
  const at = (point: FrontPoint): number => (view.x === 'size' ? megabytes(point.bytes) : point.averageBits)
  return {
    predictedCurve: isLoss
      ? front.predicted
          .filter((p) => p.loss > 0 && at(p) <= widest)
          .map((p) => ({ x: at(p), y: p.loss, low: p.lossLow, high: p.lossHigh }))
          .sort((a, b) => a.x - b.x)
      : [],
    predicted: isLoss ? marks(predicted.filter((item) => item.kind === 'planned')) : [],
    uniformPredicted: isLoss ? marks(predicted.filter((item) => item.kind === 'uniform')) : [],
    planned: marks(measured.filter((item) => item.kind === 'planned')),
    uniform: marks(measured.filter((item) => item.kind === 'uniform')),
    baseline: isLoss ? null : (original?.metrics[view.metric]?.value ?? null),
    chosen: view.chosen,
    hovered: view.hovered,
    x:
      view.x === 'size'
        ? { title: 'Size of the exported file', write: (value) => trimZeros(formatBytes(value * 1e6)) }
        : { title: 'Average bits a weight', write: (value) => trimZeros(formatBits(value)) },
    y: {
      title: unit && !isShare ? `${title}, ${unit}` : title,
      write: (value) => trimZeros(isShare ? formatPercent(value, 1) : formatScientific(value)),
      isLog: isLoss || (isWide && !isShare),
    },
  }
}

/** Budgets in bits, evenly from low to high; both ends included, no doubles. */
export function frontBudgets(low: number, high: number, points: number): number[] {
  if (points <= 1 || high <= low) return [low]
  const step = (high - low) / (points - 1)
  return [...new Set(Array.from({ length: points }, (_, i) => Math.round((low + i * step) * 100) / 100))]
}
