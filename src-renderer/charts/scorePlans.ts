import type { EChartsCoreOption } from 'echarts/core'
import { hueOf, shapeOf } from './shootout.ts'
import type { ChartTheme } from './theme.ts'
import { linearTicks, logExtent, logTicks } from './ticks.ts'

export interface PlanMark {
  x: number // bytes
  y: number // KL divergence
  low: number | null
  high: number | null
}
/** Plans of one way to weigh errors. */
export interface PlanSeries {
  id: string
  /** Hue and mark of a score; of a baseline its own line. */
  look: number | 'error' | 'sensitivity' | 'uniform'
  judged: readonly PlanMark[] // hollow: what the measured sensitivities say
  measured: readonly PlanMark[] // filled: what was run and evaluated
  isFaded: boolean
}
export interface PlanChartData {
  series: readonly PlanSeries[]
  write: { x(value: number): string; y(value: number): string }
}

const baselines = {
  error: { dash: [3, 3], shape: 'circle' },
  sensitivity: { dash: 'solid', shape: 'circle' },
  uniform: { dash: [6, 4], shape: 'diamond' },
} as const

/** Size against loss, one line a score: hollow marks are judged from measured sensitivities, filled ones were measured. */
export function planOption({ series, write }: PlanChartData, theme: ChartTheme): EChartsCoreOption {
  const marks = series.flatMap(({ judged, measured }) => [...judged, ...measured])
  const [left, right] = [Math.min(...marks.map(({ x }) => x)), Math.max(...marks.map(({ x }) => x))]
  const air = 0.04 * (right - left || right || 1)
  const [low, high] = logExtent(
    marks.map(({ y }) => y),
    1.3,
  ) ?? [1e-3, 1]
  const axis = {
    axisLine: { lineStyle: { color: theme.line } },
    minorTick: { show: false },
    splitLine: { show: true, lineStyle: { color: theme.grid } },
  }
  // The library draws grid lines at the ticks, not at the words.
  const at = (ticks: number[], write: (value: number) => string) => ({
    axisTick: { show: false, customValues: ticks },
    axisLabel: { ...label, customValues: ticks, formatter: write },
  })
  const label = { color: theme.ink3, fontSize: 12, hideOverlap: true }
  const name = { color: theme.ink2, fontSize: 12 }
  const colours = { error: theme.ink3, sensitivity: theme.ink, uniform: theme.uniform }
  return {
    animation: false,
    textStyle: { fontFamily: theme.font },
    grid: { left: 72, right: 24, top: 34, bottom: 48 },
    xAxis: {
      ...axis,
      type: 'value',
      min: left - air,
      max: right + air,
      name: 'Size of the exported file',
      nameLocation: 'middle',
      nameGap: 30,
      nameTextStyle: name,
      ...at(linearTicks(left - air, right + air, 6), write.x),
    },
    yAxis: {
      ...axis,
      type: 'log',
      min: low,
      max: high,
      name: 'KL divergence, nats',
      nameLocation: 'end',
      nameGap: 12,
      nameTextStyle: { ...name, align: 'left', padding: [0, 0, 0, -62] },
      ...at(logTicks(low, high), write.y),
    },
    series: series.flatMap(({ id, look, judged, measured, isFaded }) => {
      const isScore = typeof look === 'number'
      const color = isScore ? (theme.series[hueOf(look)] ?? theme.ink) : colours[look]
      const shape = isScore ? shapeOf(look) : baselines[look].shape
      const opacity = isFaded ? 0.35 : 1
      return [
        {
          id: `${id} judged`,
          type: 'line',
          symbol: shape,
          symbolSize: 8,
          z: isFaded ? 2 : 4,
          data: judged.filter(({ y }) => y > 0).map(({ x, y }) => [x, y]),
          lineStyle: {
            color,
            width: look === 'sensitivity' ? 2.2 : 1.5,
            opacity,
            type: isScore ? 'solid' : baselines[look].dash,
          },
          itemStyle: { color: theme.surface, borderColor: color, borderWidth: 1.8, opacity },
        },
        {
          id: `${id} measured`,
          type: 'scatter',
          symbol: shape,
          symbolSize: 12,
          z: 6,
          data: measured.filter(({ y }) => y > 0).map(({ x, y }) => [x, y]),
          itemStyle: { color, borderColor: theme.surface, borderWidth: 1.5 },
        },
      ]
    }),
  }
}

/** Which mark is meant by series and index. */
export function planMarkAt(data: PlanChartData, series: string, index: number) {
  const at = series.lastIndexOf(' ')
  const found = data.series.find(({ id }) => id === series.slice(0, at))
  const kind = series.slice(at + 1) === 'measured' ? 'measured' : 'judged'
  const mark = found?.[kind].filter(({ y }) => y > 0)[index]
  return found && mark ? { id: found.id, kind, mark } : null
}
