import type { EChartsCoreOption } from 'echarts/core'
import type { Xray } from '../../src-preload/contract/scores.ts'
import { formatScientific, trimZeros } from '../ui/format.ts'
import type { ChartTheme } from './theme.ts'
import { linearExtent, linearTicks, logExtent, logTicks } from './ticks.ts'

const write = (value: number): string => trimZeros(formatScientific(value))

function frame(theme: ChartTheme) {
  const axis = {
    axisLine: { onZero: false, lineStyle: { color: theme.line } },
    axisTick: { show: false },
    minorTick: { show: false },
    splitLine: { show: false },
    axisLabel: { color: theme.ink3, fontSize: 11, hideOverlap: true },
    nameTextStyle: { color: theme.ink2, fontSize: 11 },
  }
  return {
    axis,
    common: {
      animation: false,
      textStyle: { fontFamily: theme.font },
      grid: { left: 52, right: 46, top: 26, bottom: 40 },
    },
  }
}

/** Singular values on a logarithmic scale, and the share of the squared norm in the first k of them. */
export function spectrumOption(spectrum: NonNullable<Xray['spectrum']>, theme: ChartTheme): EChartsCoreOption {
  const { axis, common } = frame(theme)
  const { values, energy } = spectrum
  // Below a millionth of the largest there is only rounding.
  const least = (values[0] ?? 1) * 1e-6
  const [low, high] = logExtent(
    values.filter((value) => value > least),
    1.2,
  ) ?? [0.1, 1]
  const last = Math.max(2, values.length)
  return {
    ...common,
    xAxis: {
      ...axis,
      type: 'value',
      min: 1,
      max: last,
      name: 'rank',
      nameLocation: 'middle',
      nameGap: 24,
      axisLabel: { ...axis.axisLabel, customValues: [1, ...linearTicks(1, last, 5).filter((tick) => tick > 1)] },
    },
    yAxis: [
      {
        ...axis,
        type: 'log',
        min: low,
        max: high,
        name: 'singular value',
        nameTextStyle: { ...axis.nameTextStyle, color: theme.accent, align: 'left', padding: [0, 0, 0, -44] },
        axisLabel: { ...axis.axisLabel, customValues: logTicks(low, high), formatter: write },
      },
      {
        ...axis,
        type: 'value',
        min: 0,
        max: 1,
        name: 'energy',
        nameTextStyle: { ...axis.nameTextStyle, color: theme.measured, align: 'right', padding: [0, -40, 0, 0] },
        axisLabel: {
          ...axis.axisLabel,
          customValues: [0, 0.5, 0.9, 1],
          formatter: (share: number) => `${Math.round(share * 100)} %`,
        },
      },
    ],
    series: [
      {
        id: 'values',
        type: 'line',
        symbol: 'none',
        silent: true,
        data: values.flatMap((value, at) => (value > least ? [[at + 1, value]] : [])),
        lineStyle: { color: theme.accent, width: 2 },
      },
      {
        id: 'energy',
        type: 'line',
        yAxisIndex: 1,
        symbol: 'none',
        silent: true,
        data: energy.map((share, at) => [at + 1, share]),
        lineStyle: { color: theme.measured, width: 1.6, type: [5, 3] },
      },
    ],
  }
}

/** Channels in the order they are drawn: widest range first. */
export const widestFirst = ({ min, max }: Pick<NonNullable<Xray['inputs']>, 'min' | 'max'>): number[] =>
  [...min.keys()].sort((a, b) => (max[b] ?? 0) - (min[b] ?? 0) - ((max[a] ?? 0) - (min[a] ?? 0)) || a - b)

const mostDrawn = 512 // columns of pixels there may be

interface RangeApi {
  value(dimension: number): number
  coord(point: [number, number]): [number, number]
}

/** From the least to the greatest input of every channel, two deviations around the mean darker, entropy as dots. */
export function rangesOption(inputs: NonNullable<Xray['inputs']>, theme: ChartTheme): EChartsCoreOption {
  const { axis, common } = frame(theme)
  const all = widestFirst(inputs)
  const every = Math.max(1, Math.ceil(all.length / mostDrawn))
  const order = all.filter((_, at) => at % every === 0)
  const [low, high] = linearExtent([...inputs.min, ...inputs.max]) ?? [-1, 1]
  const bar = (from: number, to: number, opacity: number) => (_: unknown, api: RangeApi) => {
    const [x, top] = api.coord([api.value(0), api.value(to)])
    const [next, bottom] = api.coord([api.value(0) + 1, api.value(from)])
    return {
      type: 'rect',
      shape: { x, y: top, width: Math.max(1, (next - x) * 0.85), height: Math.max(1, bottom - top) },
      style: { fill: theme.accent, opacity },
    }
  }
  const rows = order.map((channel, at) => {
    const [mean = 0, deviation = 0] = [inputs.mean[channel], inputs.deviation[channel]]
    const [min = 0, max = 0] = [inputs.min[channel], inputs.max[channel]]
    return [at, min, max, Math.max(min, mean - 2 * deviation), Math.min(max, mean + 2 * deviation)]
  })
  return {
    ...common,
    xAxis: {
      ...axis,
      type: 'value',
      min: 0,
      max: order.length,
      name: `${all.length} input channels, widest range first`,
      nameLocation: 'middle',
      nameGap: 12,
      axisLabel: { show: false },
    },
    yAxis: [
      {
        ...axis,
        type: 'value',
        min: low,
        max: high,
        name: 'range',
        nameTextStyle: { ...axis.nameTextStyle, color: theme.accent, align: 'left', padding: [0, 0, 0, -44] },
        axisTick: { show: false, customValues: linearTicks(low, high, 4) },
        axisLabel: { ...axis.axisLabel, customValues: linearTicks(low, high, 4), formatter: write },
        splitLine: { show: true, lineStyle: { color: theme.grid } },
      },
      {
        ...axis,
        type: 'value',
        min: 0,
        max: 6,
        name: 'entropy, bits',
        nameTextStyle: { ...axis.nameTextStyle, color: theme.measured, align: 'right', padding: [0, -40, 0, 0] },
        axisLabel: { ...axis.axisLabel, customValues: [0, 2, 4, 6] },
      },
    ],
    series: [
      {
        id: 'range',
        type: 'custom',
        silent: true,
        encode: { x: 0, y: [1, 2] },
        data: rows,
        renderItem: bar(1, 2, 0.3),
      },
      {
        id: 'spread',
        type: 'custom',
        silent: true,
        encode: { x: 0, y: [3, 4] },
        data: rows,
        renderItem: bar(3, 4, 0.7),
      },
      {
        id: 'entropy',
        type: 'scatter',
        yAxisIndex: 1,
        silent: true,
        symbolSize: order.length > 200 ? 3 : 4.5,
        data: order.map((channel, at) => [at + 0.43, inputs.entropy[channel] ?? 0]),
        itemStyle: { color: theme.measured },
      },
    ],
  }
}
