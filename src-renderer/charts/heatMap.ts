import type { EChartsCoreOption } from 'echarts/core'
import type { ChartTheme } from './theme.ts'

/** A table of figures, row-major. */
export interface HeatMapData {
  rows: readonly string[]
  cols: readonly string[]
  values: readonly number[]
  write(value: number): string
}

/** Row and column of a cell by its index. */
export const cellAt = ({ rows, cols, values }: HeatMapData, index: number) => {
  const [row, col] = [Math.floor(index / cols.length), index % cols.length]
  const value = values[index]
  return value === undefined || rows[row] === undefined ? null : { row: rows[row], col: cols[col] ?? '', value }
}

/** Figures as colours: of one sign from the surface to the signal; of both signs away from zero, either way. */
export function heatMapOption(data: HeatMapData, theme: ChartTheme): EChartsCoreOption {
  const { rows, cols, values } = data
  const known = values.filter(Number.isFinite)
  const [low, high] = [Math.min(0, ...known), Math.max(0, ...known)]
  const isSigned = low < 0 && high > 0
  const reach = Math.max(-low, high) || 1
  const axis = {
    type: 'category' as const,
    axisLine: { show: false },
    axisTick: { show: false },
    splitArea: { show: false },
    axisLabel: { color: theme.ink3, fontSize: 11, hideOverlap: true },
  }
  return {
    animation: false,
    textStyle: { fontFamily: theme.font },
    grid: { left: 8, right: 84, top: 8, bottom: 8, containLabel: true },
    xAxis: { ...axis, data: [...cols] },
    yAxis: { ...axis, data: [...rows], inverse: true },
    visualMap: {
      type: 'continuous',
      min: isSigned ? -reach : low,
      max: isSigned ? reach : high > low ? high : low + 1,
      right: 0,
      top: 8,
      itemHeight: 120,
      itemWidth: 10,
      formatter: data.write,
      textStyle: { color: theme.ink3, fontSize: 11 },
      text: [data.write(isSigned ? reach : high), data.write(isSigned ? -reach : low)],
      inRange: {
        color: isSigned
          ? [theme.accent, theme.surface, theme.measured]
          : low < 0
            ? [theme.accent, theme.surface]
            : [theme.surface, theme.measured],
      },
    },
    series: [
      {
        id: 'cells',
        type: 'heatmap',
        data: values.map((value, at) => [at % cols.length, Math.floor(at / cols.length), value]),
        itemStyle: { borderColor: theme.grid, borderWidth: values.length > 2500 ? 0 : 1 },
        emphasis: { itemStyle: { borderColor: theme.ink, borderWidth: 1.5 } },
        progressive: 0,
      },
    ],
  }
}
