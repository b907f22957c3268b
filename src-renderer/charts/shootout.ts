import type { EChartsCoreOption } from 'echarts/core'
import { type ChartTheme, seriesHues } from './theme.ts'
import { linearTicks, logExtent, logTicks } from './ticks.ts'

/** One option that was tried: stored bits per weight against its relative error. */
export interface ShootoutMark {
  key: string
  x: number
  y: number
}
export interface ShootoutSeries {
  id: string // the quantizer
  look: number // which hue and shape; the same wherever the method is shown
  marks: readonly ShootoutMark[]
}
export interface ShootoutChartData {
  series: readonly ShootoutSeries[]
  /** Options that none beats in both bits and error, narrow to wide. */
  front: readonly ShootoutMark[]
  chosen: string | null
  hovered: string | null
  y: { title: string; write(value: number): string }
}

/** Shapes of marks, one after the other when the hues are used up. */
export const markShapes = ['circle', 'diamond', 'triangle', 'rect'] as const
export const hueOf = (look: number): number => look % seriesHues
/** A diagonal walk: neighbours differ in hue and in shape. */
export const shapeOf = (look: number): (typeof markShapes)[number] =>
  markShapes[(look + Math.floor(look / seriesHues)) % markShapes.length] ?? 'circle'
/** A triangle or diamond of the same extent looks smaller than a circle. */
const sizes = { circle: 10, diamond: 12, triangle: 11, rect: 9 } as const

export function shootoutMarkAt(data: ShootoutChartData, series: string, index: number): ShootoutMark | null {
  return data.series.find(({ id }) => id === series)?.marks[index] ?? null
}

/** Options that no other beats: least error for their bits. Narrow to wide, each better than all narrower ones. */
export function paretoFront<M extends { x: number; y: number }>(marks: readonly M[]): M[] {
  const front: M[] = []
  let least = Infinity
  for (const mark of [...marks].sort((a, b) => a.x - b.x || a.y - b.y))
    if (mark.y < least) {
      front.push(mark)
      least = mark.y
    }
  return front
}

/** Error on a logarithmic scale over bits per weight, one series a method, and the front as a line of steps. */
export function shootoutOption(data: ShootoutChartData, theme: ChartTheme): EChartsCoreOption {
  const marks = data.series.flatMap((series) => series.marks)
  const widest = Math.max(2, ...marks.map(({ x }) => x))
  const narrowest = Math.min(widest - 1, ...marks.map(({ x }) => x))
  const bits = { min: Math.max(0, Math.floor(2 * narrowest - 0.4) / 2), max: Math.ceil(2 * widest + 0.4) / 2 }
  const [low, high] = logExtent(
    marks.map(({ y }) => y),
    1.6,
  ) ?? [1e-4, 1]
  const axis = {
    axisLine: { lineStyle: { color: theme.line } },
    minorTick: { show: false },
    splitLine: { show: true, lineStyle: { color: theme.grid } },
  }
  // The library draws grid lines at the ticks, not at the words.
  const at = (ticks: number[], formatter?: (value: number) => string) => ({
    axisTick: { show: false, customValues: ticks },
    axisLabel: { ...label, customValues: ticks, formatter },
  })
  const label = { color: theme.ink3, fontSize: 12, hideOverlap: true }
  const name = { color: theme.ink2, fontSize: 12 }
  const walk = data.front.map(({ x, y }) => [x, y])
  return {
    animation: false,
    textStyle: { fontFamily: theme.font },
    grid: { left: 66, right: 22, top: 34, bottom: 46 },
    xAxis: {
      ...axis,
      type: 'value',
      ...bits,
      name: 'bits per weight, everything counted',
      nameLocation: 'middle',
      nameGap: 28,
      nameTextStyle: name,
      ...at(linearTicks(bits.min, bits.max, 8)),
    },
    yAxis: {
      ...axis,
      type: 'log',
      min: low,
      max: high,
      name: data.y.title,
      nameLocation: 'end',
      nameGap: 12,
      nameTextStyle: { ...name, align: 'left', padding: [0, 0, 0, -56] },
      ...at(logTicks(low, high), data.y.write),
    },
    series: [
      {
        id: 'front',
        type: 'line',
        step: 'end',
        symbol: 'none',
        silent: true,
        z: 2,
        data: walk,
        lineStyle: { color: theme.ink3, width: 1.5, type: [5, 4] },
      },
      ...data.series.map(({ id, look, marks: own }) => {
        const color = theme.series[hueOf(look)] ?? theme.ink
        const shape = shapeOf(look)
        return {
          id,
          type: 'scatter',
          symbol: shape,
          animation: false,
          cursor: 'pointer',
          z: 5,
          data: own.map(({ key, x, y }) => {
            const isChosen = key === data.chosen
            const grown = isChosen ? 6 : key === data.hovered ? 4 : 0
            return {
              value: [x, y],
              symbolSize: sizes[shape] + grown,
              itemStyle: { color, borderColor: isChosen ? theme.ink : theme.surface, borderWidth: isChosen ? 2.5 : 1 },
            }
          }),
        }
      }),
    ],
  }
}
