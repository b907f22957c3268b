import type { EChartsCoreOption } from 'echarts/core'
import { band, type BandPoint, errorBar, type MarkApi } from './marks.ts'
import type { Lever } from '../../src-preload/contract/results.ts'
import { type ChartTheme, seriesHues } from './theme.ts'
import { linearExtent, linearTicks, logExtent, logTicks } from './ticks.ts'

/** One thing on the chart; `x` and `y` in the units of the axes. `low` and `high` are its interval where it has one. */
export interface FrontMark {
  key: string
  x: number
  y: number
  low: number | null
  high: number | null
  label: string
  isPinned: boolean
  /** Another point is better in both: it steps back. */
  isFaded: boolean
}

export interface FrontChartData {
  /** Predictions exist for the KL divergence alone; empty for other metrics. */
  predictedCurve: readonly BandPoint[]
  /** Predicted with one lever alone, as thin lines. */
  curves: readonly { lever: Lever; points: readonly BandPoint[] }[]
  predicted: readonly FrontMark[]
  uniformPredicted: readonly FrontMark[]
  planned: readonly FrontMark[]
  uniform: readonly FrontMark[]
  /** Fronts of other places. */
  imported: readonly { id: string; title: string; marks: readonly FrontMark[] }[]
  /** Value of the original on this metric, drawn as a line; null where it is zero by definition. */
  baseline: number | null
  chosen: string | null
  hovered: string | null
  x: { title: string; write(value: number): string; isLog: boolean }
  y: { title: string; write(value: number): string; isLog: boolean }
}

/** Names of the series that can be pointed at, in the order they are drawn. */
export const pickable = ['predicted', 'uniformPredicted', 'uniform', 'planned'] as const
export type Pickable = (typeof pickable)[number]

const importedId = (n: number): string => `imported${n}`
const leverHues: Record<Lever, number> = { bits: 2, sparsity: 4, rank: 5, depth: 3 }
export const leverColor = (theme: Pick<ChartTheme, 'series' | 'ink'>, lever: Lever): string =>
  theme.series[leverHues[lever]] ?? theme.ink
/** Not the hues of levers, accent and measured. */
export const importedHue = (n: number): number => (6 + n) % seriesHues

export function markAt(data: FrontChartData, series: string, index: number): FrontMark | null {
  const n = data.imported.findIndex((_, at) => importedId(at) === series)
  if (n >= 0) return data.imported[n]?.marks[index] ?? null
  const name = pickable.find((one) => one === series)
  return name ? (data[name][index] ?? null) : null
}

interface Scale {
  type: 'log' | 'value'
  min: number
  max: number
  ticks: number[]
}

function scale(values: number[], isLog: boolean, air: number): Scale {
  if (isLog) {
    const [min, max] = logExtent(values, air) ?? [0.1, 1]
    return { type: 'log', min, max, ticks: logTicks(min, max) }
  }
  const [min, max] = linearExtent(values) ?? [0, 1]
  return { type: 'value', min, max, ticks: linearTicks(min, max) }
}

/** The scales that hold everything drawn. */
export function frontScales(data: FrontChartData): { x: Scale; y: Scale } {
  const marks = [...pickable.flatMap((name) => data[name]), ...data.imported.flatMap((one) => one.marks)]
  const lines = [...data.predictedCurve, ...data.curves.flatMap(({ points }) => points)]
  const xs = [...marks, ...lines].map((mark) => mark.x)
  const main = [...marks, ...data.predictedCurve]
  const bounds = [
    ...main.flatMap((mark) => [mark.y, mark.low, mark.high]),
    ...data.curves.flatMap(({ points }) => points.map(({ y }) => y)),
  ]
  const ys = bounds.filter((value) => value !== null)
  if (data.baseline !== null) ys.push(data.baseline)
  // An interval, or the curve of a lever, over decades where nothing is would hide what is: it is cut at a tenth of the least
  // value and at ten times the largest.
  const values = main.map(({ y }) => y).filter((y) => y > 0)
  const [least, most] = [Math.min(...marks.map((mark) => mark.y).filter((y) => y > 0)), Math.max(...values)]
  const shown = data.y.isLog && Number.isFinite(least) ? ys.filter((y) => y >= least / 10 && y <= most * 10) : ys
  return { x: scale(xs, data.x.isLog && xs.every((x) => x > 0), 1.06), y: scale(shown, data.y.isLog, 1.6) }
}

