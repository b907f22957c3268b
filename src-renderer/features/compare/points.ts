import { axisRule, type AxisRule, frontAxes } from '../../../src-preload/contract/front-axis.ts'
import type {
  Front,
  FrontPoint,
  ImportedFront,
  Lever,
  MeasuredPoint,
  Metric,
} from '../../../src-preload/contract/results.ts'
import type { FrontChartData, FrontMark } from '../../charts/front.ts'
import type { FrontLook, FrontX } from '../../stores/compare.ts'
import {
  formatBits,
  formatBytes,
  formatLoss,
  formatPercent,
  formatScientific,
  megabytes,
  trimZeros,
} from '../../ui/format.ts'
import { formatMetricValue, metricRow } from '../../ui/metrics.ts'

/** One entry of the chart and of the list beside it. A measured one is a variant or the original, a predicted one a budget. */
export interface FrontItem {
  key: string
  source: 'measured' | 'predicted' | 'imported'
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
  seconds: number | null // a sample, during the evaluation
  fileSeconds: number | null // a sample, in the exported file
  memory: number | null // bytes at the peak, the exported file run by itself
  predictedMemory: number | null
  predictedSeconds: number | null
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
    ...{ seconds: null, fileSeconds: null, memory: null },
    predictedMemory: point.predictedMemory,
    predictedSeconds: point.predictedSeconds,
  })

/** By which a measured variant is chosen; null: the original. */
export const keyOfVariant = (variant: string | null): string => `measured ${variant ?? 'original'}`

const measuredItem = (point: MeasuredPoint): FrontItem => ({
  key: keyOfVariant(point.variant),
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
  seconds: point.seconds,
  fileSeconds: point.fileSeconds,
  memory: point.memory,
  predictedMemory: point.predictedMemory,
  predictedSeconds: point.predictedSeconds,
})

/** Points of other places. Where their loss was not told it is not a number, and they stand on other metrics alone. */
const importedItems = ({ id, points }: ImportedFront): FrontItem[] =>
  points.map((point, i) => {
    const loss = point.metrics.klDivergence
    return {
      key: `imported ${id} ${i}`,
      source: 'imported',
      kind: point.kind,
      label: point.label,
      variant: null,
      bytes: point.bytes,
      averageBits: point.averageBits ?? Number.NaN,
      loss: loss?.value ?? Number.NaN,
      low: loss?.low ?? loss?.value ?? Number.NaN,
      high: loss?.high ?? loss?.value ?? Number.NaN,
      predictedLoss: null,
      metrics: point.metrics,
      isPinned: false,
      ...{ seconds: null, fileSeconds: null, memory: null, predictedMemory: null, predictedSeconds: null },
    }
  })

export interface FrontItems {
  measured: FrontItem[]
  predicted: FrontItem[]
  original: FrontItem | null
  imported: { front: ImportedFront; items: FrontItem[] }[]
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
    imported: front.imported.map((one) => ({ front: one, items: importedItems(one).sort(bySize) })),
  }
}

/** What is chosen before the person chose: the newest question is usually about four bits. */
export function startingPoint({ measured, predicted }: Pick<FrontItems, 'measured' | 'predicted'>): FrontItem | null {
  const planned = (items: FrontItem[]) => items.filter((item) => item.kind === 'planned')
  const from = [planned(measured), measured, planned(predicted), predicted].find((items) => items.length > 0) ?? []
  return from.reduce<FrontItem | null>(
    (best, item) => (!best || Math.abs(item.averageBits - 4) < Math.abs(best.averageBits - 4) ? item : best),
    null,
  )
}

export interface FrontView extends Omit<FrontLook, 'metric'> {
  metric: string
  chosen: string | null
  hovered: string | null
}

/** In the units of an axis: MB, bits, ms. */
const inUnits: Record<FrontX, (value: number) => number> = {
  size: megabytes,
  bits: (value) => value,
  latency: (seconds) => 1000 * seconds,
  memory: megabytes,
}

/** The value of an item on an axis; not a number where it has none. What was imported has a size alone. */
function onX(item: FrontItem, x: FrontX, rule: AxisRule): number {
  const value = item.source === 'predicted' ? rule.ofPredicted(item) : rule.ofMeasured(item)
  return inUnits[x](value ?? Number.NaN)
}

/** Of the exported file while it runs; '' where nothing is known. */
export function memoryWords({ source, memory, predictedMemory }: FrontItem): string {
  if (memory !== null) return formatBytes(memory)
  if (predictedMemory === null) return ''
  return source === 'predicted' ? formatBytes(predictedMemory) : `${formatBytes(predictedMemory)}, predicted`
}

/** Metrics that follow from others: the ratio of perplexities, from its logarithm. */
export function metricOf(metrics: FrontItem['metrics'], name: string): Metric | null {
  if (name !== 'perplexityRatio') return metrics[name] ?? null
  const log = metrics.logPerplexityRatio
  const exp = (value: number | null): number | null => (value === null ? null : Math.exp(value))
  return log ? { value: Math.exp(log.value), low: exp(log.low), high: exp(log.high) } : null
}

/** Of a metric where the item has it; predictions are of the KL divergence alone. */
function valueOf(item: FrontItem, metric: string): Metric | null {
  return metric === 'klDivergence'
    ? { value: item.loss, low: item.low, high: item.high }
    : metricOf(item.metrics, metric)
}

/** The same for a narrow column: its heading says the unit. */
export function metricWords(item: FrontItem, metric: string): string {
  const value = valueOf(item, metric)?.value
  return metricRow(metric).isShare ? formatMetricValue(metric, value) : formatLoss(value)
}

