import { expect, test } from 'vitest'
import { isUnpacked, lineOf, memoryModel, planeOf } from '../../src-main/app/front-memory.ts'
import { frontSvg } from '../../src-main/app/front-svg.ts'
import type { OpenProject } from '../../src-main/app/projects.ts'
import type { PlanModel } from '../../src-main/app/plan-model.ts'
import type { Front, MeasuredPoint } from '../../src-preload/contract/results.ts'

test('the line of memory: exact through two runs, one copy beside what one run tells, never less than the file', () => {
  expect(lineOf([])).toBeNull()
  expect(lineOf([{ bytes: 10, peak: 35 }])).toEqual({ copies: 1, beside: 25 })
  const [a, b] = [
    { bytes: 10, peak: 40 },
    { bytes: 30, peak: 70 },
  ]
  expect(lineOf([a, b])).toEqual({ copies: 1.5, beside: 25 })
  // More memory for a smaller file is noise: the file lies in memory once at least.
  const noisy = lineOf([
    { bytes: 10, peak: 52 },
    { bytes: 12, peak: 48 },
  ])
  expect(noisy?.copies).toBe(1)
  expect(noisy!.beside + 11).toBeCloseTo(50, 12)
})

test('weights that are unpacked take their own, as files with them took; else as is usual', () => {
  const packed = [
    { bytes: 10e6, peak: 40e6, unpacked: 0 },
    { bytes: 30e6, peak: 70e6, unpacked: 0 },
  ]
  expect(planeOf([])).toBeNull()
  expect(planeOf(packed)).toEqual({ copies: 1.5, beside: 25e6, unpackedBytes: 23 })
  const found = planeOf([...packed, { bytes: 8e6, peak: 25e6 + 12e6 + 5e6 * 20, unpacked: 5e6 }])
  expect(found).toEqual({ copies: 1.5, beside: 25e6, unpackedBytes: 20 })
  const option = (bits: number, method = 'rtn') => ({ method, bits })
  expect([2, 3, 4, 5, 8].map((bits) => isUnpacked('onnx', option(bits)))).toEqual([false, true, false, true, false])
  expect([isUnpacked('onnx', option(32, 'keep')), isUnpacked('onnx-folded', option(4)), isUnpacked('gguf', option(3))]).toEqual([false, true, false]) // prettier-ignore
})

const project = (rows: object[]): OpenProject =>
  ({ store: { read: { prepare: () => ({ all: () => rows }) } } }) as unknown as OpenProject
const subject = {
  row: { checkpoint: 'c' },
  data: 'd',
  dataSet: { summary: { kind: 'text', unit: 'windows of 256 tokens', details: {} } },
  checkpoint: { summary: { task: 'causal-lm', layers: [] } },
}
const running = { cachePerToken: 1000, activations: 5e6, attentionPerToken: 100 }

test('nothing run: weights, activations and keys and values of the window, said to be an estimate', () => {
  const model = { subject, format: 'gguf', running } as unknown as PlanModel
  const { of, source } = memoryModel(project([]), model)
  // Half a prompt of 512 tokens, and 256 tokens of keys and values.
  expect(of(1e6, 0)).toBe(1e6 + 0.5 * 5e6 + 256 * (1000 + 0.5 * 100))
  expect(source).toMatch(/Estimated, not measured/)
  const blind = { ...model, subject: { ...subject, dataSet: null } } as unknown as PlanModel
  expect(memoryModel(project([]), blind).of(1e6, 0)).toBeNull()
})

test('the picture against memory: dots that were run, and no others', () => {
  const point = (bytes: number, memory: number | null): MeasuredPoint => ({
    ...{
      bytes,
      averageBits: 4,
      loss: 0.01,
      lossLow: 0.01,
      lossHigh: 0.01,
      predictedMemory: 9e6,
      predictedSeconds: null,
    },
    ...{ variant: `v${bytes}`, format: 'onnx', label: 'one', kind: 'planned', predictedLoss: null, metrics: {} },
    ...{ pinned: false, seconds: null, fileSeconds: null, memory },
  })
  const front: Front = {
    ...{ predicted: [], uniform: [], curves: [], imported: [], source: '', memorySource: '' },
    measured: [point(1e5, 12e6), point(2e5, 14e6), point(3e5, null)],
    calibration: { factor: 1, spearman: null, points: 0 },
  }
  const circles = (svg: string): number =>
    svg.match(/<circle class="planned[^>]*cx="[\d.]+" cy="[\d.]+">/g)?.length ?? 0
  expect(circles(frontSvg(front, 't', 'memory'))).toBe(2)
  expect(frontSvg(front, 't', 'memory')).toContain('Peak memory, running the exported file')
  expect(circles(frontSvg(front, 't'))).toBe(3)
  expect(frontSvg(front, 't', 'latency')).toContain('Nothing is predicted or measured yet.')
})
