import { expect, test } from 'vitest'
import { frontPage } from '../../src-main/app/front-page.ts'
import type { Project } from '../../src-preload/contract/project.ts'
import type { Front, MeasuredPoint } from '../../src-preload/contract/results.ts'

const hostile = `<img src=x onerror=alert(1)>"'&`

const project = {
  folder: '/p',
  name: 'p',
  device: 'cpu',
  checkpoint: { name: hostile, format: 'onnx', bytes: 700_000, fingerprint: 'f'.repeat(64) },
  format: 'onnx',
  evaluations: [],
  data: { fingerprint: 'd'.repeat(64), evaluate: 800, unit: hostile, path: hostile, calibrate: 400, split: hostile },
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
  seconds: 0.01,
  fileSeconds: null,
  memory: 60_000_000,
  predictedMemory: 61_000_000,
  predictedSeconds: null,
  ...change,
})

const unknown = { predictedMemory: null, predictedSeconds: null }
const kl = { value: 0.03, low: null, high: null }
const front: Front = {
  predicted: [
    { bytes: 150_000, averageBits: 6, loss: 0.001, lossLow: 0.0005, lossHigh: 0.002, ...unknown },
    { bytes: 50_000, averageBits: 2, loss: 0.5, lossLow: 0.3, lossHigh: 0.8, ...unknown },
  ],
  uniform: [],
  measured: [
    point({}),
    point({ kind: 'uniform', bytes: 110_000, loss: 0.02 }),
    point({ kind: 'original', variant: null, bytes: 700_000, loss: 0, lossLow: 0, lossHigh: 0 }),
  ],
  curves: [{ lever: 'bits', points: [point({ bytes: 60_000, loss: 0.6 }), point({ bytes: 110_000, loss: 0.02 })] }],
  imported: [
    {
      ...{ id: 'i', title: hostile, from: hostile, checkpoint: null, data: null, addedAt: '', notices: [hostile] },
      points: [{ label: hostile, bytes: 80_000, averageBits: null, kind: 'planned', metrics: { klDivergence: kl } }],
    },
  ],
  calibration: { factor: 1.1, spearman: 0.95, points: 2 },
  source: hostile,
  memorySource: hostile,
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
  const chart = html.slice(0, html.indexOf('</svg>'))
  const [circle, ...others] = [
    ...chart.matchAll(/<circle class="planned( faded)?" r="5.5" cx="([\d.]+)" cy="([\d.]+)">/g),
  ]
  const diamond = /<path class="uniform faded" d="M([\d.]+) ([\d.]+)l/.exec(chart)
  expect(others).toEqual([])
  const planned = { x: Number(circle?.[2]), y: Number(circle?.[3]) }
  const uniform = { x: Number(diamond?.[1]), y: Number(diamond?.[2]) }
  for (const mark of [planned, uniform]) {
    expect(mark.x).toBeGreaterThan(84)
    expect(mark.x).toBeLessThanOrEqual(960 - 26)
    expect(mark.y).toBeGreaterThanOrEqual(62 - 6.5)
    expect(mark.y).toBeLessThanOrEqual(560 - 62)
  }
  expect(uniform.x).toBeGreaterThan(planned.x) // larger: further right
  expect(uniform.y).toBeLessThan(planned.y) // more loss: higher up
  expect(chart.match(/<line class="bar planned"/g)).toHaveLength(1)
  expect(chart.match(/<rect class="imported i0"/g)).toHaveLength(1 + 1) // and one in the legend
  expect(chart.match(/<polyline class="lever bits"/g)).toHaveLength(1 + 1)
  expect(html.match(/<tr class="faded">/g)).toHaveLength(1) // larger and more lossy than the planned one
  expect(html).toContain('<th>top-1 accuracy</th>')
  expect(html).toContain('tr.faded{opacity:1}') // the drawing's fading marks must not fade words
  expect(html).not.toContain('NaN')
  expect(html).not.toContain('Infinity')
})

test('nothing measured, no data: still a page', () => {
  const empty: Front = {
    predicted: [],
    uniform: [],
    measured: [],
    curves: [],
    imported: [],
    calibration: { factor: 1, spearman: null, points: 0 },
    source: 'weight error only',
    memorySource: 'unknown',
  }
  const html = frontPage({ ...project, data: null }, empty)
  expect(html).toContain('Nothing is predicted or measured yet.')
  expect(html).not.toContain('null')
  expect(tags(html).balanced).toBe(true)
  const lossless = {
    ...front,
    predicted: [],
    curves: [],
    imported: [],
    measured: [point({ loss: 0, lossLow: 0, lossHigh: 0 })],
  }
  expect(frontPage(project, lossless)).not.toContain('NaN')
})
