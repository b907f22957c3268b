import { expect, test } from 'vitest'
import { memoryOf, sampleActivations } from '../../src-main/app/footprint.ts'
import type { Subject } from '../../src-main/app/projects.ts'
import { summary } from '../store/fixtures/project.ts'

const noise = { kind: 'noise', samples: 8, unit: 'noise samples', details: { input_ids: '[1, 512]' } }
const text = { kind: 'text', samples: 8, unit: 'windows of 256 tokens', details: {} }

/** 22 blocks of a Llama with about a billion weights, on noise of 512 tokens. */
const large = (data: object = noise): Subject => {
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

test('each part by hand, on windows of 256 tokens', () => {
  const whole = { sessions: 2, activations: 3, kept: true, hessians: true, pieces: true }
  const { bytes, reason } = memoryOf(large(text), whole)
  const block = 2 * 8_192 * 2_048 + 2_048 ** 2
  const batch = 8 * 256 * (8_192 + 2_048) * 4 // eight windows, what enters and leaves the widest layer
  const parts = {
    weights: 2 * 4 * (32_000 * 2_048 + 22 * block),
    piece: 2 * 4 * block,
    layer: 3 * 4 * 32_000 * 2_048, // the table is the largest
    activations: 3 * batch,
    kept: (22 * batch) / 4,
    hessians: 3 * 4 * 8_192 ** 2,
    programs: 450 * 2 ** 20,
  }
  expect(bytes).toBe(Object.values(parts).reduce((sum, part) => sum + part, 0))
  expect(reason.split(' + ')).toEqual([
    '7.2 GB for 2 copies of the weights in float32',
    '302 MB for a block of the network',
    '786 MB for a layer at work',
    '252 MB for activations of a batch',
    '461 MB for activations at the borders of the blocks',
    '805 MB for Hessians',
    '472 MB for the programs',
  ])
})

test('what is bounded stays bounded: borders and Hessians take 1 GiB at the most', () => {
  const subject = large({ ...text, unit: 'windows of 2048 tokens' })
  subject.checkpoint.summary.layers[2]?.shape.splice(0, 2, 2_048, 16_384)
  const { reason } = memoryOf(subject, { sessions: 0, activations: 0, kept: true, hessians: true })
  expect(reason).toContain('1.1 GB for activations at the borders of the blocks + 1.1 GB for Hessians')
})

test('one sample: a window of text, an image at the first convolution, noise as it is', () => {
  expect(sampleActivations(large(text))).toEqual({ positions: 256, bytes: 4 * 256 * 10_240 })
  expect(sampleActivations(large())).toEqual({ positions: 512, bytes: 4 * 512 * 10_240 })
  const images = large({ kind: 'image-classification', samples: 8, unit: 'images', details: { size: '48 x 32' } })
  const { summary } = images.checkpoint
  const conv = { ...summary.layers[1], role: 'conv', shape: [16, 3, 3, 3] }
  Object.assign(summary, { task: 'image-classification', layers: [conv] })
  expect(sampleActivations(images)).toEqual({ positions: 48 * 32, bytes: 4 * 48 * 32 * 2 * 16 })
  expect(sampleActivations({ ...images, dataSet: null })).toBeNull()
})