function mark(item: FrontItem, view: FrontView, rule: AxisRule): FrontMark | null {
  const x = onX(item, view.x, rule)
  const { key, label, isPinned } = item
  const found = valueOf(item, view.metric)
  if (!found || !Number.isFinite(x) || !Number.isFinite(found.value)) return null
  return { key, x, y: found.value, low: found.low, high: found.high, label, isPinned, isFaded: false }
}

/** Those with less loss than all to the left, from left to right. */
export function unbeaten<P extends { x: number; y: number }>(points: readonly P[]): P[] {
  let least = Infinity
  return [...points]
    .sort((a, b) => a.x - b.x || a.y - b.y)
    .filter(({ y }) => {
      const isBetter = y < least
      if (isBetter) least = y
      return isBetter
    })
}

/** Another one is at most as far right and at least as good, and better in one of the two. */
export const dominated = (
  one: Pick<FrontMark, 'x' | 'y'>,
  among: readonly Pick<FrontMark, 'x' | 'y'>[],
  better: 'lower' | 'higher',
): boolean => {
  const sign = better === 'lower' ? 1 : -1
  return among.some(({ x, y }) => x <= one.x && sign * y <= sign * one.y && (x < one.x || y !== one.y))
}

const writeX: Record<FrontX, FrontChartData['x']['write']> = {
  size: (value) => trimZeros(formatBytes(value * 1e6)),
  bits: (value) => trimZeros(formatBits(value)),
  latency: (value) => `${trimZeros(formatScientific(value))} ms`,
  memory: (value) => trimZeros(formatBytes(value * 1e6)),
}

/** Axes that at least two points, measured or predicted, have a value on. */
export function knownXs(front: Front): Set<FrontX> {
  const { measured, predicted } = frontItems(front)
  return new Set(
    frontAxes.filter((x) => {
      const rule = axisRule(front, x)
      return [...measured, ...predicted].filter((item) => Number.isFinite(onX(item, x, rule))).length > 1
    }),
  )
}

/** What the chart draws for a way of looking at the front. Predictions exist for the KL divergence alone. */
export function frontChartData(front: Front, view: FrontView): FrontChartData {
  const { measured, predicted, original, imported } = frontItems(front)
  const isLoss = view.metric === 'klDivergence'
  const rule = axisRule(front, view.x)
  const atOf = (point: FrontPoint): number => inUnits[view.x](rule.ofPredicted(point) ?? Number.NaN)
  const predicts = isLoss && front.predicted.some((point) => Number.isFinite(atOf(point)))
  const marks = (items: FrontItem[]): FrontMark[] =>
    items.flatMap((item) => {
      const one = mark(item, view, rule)
      return one && (!isLoss || one.y > 0) ? [one] : []
    })
  const { title, unit, isShare, better } = metricRow(view.metric)
  const judged = marks(measured)
  const faded = (items: FrontItem[]): FrontMark[] =>
    marks(items).map((one) => ({ ...one, isFaded: dominated(one, judged, better) }))
  const values = judged.map((one) => one.y)
  const isWide = Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 20
  // Past the widest point that can be chosen the curve runs on to the uncompressed file, a long way of nothing to see.
  const shown = [...(predicts ? marks(predicted) : []), ...judged]
  const widest = 1.01 * Math.max(0, ...shown.map((one) => one.x))
  const curveOf = (points: readonly FrontPoint[]) =>
    points
      .filter((p) => p.loss > 0 && atOf(p) <= widest)
      .map((p) => ({ x: atOf(p), y: p.loss, low: p.lossLow, high: p.lossHigh }))
      .sort((a, b) => a.x - b.x || a.y - b.y)
  // Plans are made along the size: in memory or time some of them are beaten by others, and are no part of a front.
  const steady = <P extends { x: number; y: number }>(points: P[]): P[] =>
    view.x === 'size' || view.x === 'bits' ? points : unbeaten(points)
  const baseline = original && !isLoss ? (metricOf(original.metrics, view.metric)?.value ?? null) : null
  const canLog = values.every((value) => value > 0)
  return {
    predictedCurve: predicts ? steady(curveOf(front.predicted)) : [],
    curves: predicts
      ? front.curves.flatMap(({ lever, points }) =>
          view.levers.includes(lever) ? [{ lever, points: steady(curveOf(points)) }] : [],
        )
      : [],
    predicted: predicts ? steady(marks(predicted.filter((item) => item.kind === 'planned'))) : [],
    uniformPredicted: predicts ? steady(marks(predicted.filter((item) => item.kind === 'uniform'))) : [],
    planned: faded(measured.filter((item) => item.kind === 'planned')),
    uniform: faded(measured.filter((item) => item.kind === 'uniform')),
    imported: imported.map(({ front: one, items }) => ({
      id: one.id,
      title: one.title,
      marks: marks(items.filter((item) => item.kind !== 'original')),
    })),
    baseline,
    chosen: view.chosen,
    hovered: view.hovered,
    x: { title: rule.title, write: writeX[view.x], isLog: view.isXLog },
    y: {
      title: unit && !isShare ? `${title}, ${unit}` : title,
      write: (value) => trimZeros(isShare ? formatPercent(value, 1) : formatScientific(value)),
      isLog: canLog && (view.isYLog ?? (isLoss || (isWide && !isShare))),
    },
  }
}

export const leverTitles: Record<Lever, string> = {
  bits: 'Bits alone',
  sparsity: 'Sparsity alone',
  rank: 'Rank alone',
  depth: 'Depth alone',
}

/** Budgets in bits, evenly from low to high; both ends included, no doubles. */
export function frontBudgets(low: number, high: number, points: number): number[] {
  if (points <= 1 || high <= low) return [low]
  const step = (high - low) / (points - 1)
  return [...new Set(Array.from({ length: points }, (_, i) => Math.round((low + i * step) * 100) / 100))]
}
