import { expect, test } from 'vitest'
import type { Front, ImportedFront } from '../../src-preload/contract/results.ts'
import {
  dominated,
  type FrontItem,
  frontBudgets,
  frontChartData,
  frontItems,
  knownXs,
  metricOf,
  metricWords,
  sampled,
} from '../../src-renderer/features/compare/points.ts'
import { formatLoss } from '../../src-renderer/ui/format.ts'
import { columnsWords, tableColumns, tableRows } from '../../src-renderer/features/compare/table.ts'

const point = (averageBits: number, loss: number) => ({
  bytes: averageBits * 1e6,
  averageBits,
  loss,
  lossLow: loss / 2,
  lossHigh: loss * 2,
  predictedMemory: 5e6 + averageBits * 1e6,
  predictedSeconds: null,
})
const metric = (value: number) => ({ value, low: value - 0.01, high: value + 0.01 })
const measured = (
  variant: string | null,
  averageBits: number,
  loss: number,
  kind: 'original' | 'planned' | 'uniform',
) => ({
  ...point(averageBits, loss),
  format: variant === null ? null : 'onnx',
  variant,
  label: `${kind} ${averageBits}`,
  kind,
  predictedLoss: variant === null ? null : loss * 0.9,
  metrics: { top1: metric(0.9 - loss), ...(variant === null ? {} : { klDivergence: metric(loss) }) },
  pinned: variant === 'b',
  seconds: 0.01 * averageBits,
  fileSeconds: null,
  memory: null,
})
const front: Front = {
  predicted: [point(2, 1), point(2.1, 0.9), point(4, 0.1), point(8, 0.001), point(32, 0)],
  uniform: [point(2, 1.2), point(4, 0.2)],
  measured: [measured('b', 4, 0.12, 'planned'), measured('a', 2, 1.1, 'uniform'), measured(null, 32, 0, 'original')],
  curves: [],
  imported: [],
  calibration: { factor: 1, spearman: null, points: 2 },
  source: 'a test',
  memorySource: 'a test',
}
const view = {
  ...{ x: 'size' as const, metric: 'klDivergence', isXLog: true, isYLog: null, levers: ['bits' as const] },
  ...{ chosen: null, hovered: null },
}

test('points to choose from lie near half bits and are not doubled', () => {
  expect(sampled(front.predicted).map((p) => p.averageBits)).toEqual([2, 4, 8])
})

test('the original stands apart, the rest by size', () => {
  const items = frontItems(front)
  expect(items.original?.label).toBe('Original 32')
  expect(items.measured.map((item) => item.variant)).toEqual(['a', 'b'])
  expect(items.predicted.every((item) => item.source === 'predicted')).toBe(true)
  const keys = [...items.measured, ...items.predicted].map((item) => item.key)
  expect(new Set(keys).size).toBe(keys.length)
})

test('for the divergence predictions are drawn, for other metrics only what was measured', () => {
  const loss = frontChartData(front, view)
  expect(loss.predictedCurve.map((p) => p.x)).toEqual([2, 2.1, 4, 8])
  expect(loss.planned.map((p) => p.y)).toEqual([0.12])
  expect(loss.baseline).toBeNull()
  const accuracy = frontChartData(front, { ...view, metric: 'top1' })
  expect(accuracy.predictedCurve).toEqual([])
  expect(accuracy.predicted).toEqual([])
  expect(accuracy.uniform.map((p) => p.y)).toEqual([0.9 - 1.1])
  expect(accuracy.baseline).toBe(0.9)
})

test('the horizontal axis is bits when asked', () => {
  const data = frontChartData(front, { ...view, x: 'bits' })
  expect(data.planned.map((p) => p.x)).toEqual([4])
  expect(data.x.write(4.5)).toBe('4.5')
})

test('budgets run from end to end without doubles', () => {
  expect(frontBudgets(2, 8, 4)).toEqual([2, 4, 6, 8])
  expect(frontBudgets(2, 2.01, 5)).toEqual([2, 2.01])
  expect(frontBudgets(4, 4, 3)).toEqual([4])
  expect(frontBudgets(3, 8, 1)).toEqual([3])
})

test('the table holds the original, what is pinned and what is chosen, with differences to the original', () => {
  const items = frontItems(front)
  const chosen = items.measured.find((item) => item.variant === 'a') ?? null
  const columns = tableColumns(items, chosen)
  expect(columns.map((column) => column.variant)).toEqual([null, 'a', 'b'])
  const [kl, top1] = tableRows(columns)
  expect(kl?.cells[0]).toBeNull()
  expect(kl?.cells[1]?.difference).toBeNull()
  expect(top1?.cells[0]?.difference).toBeNull()
  expect(top1?.cells[2]?.difference).toEqual({ text: '−12.00 pp', isBetter: false })
  expect(tableColumns(items, null).map((column) => column.variant)).toEqual([null, 'b'])
  expect(columnsWords(items, null)).toContain('pinned or chosen')
  const free = { ...items, measured: items.measured.map((item) => ({ ...item, isPinned: false })) }
  expect(columnsWords(free, null)).toBe('All that is measured, against the original')
  const [one] = free.measured as [FrontItem]
  const many = { ...free, measured: Array.from({ length: 9 }, (_, i) => ({ ...one, key: `k${i}` })) }
  expect(tableColumns(many, null)).toHaveLength(7)
  expect(columnsWords(many, null)).toContain('The 6 smallest of 9')
})

