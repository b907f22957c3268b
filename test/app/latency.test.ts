import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { readSeconds } from '../../src-main/app/latency-units.ts'
import type { OpenProject, Subject } from '../../src-main/app/projects.ts'
import { floatForm, formName } from '../../src-main/engine/latency/names.ts'
import { saveProbe } from '../../src-main/store/probes.ts'
import { openProject, summary } from '../store/fixtures/project.ts'

const store = openProject()
afterAll(() => {
  store.close()
  rmSync(store.folder, { recursive: true, force: true })
})
const project = { folder: store.folder, store } as OpenProject
const layers = [
  { name: 'table', role: 'embed' },
  { name: 'inside', role: 'linear' },
]
const subject = {
  row: { checkpoint: summary.fingerprint, device: 'cpu' },
  checkpoint: { summary: { ...summary, layers } },
} as unknown as Subject
const keep = { id: 'keep', method: 'keep' }
const four = { id: 'rtn-4-g64', method: 'rtn' }

test('calls of single layers cost more than the network between them: kept as it is, it takes what it was seen to take', () => {
  const save = (kind: string, key: string, value: unknown) =>
    saveProbe(store.write, { checkpoint: summary.fingerprint, data: '', version: 1, kind, key, value })
  const timing = (form: string, seconds: number) => ({
    device: 'cpu',
    form,
    seconds,
    low: seconds,
    high: seconds,
    runs: 7,
  })
  for (const layer of ['a', 'b', 'c']) save('latency-shape', layer, 'Gemm')
  save('latency', '1', { ...timing(floatForm, 2e-4), shape: 'Gemm' })
  save('latency', '2', { ...timing(formName('onnx', four), 3e-4), shape: 'Gemm' })
  const seconds = (of: typeof four) => {
    const read = readSeconds(project, subject, 'onnx')
    return ['a', 'b', 'c'].reduce((sum, layer) => sum + (read.of(layer, of) ?? NaN), read.base)
  }
  expect(seconds(keep)).toBeCloseTo(6e-4, 12) // the whole was not timed: the layers are all that is known
  expect(readSeconds(project, subject, 'onnx').of('table', four)).toBeNull()
  save('latency-whole', 'cpu', { device: 'cpu', seconds: 2.5e-4, low: 2e-4, high: 3e-4, runs: 7 })
  expect(seconds(keep)).toBeCloseTo(2.5e-4, 12)
  expect(seconds(four)).toBeCloseTo(5.5e-4, 12)
  // A lookup, which nobody timed, takes what it took before; of another layer without a time nothing is known.
  expect(readSeconds(project, subject, 'onnx').of('table', four)).toBe(0)
  expect(readSeconds(project, subject, 'onnx').of('inside', four)).toBeNull()
})
