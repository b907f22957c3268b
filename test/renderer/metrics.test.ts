import { expect, test } from 'vitest'
import { difference, formatInterval, formatMetricValue, sortMetrics } from '../../src-renderer/ui/metrics.ts'

const metric = (value: number, spread: number | null) => ({
  value,
  low: spread === null ? null : value - spread,
  high: spread === null ? null : value + spread,
})

test('shares are percent, differences of shares are points, losses are nats', () => {
  expect(formatMetricValue('top1', 0.8125)).toBe('81.25 %')
  expect(formatMetricValue('top1Difference', -0.0313)).toBe('−3.13 pp')
  expect(formatMetricValue('klDivergence', 0.0339)).toBe('0.0339 nats')
  expect(formatMetricValue('somethingNew', 3)).toBe('3.00')
  expect(formatInterval('top1', metric(0.8, 0.02))).toBe('78.00 to 82.00')
  expect(formatInterval('perplexity', metric(4.7, null))).toBeNull()
})

test('a difference knows which way is better', () => {
  expect(difference('perplexity', metric(5, 0.1), 4.7581)).toEqual({ text: '+0.242', isBetter: false })
  expect(difference('top1', metric(0.9, 0.01), 0.8)).toEqual({ text: '+10.00 pp', isBetter: true })
})

test('inside the interval a difference is neither good nor bad', () => {
  expect(difference('top1', metric(0.78, 0.03), 0.8).isBetter).toBeNull()
  expect(difference('top1', metric(0.78, 0.01), 0.8).isBetter).toBe(false)
  expect(difference('top1', metric(0.8, 0.01), 0.8)).toEqual({ text: '0.00 pp', isBetter: null })
})

test('divergence comes first, unknown metrics last by name', () => {
  expect(sortMetrics(['zeta', 'top1', 'alpha', 'klDivergence', 'top1'])).toEqual([
    'klDivergence',
    'top1',
    'alpha',
    'zeta',
  ])
})
