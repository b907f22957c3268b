import type { EChartsCoreOption } from 'echarts/core'
import type { FrontPoint } from '../../src-preload/contract/results.ts'
import { formatScientific, trimZeros } from '../ui/format.ts'
import { logExtent, logTicks } from './ticks.ts'
import type { ChartTheme } from './theme.ts'

export interface BudgetCurveData {
  predicted: readonly FrontPoint[]
  uniform: readonly FrontPoint[]
  measured: readonly { averageBits: number; loss: number }[]
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

/** Pixels between the chart's edges and its plot. */
export const budgetCurveGrid = { left: 11, right: 11, top: 12, bottom: 8 } as const

/** The range of losses that the curve shows. */
export const budgetCurveRange = (data: BudgetCurveData): [number, number] =>
  logExtent(
    [data.predicted, data.uniform, data.measured].flatMap((list) => points(list, data).map((p) => p[1])),
    1.4,
  ) ?? [1e-4, 1]

/** Where a plan stands on the curve, as shares of the plot from its left and from its top; kept inside. */
export function budgetCurvePlace(
  { minBits, maxBits }: Pick<BudgetCurveData, 'minBits' | 'maxBits'>,
  [low, high]: readonly [number, number],
  here: { bits: number; loss: number },
): { x: number; y: number } {
  const inside = (share: number): number => Math.min(1, Math.max(0, share))
  return {
    x: inside((here.bits - minBits) / (maxBits - minBits || 1)),
    y: here.loss > 0 ? inside(Math.log(high / here.loss) / Math.log(high / low)) : 1,
  }
}

/** The predicted curve above the slider, sharing its horizontal scale. The plan that stands now is drawn over it by the page:
 *  the chart stays as it is while the hand moves. */
export function budgetCurveOption(data: BudgetCurveData, theme: ChartTheme): EChartsCoreOption {
  const predicted = points(data.predicted, data)
  const uniform = points(data.uniform, data)
  const measured = points(data.measured, data)
  const [low, high] = budgetCurveRange(data)
  const line = { type: 'line', symbol: 'none', silent: true, animation: false }
  return {
    animation: false,
    textStyle: { fontFamily: theme.font },
    grid: budgetCurveGrid,
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
    ],
  }
}
