import type { Evaluation, Metric } from '../../../src-preload/contract/results.ts'
import type { Project } from '../../../src-preload/contract/project.ts'
import { formatBytes, formatCount, formatDuration } from '../../ui/format.ts'
import {
  type Difference,
  difference,
  formatInterval,
  formatMetricValue,
  metricRow,
  sortMetrics,
} from '../../ui/metrics.ts'
import type { FrontItem, FrontItems } from './points.ts'

/** The newest evaluation of a variant (null: the original) on evaluation samples. */
export function evaluationOf(project: Project, variant: string | null): Evaluation | null {
  return (
    project.evaluations.findLast(
      (one) => one.variant === variant && one.part === 'evaluate' && one.against === undefined,
    ) ?? null
  )
}

export function measuredHow(evaluation: Evaluation): string {
  const { peakBytes } = evaluation
  const peak =
    peakBytes === undefined ? '' : `, with ${formatBytes(peakBytes)} of memory at the peak: weights as floats`
  return `Measured on ${formatCount(evaluation.samples)} evaluation samples (${formatCount(evaluation.predictions)} predictions) in ${formatDuration(evaluation.seconds * 1000)} on ${evaluation.device}${peak}. Intervals are 95 %.`
}

export interface Cell {
  value: string
  interval: string | null
  difference: Difference | null
}
export interface TableRow {
  name: string
  title: string
  help: string
  cells: (Cell | null)[]
}

const mostColumns = 6

/** Original first, then what is pinned or chosen, smallest file first. */
export function tableColumns(items: FrontItems, chosen: FrontItem | null): FrontItem[] {
  const shown = items.measured.filter((item) => item.isPinned || item.key === chosen?.key)
  const columns = shown.length > 0 ? shown : items.measured
  return [...(items.original ? [items.original] : []), ...columns.slice(0, mostColumns)]
}

/** Which of the measured stand in the table, in words. */
export function columnsWords(items: FrontItems, chosen: FrontItem | null): string {
  const { measured } = items
  if (measured.some((item) => item.isPinned || item.key === chosen?.key))
    return 'What is pinned or chosen, against the original'
  return measured.length > mostColumns
    ? `The ${mostColumns} smallest of ${measured.length}, against the original; pin those to compare`
    : 'All that is measured, against the original'
}

function cell(
  name: string,
  metric: Metric | undefined,
  original: Metric | undefined,
  isOriginal: boolean,
): Cell | null {
  if (!metric) return null
  const compares = !isOriginal && original !== undefined && !metricRow(name).isDifference
  return {
    value: formatMetricValue(name, metric.value),
    interval: formatInterval(name, metric),
    difference: compares ? difference(name, metric, original.value) : null,
  }
}

/** One row a metric; a cell is null where that column has no such metric. */
export function tableRows(columns: readonly FrontItem[]): TableRow[] {
  const original = columns.find((column) => column.kind === 'original')
  const names = sortMetrics(columns.flatMap((column) => Object.keys(column.metrics)))
  return names.map((name) => ({
    name,
    title: metricRow(name).title,
    help: metricRow(name).help,
    cells: columns.map((column) =>
      cell(name, column.metrics[name], original?.metrics[name], column.kind === 'original'),
    ),
  }))
}
