import type { EChartsCoreOption } from 'echarts/core'
import type { Histogram } from '../../src-preload/contract/model.ts'
import { formatScientific, trimZeros } from '../ui/format.ts'
import { linearTicks } from './ticks.ts'
import type { ChartTheme } from './theme.ts'

/** Weight histogram: counts as touching bars, the mean and one standard deviation either side as lines. */
export function histogramOption(histogram: Histogram, theme: ChartTheme): EChartsCoreOption {
  const { edges, counts, mean, standardDeviation: sd } = histogram
  const low = edges[0] ?? 0
  const high = edges.at(-1) ?? 1
  // However close the lines stand, their words do not meet: one row above for the mean, the others outwards.
  const marks = [
    { at: mean, name: 'mean', label: { align: 'center', distance: [0, 18] } },
    { at: mean - sd, name: '−1 sd', label: { align: 'right', distance: [0, 4] } },
    { at: mean + sd, name: '+1 sd', label: { align: 'left', distance: [0, 4] } },
  ].filter(({ at }) => at >= low && at <= high)
  return {
    animation: false,
    textStyle: { fontFamily: theme.font },
    grid: { left: 8, right: 8, top: 36, bottom: 24 },
    xAxis: {
      type: 'value',
      min: low,
      max: high,
      axisLine: { lineStyle: { color: theme.line } },
      axisTick: { show: false },
      splitLine: { show: false },
      axisLabel: {
        color: theme.ink3,
        fontSize: 11,
        customValues: linearTicks(low, high, 4),
        formatter: (value: number) => trimZeros(formatScientific(value)),
      },
    },
    yAxis: { type: 'value', show: false, min: 0 },
    series: [
      {
        id: 'counts',
        type: 'custom',
        silent: true,
        encode: { x: [0, 1], y: 2 },
        data: counts.map((count, i) => [edges[i] ?? low, edges[i + 1] ?? high, count]),
        renderItem: (_: unknown, api: BarApi) => bar(api, theme),
        markLine: {
          silent: true,
          symbol: 'none',
          animation: false,
          data: marks.map(({ at, name, label }) => ({
            xAxis: at,
            name,
            lineStyle: {
              color: name === 'mean' ? theme.measured : theme.ink3,
              type: name === 'mean' ? 'solid' : 'dashed',
            },
            label: { ...label, formatter: name, color: theme.ink3, fontSize: 11, fontFamily: theme.font },
          })),
        },
      },
    ],
  }
}

interface BarApi {
  value(dimension: number): number
  coord(point: [number, number]): [number, number]
}

/** One bin from its left to its right edge; a hair wider than its share so that no seam shows. */
export function bar(api: BarApi, theme: ChartTheme) {
  const [left, top] = api.coord([api.value(0), api.value(2)])
  const [right, bottom] = api.coord([api.value(1), 0])
  return {
    type: 'rect',
    shape: { x: left, y: top, width: Math.max(1, right - left - 0.5), height: bottom - top },
    style: { fill: theme.accent, opacity: 0.85 },
  }
}