test('dominated: to the right and worse, or one of them; which way is better depends on the metric', () => {
  const marks = [
    { x: 1, y: 0.5 },
    { x: 2, y: 0.5 },
    { x: 2, y: 0.1 },
  ]
  expect(marks.map((one) => dominated(one, marks, 'lower'))).toEqual([false, true, false])
  expect(marks.map((one) => dominated(one, marks, 'higher'))).toEqual([false, true, true])
})

test('over the latency of the evaluation only what was measured is drawn, and axes that nobody has a value on are not offered', () => {
  const data = frontChartData(front, { ...view, x: 'latency' })
  expect(data.predictedCurve).toEqual([])
  expect(data.planned.map((p) => p.x)).toEqual([40]) // milliseconds
  expect([...knownXs(front)]).toEqual(['size', 'bits', 'latency', 'memory']) // memory is predicted
  const unknown = (points: Front['predicted']) => points.map((one) => ({ ...one, predictedMemory: null }))
  const none = { ...front, predicted: unknown(front.predicted), uniform: unknown(front.uniform) }
  const judged = front.measured.map((one) => ({ ...one, predictedMemory: null }))
  expect([...knownXs({ ...none, measured: judged })]).toEqual(['size', 'bits', 'latency'])
})

test('dots stand where their files were run; where none was, all stand where they are predicted to', () => {
  const predicted = frontChartData(front, { ...view, x: 'memory' })
  expect(predicted.planned.map(({ x }) => x)).toEqual([9]) // 5 MB beside 4
  expect(predicted.uniform.map(({ x }) => x)).toEqual([7])
  expect(predicted.predictedCurve.map(({ x }) => x)).toEqual([7, 7.1, 9, 13])
  expect(predicted.x.title).toMatch(/predicted/)
  const run = front.measured.map((one) => (one.variant === 'b' ? { ...one, memory: 12e6, fileSeconds: 0.002 } : one))
  const some = frontChartData({ ...front, measured: run }, { ...view, x: 'memory' })
  expect(some.planned.map(({ x }) => x)).toEqual([12])
  expect(some.uniform).toEqual([]) // its file was not run: it is not drawn as if it were
  expect(some.x.title).not.toMatch(/predicted/)
  // The original alone makes no axis of measured files.
  const original = front.measured.map((one) => (one.variant === null ? { ...one, memory: 50e6 } : one))
  expect(frontChartData({ ...front, measured: original }, { ...view, x: 'memory' }).planned).toHaveLength(1)
  // A plan that costs more and loses more is no part of the front over memory, small as its file is.
  const bad = { ...point(3, 0.5), predictedMemory: 99e6 }
  const worse = frontChartData(
    { ...front, predicted: [...front.predicted, bad], measured: [] },
    { ...view, x: 'memory' },
  )
  expect(worse.predictedCurve.map(({ x }) => x)).toEqual([7, 7.1, 9, 13])
  const timed = frontChartData({ ...front, measured: run }, { ...view, x: 'latency' })
  expect(timed.planned.map(({ x }) => x)).toEqual([2])
})

test('curves of one lever are drawn where they are switched on; imported points stand where they have the metric', () => {
  const points = [point(2, 1.5), point(4, 0.5)]
  const imported: ImportedFront = {
    ...{ id: 'i', title: 'other', from: '/x', checkpoint: null, data: null, addedAt: '', notices: [] },
    points: [
      { label: 'a', bytes: 3e6, averageBits: null, kind: 'planned' as const, metrics: { top1: metric(0.8) } },
      { label: 'b', bytes: 3e6, averageBits: 3, kind: 'planned' as const, metrics: { klDivergence: metric(0.4) } },
    ],
  }
  const more: Front = {
    ...front,
    imported: [imported],
    curves: [
      { lever: 'bits', points },
      { lever: 'rank', points },
    ],
  }
  const loss = frontChartData(more, view)
  expect(loss.curves.map(({ lever }) => lever)).toEqual(['bits'])
  expect(loss.imported[0]?.marks.map(({ label }) => label)).toEqual(['b'])
  const accuracy = frontChartData(more, { ...view, metric: 'top1' })
  expect(accuracy.imported[0]?.marks.map(({ label }) => label)).toEqual(['a'])
  expect(frontChartData(more, { ...view, metric: 'top1', x: 'bits' }).imported[0]?.marks).toEqual([]) // bits not told
})

test('the ratio of perplexities follows from its logarithm', () => {
  const found = metricOf({ logPerplexityRatio: { value: Math.log(1.05), low: 0, high: null } }, 'perplexityRatio')
  expect(found?.value).toBeCloseTo(1.05, 12)
  expect([found?.low, found?.high]).toEqual([1, null])
  expect(metricOf({}, 'perplexityRatio')).toBeNull()
})

test('the list tells the metric of the chart where the point has it, as its column does', () => {
  const [first] = frontItems(front).measured as [FrontItem]
  expect(metricWords(first, 'klDivergence')).toBe(formatLoss(first.loss))
  expect(metricWords(first, 'top1')).toBe('−20.00 %')
  expect(metricWords(first, 'perplexity')).toBe('–')
})
