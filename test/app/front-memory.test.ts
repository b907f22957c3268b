import { expect, test } from 'vitest'
import { isUnpacked, lineOf, memoryModel, planeOf, unpackedIn } from '../../src-main/app/front-memory.ts'
import { frontSvg } from '../../src-main/app/front-svg.ts'
import type { OpenProject, Subject } from '../../src-main/app/projects.ts'
import type { PlanModel } from '../../src-main/app/plan-model.ts'
import { saveProbe } from '../../src-main/store/probes.ts'
import { saveRecipe } from '../../src-main/store/recipes.ts'
import { startRun } from '../../src-main/store/runs.ts'
import { saveVariant } from '../../src-main/store/variants.ts'
import type { Recipe } from '../../src-preload/contract/plan.ts'
import type { Front, MeasuredPoint } from '../../src-preload/contract/results.ts'
import { openProject, summary } from '../store/fixtures/project.ts'

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
  // Nor more than three times, and nothing takes less than nothing beside it.
  const steep = lineOf([
    { bytes: 10, peak: 20 },
    { bytes: 12, peak: 60 },
  ])
  expect(steep).toEqual({ copies: 3, beside: 7 })
  expect(lineOf([{ bytes: 10, peak: 8 }])).toEqual({ copies: 1, beside: 0 })
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
  // Of several the median counts; where none stays packed, the usual bytes of an unpacked weight are taken off first.
  const rate = (bytes: number) => ({ bytes: 8e6, peak: 25e6 + 12e6 + 5e6 * bytes, unpacked: 5e6 })
  expect(planeOf([...packed, rate(10), rate(30), rate(21)])?.unpackedBytes).toBe(21)
  const alone = planeOf([{ bytes: 10e6, peak: 150e6, unpacked: 5e6 }])
  expect(alone).toEqual({ copies: 1, beside: 25e6, unpackedBytes: 23 })
  const option = (bits: number, method = 'rtn') => ({ method, bits })
  expect([2, 3, 4, 5, 8].map((bits) => isUnpacked('onnx', option(bits)))).toEqual([false, true, false, true, false])
  expect([isUnpacked('onnx', option(32, 'keep')), isUnpacked('onnx-folded', option(4)), isUnpacked('gguf', option(3))]).toEqual([false, true, false]) // prettier-ignore
  expect([isUnpacked('onnx', option(8, 'svd')), isUnpacked('onnx', option(4, 'wanda'))]).toEqual([true, true])
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

test('two files were run: packed ones lie on their line, a weight that is unpacked takes what it took', () => {
  const store = openProject()
  const own = { store } as unknown as OpenProject
  const layer = { ...summary.layers[0], name: 'conv', parameters: 1_000_000 }
  const checkpoint = { summary: { ...summary, layers: [layer] } }
  const place = { ...subject, row: { checkpoint: summary.fingerprint }, checkpoint }
  const recipe = (bits: number): Recipe => ({
    ...{ lathe: 1, seed: 0, format: 'onnx', checkpoint: { name: 'tiny', fingerprint: summary.fingerprint } },
    layers: [{ name: 'conv', option: { id: `rtn-${bits}`, method: 'rtn', bits, parameters: {} } }],
  })
  const [four, three] = [4, 3].map((bits) => saveRecipe(store.write, { recipe: recipe(bits) })) as [string, string]
  const common = { averageBits: 4, predictedLoss: null, uniform: true, format: 'onnx' }
  for (const [id, own, bytes] of [
    ['v4', four, 1e6],
    ['v3', three, 9e5],
  ] as const) {
    const run = startRun(store.write, { recipe: own, job: null })
    saveVariant(store.write, { ...common, id, run, recipe: own, name: id, bytes })
  }
  const seen = (variant: string | null, fileBytes: number, peakBytes: number): void =>
    saveProbe(store.write, {
      ...{ checkpoint: summary.fingerprint, data: 'd', kind: 'running:onnx', key: variant ?? 'original', version: 1 },
      value: {
        variant,
        found: { fileBytes, peakBytes, openBytes: 0, sample: '', seconds: 1, low: 1, high: 1, runs: 1 },
      },
    })
  seen(null, 4e6, 13e6)
  seen('v4', 1e6, 7e6)
  seen('v3', 9e5, 2 * 9e5 + 5e6 + 19e6)
  expect(unpackedIn(own, place as unknown as Subject, three)).toBe(1_000_000)
  expect(unpackedIn(own, place as unknown as Subject, four)).toBe(0)
  const { of, source } = memoryModel(own, { subject: place, format: 'onnx', running } as unknown as PlanModel)
  expect(of(2e6, 0)).toBeCloseTo(2 * 2e6 + 5e6, 3)
  expect(of(2e6, 1e5)).toBeCloseTo(2 * 2e6 + 5e6 + 19 * 1e5, 3)
  expect(source).toContain('Predicted from 3 such runs: 2.00 x the file + 5.0 MB + 19 bytes')
  store.close()
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
