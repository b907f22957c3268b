import { expect, test } from 'vitest'
import { budgetCurveOption, budgetCurvePlace } from '../../src-renderer/charts/budgetCurve.ts'
import { frontOption, frontScales, type FrontChartData, markAt } from '../../src-renderer/charts/front.ts'
import { bar, histogramOption } from '../../src-renderer/charts/histogram.ts'
import { band, errorBar } from '../../src-renderer/charts/marks.ts'
import { stripBars, stripIndexAt } from '../../src-renderer/charts/layerStrip.ts'
import { planOption } from '../../src-renderer/charts/scorePlans.ts'
import { scatterOption } from '../../src-renderer/charts/scatter.ts'
import { rangesOption } from '../../src-renderer/charts/xray.ts'
import { linearTicks, logExtent, logTicks, tickWriter } from '../../src-renderer/charts/ticks.ts'
import { theme } from './helpers/theme.ts'

interface Series {
  id: string
  data: unknown[]
  itemStyle?: { color: string }
}
const series = (option: object, id: string): Series => {
  const found = (option as { series: Series[] }).series.find((one) => one.id === id)
  if (!found) throw new Error(`no series ${id}`)
  return found
}
const mark = (key: string, x: number, y: number, more = {}) => ({
  key,
  x,
  y,
  low: y * 0.8,
  high: y * 1.3,
  label: key,
  isPinned: false,
  isFaded: false,
  ...more,
})
const front: FrontChartData = {
  predictedCurve: [
    { x: 1, y: 0.5, low: 1e-9, high: 0.9 },
    { x: 2, y: 0.05, low: 0.04, high: 0.08 },
  ],
  curves: [{ lever: 'bits', points: [{ x: 1, y: 0.6, low: 0.5, high: 0.9 }] }],
  imported: [{ id: 'i', title: 'other', marks: [mark('o', 1.55, 0.4)] }],
  predicted: [mark('p', 1.5, 0.2)],
  uniformPredicted: [mark('u', 1.6, 0.3)],
  planned: [mark('m', 1.4, 0.21)],
  uniform: [mark('v', 1.7, 0.28, { low: null, high: null })],
  baseline: null,
  chosen: 'm',
  hovered: 'p',
  x: { title: 'size', write: String, isLog: true },
  y: { title: 'loss', write: String, isLog: true },
}

