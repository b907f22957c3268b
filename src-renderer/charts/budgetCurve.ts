import type { EChartsCoreOption } from 'echarts/core'
import type { FrontPoint } from '../../src-preload/contract/results.ts'
import { formatScientific, trimZeros } from '../ui/format.ts'
import { logExtent, logTicks } from './ticks.ts'
import type { ChartTheme } from './theme.ts'

export interface BudgetCurveData {
  predicted: readonly FrontPoint[]
  uniform: readonly FrontPoint[]
  measured: readonly { averageBits: number; loss: number }[]
  /** Where the slider stands: average bits and the loss predicted there. */
  here: { bits: number; loss: number; low: number; high: number } | null
  minBits: number
  maxBits: number
}

const points = (list: readonly { averageBits: number; loss: number }[], data: BudgetCurveData): [number, number][] =>
  list
    .filter((p) => p.loss > 0 && p.averageBits >= data.minBits && p.averageBits <= data.maxBits)
    .map((p): [number, number] => [p.averageBits, p.loss])
    .sort((a, b) => a[0] - b[0])

/** At most four of them: the curve is only as high as a few lines of text. */
const sparse = (ticks: number[]): number[] => ticks.filter((_, i) => i % Math.ceil(ticks.length / 4) === 0)

/** The predicted curve above the slider, sharing its horizontal scale, with the plan that stands now as a dot on it. */
export function budgetCurveOption(data: BudgetCurveData, theme: ChartTheme): EChartsCoreOption {
  const predicted = points(data.predicted, data)
  const uniform = points(data.uniform, data)
  const measured = points(data.measured, data)
  const hereLoss = data.here && data.here.loss > 0 ? [data.here.loss] : []
  const losses = [...predicted, ...uniform, ...measured].map((p) => p[1])
  // The scale must not breathe while the hand drags, so the dot itself only widens it where it lies outside.
  const [low, high] = logExtent([...losses, ...hereLoss], 1.4) ?? [1e-4, 1]
  const line = { type: 'line', symbol: 'none', silent: true, animation: false }
  return {
    animation: false,
    textStyle: { fontFamily: theme.font },
    grid: { left: 11, right: 11, top: 12, bottom: 8 },
    xAxis: { type: 'value', min: data.minBits, max: data.maxBits, show: false },
    yAxis: {
      type: 'log',
      position: 'right',
      min: low,
      max: high,
      axisLabel: {
        inside: true,
        color: theme.ink3,
        fontSize: 11,
        padding: [0, -4, 0, 0],
        customValues: sparse(logTicks(low * (high / low) ** 0.3, high / 1.2)),
        formatter: (value: number) => trimZeros(formatScientific(value)),
      },
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { show: false },
    },
    series: [
      {
        ...line,
        id: 'predicted',
        data: predicted,
        lineStyle: { color: theme.accent, width: 2 },
        areaStyle: { color: theme.accentSoft, opacity: 0.5, origin: 'start' },
      },
      { ...line, id: 'uniform', data: uniform, lineStyle: { color: theme.uniform, width: 1.5, type: [4, 4] } },
      {
        id: 'measured',
        type: 'scatter',
        silent: true,
        animation: false,
        symbolSize: 8,
        itemStyle: { color: theme.measured, borderColor: theme.surface, borderWidth: 1.5 },
        data: measured,
      },
      {
        id: 'here',
        type: 'scatter',
        silent: true,
        animation: false,
        symbolSize: 14,
        z: 10,
        itemStyle: { color: theme.surface, borderColor: theme.accent, borderWidth: 3 },
        data: data.here && data.here.loss > 0 ? [[data.here.bits, data.here.loss]] : [],
        markLine: {
          silent: true,
          symbol: 'none',
          animation: false,
          label: { show: false },
          lineStyle: { color: theme.accent, type: 'solid', width: 1, opacity: 0.6 },
          data: data.here ? [{ xAxis: data.here.bits }] : [],
        },
      },
    ],
  }
}
