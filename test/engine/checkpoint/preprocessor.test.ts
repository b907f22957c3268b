import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { listFolder } from '../../../src-main/engine/checkpoint/hf-folder.ts'
import { readPreprocessor } from '../../../src-main/engine/checkpoint/preprocessor.ts'
import { scratch } from '../data/fixtures.ts'

function read(config: unknown): { steps: unknown; notices: string[] } {
  const folder = scratch()
  writeFileSync(join(folder, 'preprocessor_config.json'), typeof config === 'string' ? config : JSON.stringify(config))
  const notices: string[] = []
  const found = readPreprocessor(folder, listFolder(folder), notices)
  return { steps: found?.steps ?? null, notices }
}

const half = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }
const numbers = { channels: 'RGB', mean: [127.5, 127.5, 127.5], scale: [127.5, 127.5, 127.5] }

// Configurations as the published checkpoints of each family carry them, and what they mean here.
test.each([
  ['ViT, new', { ...half, do_resize: true, size: { height: 224, width: 224 }, resample: 2 }, { resize: 224 }],
  [
    'ViT, old',
    { ...half, do_normalize: true, feature_extractor_type: 'ViTFeatureExtractor', size: 224 },
    { resize: 224 },
  ],
  [
    'CLIP, old',
    {
      ...half,
      feature_extractor_type: 'CLIPFeatureExtractor',
      size: 224,
      do_center_crop: true,
      crop_size: 224,
      resample: 2,
    },
    { size: 224, crop: 224 },
  ],
  [
    'CLIP, new',
    { ...half, size: { shortest_edge: 336 }, do_center_crop: true, crop_size: { height: 336, width: 336 } },
    { size: 336, crop: 336 },
  ],
  ['no resizing', { ...half, do_resize: false, size: 30 }, {}],
])('%s', (_, config, steps) => {
  expect(read(config)).toEqual({ steps: { ...numbers, ...steps }, notices: [] })
})

test('numbers that are not normalised stay 0 .. 1, those that are not rescaled 0 .. 255', () => {
  const plain = { do_resize: false, do_normalize: false, image_mean: [0.5, 0.5, 0.5] }
  expect(read(plain).steps).toEqual({ channels: 'RGB', mean: [0, 0, 0], scale: [255, 255, 255] })
  expect(read({ ...plain, do_rescale: false }).steps).toMatchObject({ scale: [1, 1, 1] })
})

test.each([
  ['another filter', { ...half, size: 224, resample: 3 }, /another filter/],
  ['a square that is cropped', { ...half, size: 256, do_center_crop: true, crop_size: 224 }, /shorter side/],
])('%s is said', (_, config, words) => expect(read(config).notices.join()).toMatch(words))

test.each([
  ['no square', { ...half, size: { height: 224, width: 160 } }, /only squares/],
  ['a broken mean', { ...half, image_mean: [1, 2], size: 8 }, /image_mean is .*, expected 3 numbers/],
  ['a deviation of zero', { ...half, image_std: [0, 1, 1], size: 8 }, /image_std/],
  ['a size beyond reason', { ...half, size: 1e9 }, /size is/],
  ['no JSON', '{', /preprocessor_config/],
])('%s leaves the preprocessing to the user', (_, config, words) => {
  const { steps, notices } = read(config)
  expect(steps).toBeNull()
  expect(notices.join()).toMatch(words)
  expect(notices.join()).toContain('Describe the preprocessing')
})

test('a file about sound is none about images', () => {
  expect(read({ feature_extractor_type: 'Wav2Vec2FeatureExtractor', sampling_rate: 16000 })).toEqual({
    steps: null,
    notices: [],
  })
})
