import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { deadline } from '../../src-main/app/front.ts'
import { frontCsv } from '../../src-main/app/front-csv.ts'
import { isDominated } from '../../src-main/app/front-dominance.ts'
import { csvRows, readFrontFile } from '../../src-main/app/front-file.ts'
import { envelope, leversOf } from '../../src-main/app/front-points.ts'
import { mostTelling } from '../../src-main/app/front-suggest.ts'
import type { Front, FrontPoint } from '../../src-preload/contract/results.ts'

const folder = mkdtempSync(join(tmpdir(), 'lathe-front-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const point = (bytes: number, loss: number, spread = 2): FrontPoint => ({
  ...{ bytes, averageBits: bytes / 1e5, loss },
  ...{ lossLow: loss / spread, lossHigh: loss * spread, predictedMemory: 2 * bytes, predictedSeconds: null },
})

test('dominated: not smaller and not less lossy, and worse in one', () => {
  const [a, b, c] = [point(100, 1), point(120, 1), point(120, 0.5)]
  expect([a, b, c].map((one) => isDominated(one, [a, b, c]))).toEqual([false, true, false])
  expect(isDominated(a, [a, { ...a }])).toBe(false) // its equal does not beat it
})

test('the envelope rises in bytes, falls in loss, and nothing beats it', () => {
  const points = [point(5, 0.2), point(1, 1), point(3, 0.9), point(2, 0.4), point(4, 0.4), point(5, 0.1)]
  const found = envelope(points)
  expect(found.map(({ bytes, loss }) => [bytes, loss])).toEqual([
    [1, 1],
    [2, 0.4],
    [5, 0.1],
  ])
  expect(found.every((one) => !isDominated(one, points))).toBe(true)
})

test('levers are told from what an option takes away', () => {
  const option = (method: string, bits: number, parameters: Record<string, number>) => ({
    id: 'x',
    method,
    bits,
    parameters,
  })
  const names = (of: ReturnType<typeof leversOf>): string[] => [...of].sort()
  expect(names(leversOf(option('rtn', 4, { bits: 4 }), 32))).toEqual(['bits'])
  expect(names(leversOf(option('keep', 32, {}), 32))).toEqual([])
  expect(names(leversOf(option('prune', 10, { sparsity: 0.7, width: 16 }), 32))).toEqual(['sparsity'])
  expect(names(leversOf(option('prune', 3, { sparsity: 0.5, width: 4 }), 32))).toEqual(['bits', 'sparsity'])
  expect(names(leversOf(option('svd', 9, { rankShare: 0.3 }), 16))).toEqual(['rank'])
})

// A curve of ten points, the loss falling fourfold a step, bent at the fifth.
const curve = Array.from({ length: 10 }, (_, i) => point(1e5 * 1.25 ** i, i < 5 ? 4 ** -i : 4 ** -5 * 1.1 ** (5 - i)))

test('the first point that tells most is at the bend, and later ones keep away from what is taken', () => {
  const [first, ...rest] = mostTelling(curve, [], 4)
  expect(curve.findIndex(({ bytes }) => bytes === first?.point.bytes)).toBe(5)
  expect(first?.why).toBe('the curve bends here')
  const bytes = [first, ...rest].map((one) => one?.point.bytes)
  expect(new Set(bytes).size).toBe(4)
  expect(rest.map((one) => one.why)).toContain('nothing is measured near it')
})

test('where the interval is wider, it is measured sooner; measured places are left alone', () => {
  const flat = Array.from({ length: 9 }, (_, i) => point(1e5 * 2 ** i, 2 ** -i, i === 6 ? 8 : 1.2))
  const ends = [flat[0]?.bytes ?? 0, flat[8]?.bytes ?? 0]
  expect(mostTelling(flat, ends, 1)[0]?.point.bytes).toBe(flat[6]?.bytes)
  expect(
    mostTelling(
      flat,
      flat.map(({ bytes }) => bytes),
      3,
    ),
  ).toEqual([])
  expect(mostTelling([], [], 3)).toEqual([])
})

test('CSV: quotes, either line end, and a byte order mark', () => {
  expect(csvRows('\uFEFFa,"b ""c"", d"\r\n1,\n')).toEqual([['a', 'b "c", d'], ['1', ''], ['']])
})

test('a CSV with a heading is a front; rows without a size are passed over by number', () => {
  const file = join(folder, 'a.csv')
  const front = readFrontFile(
    file,
    'label,bytes,bits,top1,top1Low,top1High\nours,1000,4,0.9,0.88,0.92\nnone,,4,0.5,,\n',
  )
  expect(front.points).toEqual([
    {
      ...{ label: 'ours', bytes: 1000, averageBits: 4, kind: 'planned' },
      metrics: { top1: { value: 0.9, low: 0.88, high: 0.92 } },
    },
  ])
  expect(front.notices).toEqual(['Line 3 is passed over: "" is no size.'])
})

test('what is no front is refused with the file, and what was expected', () => {
  const refused = (text: string): string => {
    try {
      readFrontFile('/x/f', text)
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  expect(refused('label,size\na,1\n')).toMatch(/^\/x\/f: no column "bytes" \(found: label, size\)/)
  expect(refused('bytes,kind\n10,planned\n')).toMatch(/no metric/)
  expect(refused('{"points": [{"bytes": -3}]}')).toMatch(/not a front/)
  expect(refused('[')).toMatch(/not JSON/)
  expect(refused('')).toMatch(/no column "bytes"/)
})

test('what is written as CSV is read back', () => {
  const metrics = { klDivergence: { value: 0.02, low: 0.01, high: 0.03 }, top1: { value: 0.9, low: null, high: null } }
  const common = {
    format: 'onnx',
    predictedLoss: 0.02,
    pinned: false,
    seconds: 0.1,
    ...{ fileSeconds: 0.2, memory: 7e5, metrics },
  }
  const front: Front = {
    ...{ predicted: [point(3e5, 0.1)], uniform: [], curves: [], imported: [], source: '', memorySource: '' },
    measured: [{ ...point(2e5, 0.02), ...common, variant: 'v', label: '=1+1, "x"', kind: 'uniform' }],
    calibration: { factor: 1, spearman: null, points: 0 },
  }
  const file = join(folder, 'b.csv')
  writeFileSync(file, frontCsv(front))
  const [head = [], first = []] = csvRows(frontCsv(front))
  const cellOf = (name: string): string | undefined => first[head.indexOf(name)]
  expect(['fileSeconds', 'memory', 'predictedMemory', 'predictedSeconds'].map(cellOf)).toEqual(['0.2', '700000', '400000', '']) // prettier-ignore
  const [measured, predicted] = readFrontFile(file, frontCsv(front)).points
  expect(measured).toEqual({ label: `'=1+1, "x"`, bytes: 2e5, averageBits: 2, kind: 'uniform', metrics }) // no formula
  expect(predicted?.metrics.klDivergence?.value).toBe(0.1)
})

test('after the time is up nothing more begins, and what had begun goes on', () => {
  let now = 0
  const time = deadline(1, () => now)
  expect(time.isOver(0)).toBe(false)
  now = 70_000
  expect([time.isOver(0), time.isOver(1), time.isOver(2)]).toEqual([false, true, true])
  expect(time.left()).toBe(2)
  expect(deadline(null, () => 1e12).isOver(0)).toBe(false)
})
