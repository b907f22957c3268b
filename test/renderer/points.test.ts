import { expect, test } from 'vitest'
import type { Front } from '../../src-preload/contract/results.ts'
import { frontBudgets, frontChartData, frontItems, sampled } from '../../src-renderer/features/compare/points.ts'
import { tableColumns, tableRows } from '../../src-renderer/features/compare/table.ts'

const point = (averageBits: number, loss: number) => ({
  bytes: averageBits * 1e6,
  averageBits,
  loss,
  lossLow: loss / 2,
  lossHigh: loss * 2,
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
}
const view = { x: 'size' as const, metric: 'klDivergence', chosen: null, hovered: null }

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
})
