import { expect, test } from 'vitest'
import { frontPage } from '../../src-main/cli/front-page.ts'
import type { Project } from '../../src-preload/contract/project.ts'
import type { Front, MeasuredPoint } from '../../src-preload/contract/results.ts'

const hostile = `<img src=x onerror=alert(1)>"'&`

const project = {
  folder: '/p',
  name: 'p',
  device: 'cpu',
  checkpoint: { name: hostile },
  data: { evaluate: 800, unit: hostile, path: hostile, calibrate: 400, split: hostile },
} as unknown as Project

const point = (change: Partial<MeasuredPoint>): MeasuredPoint => ({
  bytes: 100_000,
  averageBits: 4,
  loss: 0.01,
  lossLow: 0.009,
  lossHigh: 0.011,
  variant: 'v',
  format: 'onnx',
  label: hostile,
  kind: 'planned',
  predictedLoss: 0.012,
  metrics: { top1: { value: 0.77, low: 0.75, high: 0.79 }, [hostile]: { value: 1, low: null, high: null } },
  pinned: false,
  ...change,
})

const front: Front = {
  predicted: [
    { bytes: 150_000, averageBits: 6, loss: 0.001, lossLow: 0.0005, lossHigh: 0.002 },
    { bytes: 50_000, averageBits: 2, loss: 0.5, lossLow: 0.3, lossHigh: 0.8 },
  ],
  uniform: [],
  measured: [
    point({}),
    point({ kind: 'uniform', bytes: 110_000, loss: 0.02 }),
    point({ kind: 'original', variant: null, bytes: 700_000, loss: 0, lossLow: 0, lossHigh: 0 }),
  ],
  calibration: { factor: 1.1, spearman: 0.95, points: 2 },
}

/** Every tag of a page, and whether all that are opened are closed. */
function tags(html: string): { names: Set<string>; balanced: boolean } {
  const void_ = new Set(['meta', 'line', 'polygon', 'polyline'])
  const [open, names] = [[] as string[], new Set<string>()]
  for (const [, end, name = '', rest = ''] of html.matchAll(/<(\/?)([a-z]\w*)((?:[^>"]|"[^"]*")*)>/g)) {
    names.add(name)
    if (end !== '') {
      if (open.pop() !== name) return { names, balanced: false }
    } else if (!void_.has(name) && !rest.endsWith('/')) open.push(name)
  }
  return { names, balanced: open.length === 0 }
}

test('names are text, never markup', () => {
  const html = frontPage(project, front)
  expect(html).not.toContain('<img')
  expect(html).toContain('&lt;img src=x onerror=alert(1)&gt;&quot;')
  const { names, balanced } = tags(html)
  expect(balanced).toBe(true)
  for (const active of ['script', 'img', 'link', 'iframe', 'object', 'a', 'image', 'use'])
    expect(names).not.toContain(active)
})

test('the page holds everything itself', () => {
  const html = frontPage(project, front)
  expect(html).toMatch(/^<!doctype html><html lang="en">/)
  expect(html).not.toMatch(/https?:|\/\/|url\(|@import|\b(src|href)=(?!x onerror)/)
})

test('a measured point is one mark inside the drawing, with its interval; the original is in the table alone', () => {
  const html = frontPage(project, front)
  const marks = [...html.matchAll(/<circle class="(\w+)" r="5" cx="([\d.]+)" cy="([\d.]+)">/g)]
  expect(marks.map(([, kind]) => kind)).toEqual(['planned', 'uniform'])
  const [planned, uniform] = marks.map(([, , x, y]) => ({ x: Number(x), y: Number(y) }))
  for (const mark of [planned, uniform]) {
    expect(mark?.x).toBeGreaterThan(78)
    expect(mark?.x).toBeLessThanOrEqual(880 - 24)
    expect(mark?.y).toBeGreaterThanOrEqual(20)
    expect(mark?.y).toBeLessThanOrEqual(460 - 52)
  }
  expect(uniform?.x).toBeGreaterThan(planned?.x ?? 0) // larger: further right
  expect(uniform?.y).toBeLessThan(planned?.y ?? 0) // more loss: higher up
  expect(html.match(/<tr>/g)).toHaveLength(1 + 3)
  expect(html).not.toContain('NaN')
  expect(html).not.toContain('Infinity')
})

test('nothing measured, no data: still a page', () => {
  const empty: Front = {
    predicted: [],
    uniform: [],
    measured: [],
    calibration: { factor: 1, spearman: null, points: 0 },
  }
  const html = frontPage({ ...project, data: null }, empty)
  expect(html).toContain('Nothing is predicted or measured yet.')
  expect(html).not.toContain('null')
  expect(tags(html).balanced).toBe(true)
  const lossless = { ...front, predicted: [], measured: [point({ loss: 0, lossLow: 0, lossHigh: 0 })] }
  expect(frontPage(project, lossless)).not.toContain('NaN')
})