/** Size against quality: predictions as a curve with its band and hollow dots, measurements as filled dots, never mixed. */
export function frontOption(data: FrontChartData, theme: ChartTheme): EChartsCoreOption {
  const { x, y } = frontScales(data)
  const axis = (of: Scale, write: (value: number) => string, more: object) => ({
    type: of.type,
    min: of.min,
    max: of.max,
    axisLine: { lineStyle: { color: theme.line } },
    axisTick: { show: false, customValues: of.ticks }, // grid lines stand at these
    minorTick: { show: false },
    splitLine: { show: true, lineStyle: { color: theme.grid } },
    axisLabel: { color: theme.ink3, fontSize: 12, customValues: of.ticks, formatter: write, hideOverlap: true },
    nameTextStyle: { color: theme.ink2, fontSize: 12 },
    ...more,
  })
  const dots = (id: string, marks: readonly FrontMark[], symbol: string, size: number, style: object, z: number) => ({
    id,
    type: 'scatter',
    symbol,
    z,
    animation: false,
    cursor: 'pointer',
    data: marks.map((mark) => {
      const isChosen = mark.key === data.chosen
      const isHovered = mark.key === data.hovered
      return {
        value: [mark.x, mark.y],
        name: mark.label,
        symbolSize: isChosen ? size + 7 : isHovered ? size + 4 : size,
        itemStyle: {
          ...style,
          ...(mark.isFaded && !isChosen && !isHovered ? { opacity: 0.35 } : {}),
          ...(isChosen ? { borderColor: theme.ink, borderWidth: 2.5 } : {}),
        },
        label: {
          show: mark.isPinned || isChosen,
          formatter: mark.label,
          position: 'top',
          distance: 8,
          color: theme.ink,
          fontSize: 12,
          textBorderColor: theme.surface,
          textBorderWidth: 3,
        },
      }
    }),
  })
  const intervals = (id: string, marks: readonly FrontMark[], color: string) => ({
    id,
    type: 'custom',
    silent: true,
    z: 4,
    animation: false,
    encode: { x: 0, y: [1, 2] },
    data: marks.flatMap(({ x: at, low, high }) =>
      low === null || high === null ? [] : [[at, Math.max(low, y.type === 'log' ? y.min : -Infinity), high]],
    ),
    renderItem: (_: unknown, api: MarkApi) => errorBar(api, color),
  })
  const hollow = (color: string) => ({ color: theme.surface, borderColor: color, borderWidth: 2 })
  const filled = (color: string) => ({ color, borderColor: theme.surface, borderWidth: 1.5 })
  const curve = data.predictedCurve
  return {
    animation: false,
    textStyle: { fontFamily: theme.font },
    grid: { left: 76, right: 28, top: 36, bottom: 52 },
    xAxis: axis(x, data.x.write, { name: data.x.title, nameLocation: 'middle', nameGap: 32 }),
    yAxis: axis(y, data.y.write, {
      name: data.y.title,
      nameLocation: 'end',
      nameGap: 14,
      nameTextStyle: { color: theme.ink2, fontSize: 12, align: 'left', padding: [0, 0, 0, -66] },
    }),
    series: [
      {
        id: 'band',
        type: 'custom',
        silent: true,
        z: 1,
        clip: true,
        encode: { x: 0, y: 1 },
        data: curve.length > 1 ? [[curve[0]?.x ?? 0, curve[0]?.y ?? 0]] : [],
        renderItem: (_: unknown, api: MarkApi) =>
          band(api, curve, y.type === 'log' ? y.min : -Infinity, theme.accent, y.max),
      },
      {
        id: 'curve',
        type: 'line',
        symbol: 'none',
        silent: true,
        z: 2,
        data: curve.map((p) => [p.x, p.y]),
        lineStyle: { color: theme.accent, width: 2 },
        markLine:
          data.baseline === null
            ? { data: [] }
            : {
                silent: true,
                symbol: 'none',
                animation: false,
                lineStyle: { color: theme.ink2, type: [6, 4], width: 1.5 },
                label: {
                  position: 'insideStartTop',
                  color: theme.ink2,
                  fontSize: 12,
                  formatter: `original ${data.y.write(data.baseline)}`,
                },
                data: [{ yAxis: data.baseline }],
              },
      },
      {
        id: 'uniformCurve',
        type: 'line',
        symbol: 'none',
        silent: true,
        z: 2,
        data: data.uniformPredicted.map((p) => [p.x, p.y]),
        lineStyle: { color: theme.uniform, width: 1.5, type: [4, 4] },
      },
      ...data.curves.map(({ lever, points }) => ({
        id: `lever ${lever}`,
        type: 'line',
        symbol: 'none',
        silent: true,
        z: 2,
        data: points.map((p) => [p.x, p.y]),
        lineStyle: { color: leverColor(theme, lever), width: 1.2 },
      })),
      ...data.imported.map(({ marks }, n) => ({
        ...dots(importedId(n), marks, 'rect', 9, hollow(theme.series[importedHue(n)] ?? theme.ink), 5),
      })),
      intervals('uniformInterval', data.uniform, theme.uniform),
      intervals('plannedInterval', data.planned, theme.measured),
      dots('predicted', data.predicted, 'circle', 7, hollow(theme.accent), 5),
      dots('uniformPredicted', data.uniformPredicted, 'diamond', 8, hollow(theme.uniform), 5),
      dots('uniform', data.uniform, 'diamond', 13, filled(theme.uniform), 6),
      dots('planned', data.planned, 'circle', 12, filled(theme.measured), 7),
    ],
  }
}
