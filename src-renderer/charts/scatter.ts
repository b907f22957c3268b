import type { EChartsCoreOption } from 'echarts/core'
import type { ChartTheme } from './theme.ts'
import { linearExtent, linearTicks, logExtent, logTicks, tickWriter } from './ticks.ts'

export interface ScatterMark {
  key: string
  x: number
  y: number
}
export interface ScatterData {
  marks: readonly ScatterMark[]
  chosen: string | null
  x: string // titles of the axes
  y: string
  write(value: number): string
  /** Joins the marks in order: a path through layers. */
  isPath?: boolean
}

const manyFold = 30 // a spread beyond which a linear axis would show a heap and one dot

/** Logarithmic where all is positive and far apart. */
function scaleOf(values: readonly number[], count: number) {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (low > 0 && high / low > manyFold) {
    const [min, max] = logExtent(values, 1.25) ?? [0.1, 1]
    return { type: 'log' as const, min, max, ticks: logTicks(min, max) }
  }
  const [min, max] = linearExtent(values) ?? [0, 1]
  return { type: 'value' as const, min, max, ticks: linearTicks(min, max, count) }
}

/** Two figures of the same things against each other. */
export function scatterOption(data: ScatterData, theme: ChartTheme): EChartsCoreOption {
  const x = scaleOf(
    data.marks.map((mark) => mark.x),
    7,
  )
  const y = scaleOf(
    data.marks.map((mark) => mark.y),
    6,
  )
  const axis = (of: ReturnType<typeof scaleOf>) => ({
    type: of.type,
    min: of.min,
    max: of.max,
    axisLine: { onZero: false, lineStyle: { color: theme.line } },
    axisTick: { show: false, customValues: of.ticks }, // grid lines stand at these
    minorTick: { show: false },
    splitLine: { show: true, lineStyle: { color: theme.grid } },
    axisLabel: {
      color: theme.ink3,
      fontSize: 12,
      customValues: of.ticks,
      formatter: tickWriter(of.ticks, data.write),
      hideOverlap: true,
    },
  })
  const name = { color: theme.ink2, fontSize: 12 }
  const points = data.marks.map((mark) => [mark.x, mark.y])
  return {
    animation: false,
    textStyle: { fontFamily: theme.font },
    grid: { left: 78, right: 26, top: 34, bottom: 48 },
    xAxis: { ...axis(x), name: data.x, nameLocation: 'middle', nameGap: 30, nameTextStyle: name },
    yAxis: {
      ...axis(y),
      name: data.y,
      nameLocation: 'end',
      nameGap: 12,
      nameTextStyle: { ...name, align: 'left', padding: [0, 0, 0, -68] },
    },
    series: [
      {
        id: 'path',
        type: 'line',
        symbol: 'none',
        silent: true,
        z: 2,
        data: data.isPath ? points : [],
        lineStyle: { color: theme.ink3, width: 1.2 },
      },
      {
        id: 'marks',
        type: 'scatter',
        cursor: 'pointer',
        z: 4,
        data: data.marks.map((mark) => {
          const isChosen = mark.key === data.chosen
          return {
            value: [mark.x, mark.y],
            symbolSize: isChosen ? 14 : 9,
            itemStyle: {
              color: theme.measured,
              opacity: isChosen ? 1 : 0.75,
              borderColor: isChosen ? theme.ink : theme.surface,
              borderWidth: isChosen ? 2.5 : 1,
            },
          }
        }),
      },
    ],
  }
}
