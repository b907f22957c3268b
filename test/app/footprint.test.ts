import { expect, test } from 'vitest'
import { memoryOf } from '../../src-main/app/footprint.ts'
import type { Subject } from '../../src-main/app/projects.ts'
import { summary } from '../store/fixtures/project.ts'

/** 22 blocks of a Llama with 1.1 billion weights, on noise of 512 tokens. */
const large = (): Subject => {
  const layer = (name: string, block: number | null, shape: number[], role = 'other') => ({
    ...{ name, block, shape, role, dtype: 'bfloat16', stored: null, compressible: true },
    parameters: (shape[0] ?? 0) * (shape[1] ?? 0),
    bytes: 2 * (shape[0] ?? 0) * (shape[1] ?? 0),
  })
  const layers = [
    layer('embed', null, [32_000, 2_048], 'embed'),
    ...Array.from({ length: 22 }, (_, block) => [
      layer(`${block}.up`, block, [8_192, 2_048]),
      layer(`${block}.down`, block, [2_048, 8_192]),
      layer(`${block}.q`, block, [2_048, 2_048]),
    ]).flat(),
  ]
  const parameters = layers.reduce((sum, each) => sum + each.parameters, 0)
  const data = { kind: 'noise', samples: 8, unit: 'noise samples', details: { input_ids: '[1, 512]' } }
  return {
    checkpoint: {
      path: '',
      relativePath: '',
      summary: { ...summary, task: 'causal-lm', blocks: 22, parameters, layers },
    },
    dataSet: { summary: data },
  } as unknown as Subject
}

test('a calibrated run holds one block after the other, not the network; judging holds it whole', () => {
  const subject = large()
  const run = { sessions: 0, activations: 1, kept: false, hessians: true, pieces: true }
  const alone = memoryOf(subject, run)
  expect(alone.bytes).toBeLessThan(3e9)
  expect(alone.reason).toContain('a block of the network')
  expect(alone.reason).not.toContain('weights in float32')
  const judged = memoryOf(subject, { ...run, sessions: 2, activations: 2 })
  expect(judged.bytes - alone.bytes).toBeGreaterThan(2 * 4 * subject.checkpoint.summary.parameters)
})

test('noise enters by its own sizes, one sample at a time', () => {
  const subject = large()
  const [one, two] = [0, 1].map((activations) => memoryOf(subject, { sessions: 1, activations, kept: false }).bytes)
  expect((two ?? 0) - (one ?? 0)).toBe(4 * 512 * (8_192 + 2_048))
})