test('ticks are round numbers inside their range', () => {
  expect(linearTicks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
  expect(linearTicks(-0.4, 0.4, 4)).toEqual([-0.4, -0.2, 0, 0.2, 0.4])
  expect(logTicks(0.002, 9)).toEqual([0.003, 0.01, 0.03, 0.1, 0.3, 1, 3])
  expect(logTicks(1e-8, 1)).toEqual([1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1])
  expect(logTicks(0, 1)).toEqual([0])
  for (const [low, high] of [
    [0.9, 1.7],
    [52, 185],
    [3.3, 3.9],
  ] as const) {
    const ticks = logTicks(low, high)
    expect(ticks.length).toBeGreaterThan(1)
    expect(Math.min(...ticks)).toBeGreaterThanOrEqual(low)
    expect(Math.max(...ticks)).toBeLessThanOrEqual(high)
  }
})

test('grid lines stand at the ticks that are written', () => {
  interface Axis {
    splitLine: { show: boolean }
    axisTick: { customValues?: number[] }
    axisLabel: { customValues?: number[] }
  }
  const axes = (option: object): Axis[] => {
    const { xAxis, yAxis } = option as { xAxis: Axis; yAxis: Axis | Axis[] }
    return [xAxis, yAxis].flat().filter(({ splitLine }) => splitLine.show)
  }
  const [low, high] = [1.5e5, 2.6e5].map((x) => ({ x, y: x / 1e6, low: null, high: null }))
  const plans = [{ id: 'zd', look: 0, judged: [low!, high!], measured: [], isFaded: false }]
  const write = { x: String, y: String }
  const marks = [1, 2].map((at) => ({ key: `${at}`, x: at * 0.37, y: at }))
  const inputs = { min: [-2], max: [2.4], mean: [0], deviation: [1], entropy: [5], source: '' }
  const drawn = {
    front: frontOption(front, theme),
    plans: planOption({ series: plans, write }, theme),
    pairs: scatterOption({ marks, chosen: null, x: '', y: '', write: String }, theme),
    ranges: rangesOption(inputs, theme),
  }
  for (const [name, option] of Object.entries(drawn)) {
    expect(axes(option).length, name).toBeGreaterThan(0)
    for (const { axisTick, axisLabel } of axes(option)) {
      expect(axisLabel.customValues?.length, name).toBeGreaterThan(1)
      expect(axisTick.customValues, name).toEqual(axisLabel.customValues)
    }
  }
})

test('ticks that lie close together are told apart', () => {
  const write = (value: number) => value.toFixed(3).replace('-', '−')
  const close = [-0.157, -0.1565, -0.156]
  expect(close.map(tickWriter(close, write))).toEqual(['−0.157', '−0.1565', '−0.156'])
  expect([1, 2].map(tickWriter([1, 2], write))).toEqual(['1.000', '2.000'])
  expect([3, 3].map(tickWriter([3, 3], write))).toEqual(['3.000', '3.000'])
})

test('a logarithmic extent ignores what it cannot show', () => {
  expect(logExtent([0, -1, Number.NaN, Infinity])).toBeNull()
  expect(logExtent([0, 2, 8], 2)).toEqual([1, 16])
})

test('predicted is hollow, measured is filled, and no point is in both', () => {
  const option = frontOption(front, theme)
  const fill = (id: string) =>
    (series(option, id).data as { itemStyle: { color: string } }[]).map((dot) => dot.itemStyle.color)
  expect(fill('predicted')).toEqual(['surface'])
  expect(fill('uniformPredicted')).toEqual(['surface'])
  expect(fill('planned')).toEqual(['measured'])
  expect(fill('uniform')).toEqual(['uniform'])
})

test('the scales hold every point, and an interval down to nothing does not stretch them', () => {
  const { x, y } = frontScales(front)
  for (const name of ['predicted', 'uniformPredicted', 'planned', 'uniform'] as const)
    for (const point of front[name]) {
      expect(point.x).toBeGreaterThanOrEqual(x.min)
      expect(point.x).toBeLessThanOrEqual(x.max)
      expect(point.y).toBeGreaterThanOrEqual(y.min)
      expect(point.y).toBeLessThanOrEqual(y.max)
    }
  expect(y.min).toBeGreaterThan(1e-3)
})

test('the curve of a lever above all else lies on the chart; one over decades is cut', () => {
  const highest = Math.max(...front.predicted.map((point) => point.y), ...front.planned.map((point) => point.y))
  const above = (times: number) => [
    { lever: 'sparsity' as const, points: [{ x: 3, y: highest * times, low: 0, high: 0 }] },
  ]
  expect(frontScales({ ...front, curves: above(9) }).y.max).toBeGreaterThan(9 * highest)
  expect(frontScales({ ...front, curves: above(1e9) }).y.max).toBeLessThan(100 * highest)
})

test('only points that have an interval get an error bar, and the chosen one stands out', () => {
  const option = frontOption(front, theme)
  expect(series(option, 'plannedInterval').data.length).toBe(1)
  expect(series(option, 'uniformInterval').data.length).toBe(0)
  const dot = (id: string) => series(option, id).data[0] as { symbolSize: number; label: { show: boolean } }
  expect(dot('planned').symbolSize).toBe(19)
  expect(dot('planned').label.show).toBe(true)
  expect(dot('predicted').symbolSize).toBe(11)
  expect(dot('uniform').label.show).toBe(false)
})

test('what is pointed at is found again by series and index', () => {
  expect(markAt(front, 'uniform', 0)?.key).toBe('v')
  expect(markAt(front, 'band', 0)).toBeNull()
  expect(markAt(front, 'planned', 7)).toBeNull()
})

test('an empty front still makes an option', () => {
  const empty = { ...front, predictedCurve: [], predicted: [], uniformPredicted: [], planned: [], uniform: [] }
  const option = frontOption(empty, theme)
  expect(series(option, 'band').data).toEqual([])
})

const api = {
  value: (i: number) => [10, 20, 5][i] ?? 0,
  coord: ([x, y]: [number, number]): [number, number] => [x, 100 - y],
}

test('the band goes along the top and back along the bottom, cut at the floor', () => {
  const { shape } = band(api, front.predictedCurve, 0.01, 'c')
  expect(shape.points).toEqual([
    [1, 100 - 0.9],
    [2, 100 - 0.08],
    [2, 100 - 0.04],
    [1, 100 - 0.01],
  ])
})

test('an error bar spans its two ends with caps', () => {
  const [stem, low, high] = errorBar(api, 'c').children
  expect(stem?.shape).toEqual({ x1: 10, y1: 80, x2: 10, y2: 95 })
  expect(low?.shape).toEqual({ x1: 6, y1: 80, x2: 14, y2: 80 })
  expect(high?.shape).toEqual({ x1: 6, y1: 95, x2: 14, y2: 95 })
})

test('the histogram draws every bin and marks only what lies in range', () => {
  const histogram = {
    layer: 'w',
    edges: [-1, 0, 1],
    counts: [3, 5],
    min: -1,
    max: 1,
    mean: 0.25,
    standardDeviation: 0.9,
    zeros: 0,
    nonFinite: 0,
  }
  const counts = series(histogramOption(histogram, theme), 'counts') as Series & {
    markLine: { data: { name: string; label: { align: string; distance: [number, number] } }[] }
  }
  expect(counts.data).toEqual([
    [-1, 0, 3],
    [0, 1, 5],
  ])
  expect(counts.markLine.data.map(({ name }) => name)).toEqual(['mean', '−1 sd'])
  // Words of lines that stand close are in two rows, or to either side.
  const places = counts.markLine.data.map(({ label }) => `${label.align} ${label.distance[1] > 11 ? 'above' : ''}`)
  expect(new Set(places).size).toBe(2)
  expect(bar(api, theme).shape).toEqual({ x: 10, y: 95, width: 9.5, height: 5 })
})

test('the budget curve shares the slider’s scale and leaves out what lies beyond it', () => {
  const unknown = { predictedMemory: null, predictedSeconds: null }
  const point = (averageBits: number, loss: number) => ({
    averageBits,
    loss,
    bytes: 1,
    lossLow: 0,
    lossHigh: 0,
    ...unknown,
  })
  const option = budgetCurveOption(
    {
      predicted: [point(8, 0.001), point(2, 1), point(20, 1e-6)],
      uniform: [point(4, 0)],
      measured: [],
      minBits: 2,
      maxBits: 8,
    },
    theme,
  )
  expect(series(option, 'predicted').data).toEqual([
    [2, 1],
    [8, 0.001],
  ])
  expect(series(option, 'uniform').data).toEqual([])
})

test('where the plan stands is told in shares of the plot, and never outside it', () => {
  const scale = { minBits: 2, maxBits: 8 }
  expect(budgetCurvePlace(scale, [0.01, 1], { bits: 5, loss: 0.1 })).toEqual({ x: 0.5, y: 0.5 })
  expect(budgetCurvePlace(scale, [0.01, 1], { bits: 1, loss: 5 })).toEqual({ x: 0, y: 0 })
  expect(budgetCurvePlace(scale, [0.01, 1], { bits: 9, loss: 0 })).toEqual({ x: 1, y: 1 })
})

test('the strip: bits as height, zeros hatched, a lower rank notched, removed blocks as gaps', () => {
  const layer = { bits: 4.5, isKept: false, sparsity: 0, rankShare: 1, isLocked: false }
  const bars = stripBars([layer, { ...layer, sparsity: 0.5 }, { ...layer, rankShare: 0.25 }, null], 80, 40)
  expect(bars.map(({ height }) => height)).toEqual([20, 20, 20, 2])
  expect(bars.map(({ hatch }) => hatch)).toEqual([0, 0.5, 0, 0])
  expect(bars.map(({ notch }) => notch)).toEqual([null, null, 20 + 20 * 0.75, null])
  expect(bars[3]?.kind).toBe('removed')
  expect(stripBars([{ ...layer, isKept: true, bits: 32 }], 10, 40)[0]).toMatchObject({ kind: 'kept', height: 40 })
  const many = stripBars(
    Array.from({ length: 500 }, () => layer),
    800,
    40,
  )
  expect((many[499]?.left ?? 0) + (many[499]?.width ?? 0)).toBeCloseTo(800)
})

test('a place on the strip is a layer', () => {
  expect([0, 9.9, 10, 79.9, 80, -1].map((x) => stripIndexAt(x, 80, 8))).toEqual([0, 0, 1, 7, -1, -1])
  expect(stripIndexAt(5, 80, 0)).toBe(-1)
})

test('dominated dots step back, unless they are chosen; fronts of other places and lever curves have series of their own', () => {
  const faded = { ...front, planned: [mark('a', 1, 1, { isFaded: true }), mark('m', 1, 1, { isFaded: true })] }
  const option = frontOption(faded, theme)
  const dots = series(option, 'planned').data as { itemStyle: { opacity?: number } }[]
  expect(dots.map(({ itemStyle }) => itemStyle.opacity)).toEqual([0.35, undefined]) // m is chosen
  expect(series(option, 'lever bits').data).toEqual([[1, 0.6]])
  expect(series(option, 'imported0').data.length).toBe(1)
  expect(markAt(front, 'imported0', 0)?.key).toBe('o')
  expect(markAt(front, 'imported1', 0)).toBeNull()
})

test('either scale may be linear', () => {
  const linear = frontScales({ ...front, x: { ...front.x, isLog: false }, y: { ...front.y, isLog: false } })
  expect([linear.x.type, linear.y.type]).toEqual(['value', 'value'])
})
