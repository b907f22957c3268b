import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { describeDataset } from '../../../src-main/engine/data/summary.ts'
import { allBatches, networkWith, scratch } from './fixtures.ts'

const voice = networkWith([
  { name: 'input', dtype: 'float32', shape: ['batch', 'sequence'] },
  { name: 'state', dtype: 'float32', shape: [2, 'batch', 128] },
  { name: 'sr', dtype: 'int64', shape: [] },
])
const describe = (text: string) => {
  const path = join(scratch(), 'noise.yaml')
  writeFileSync(path, text)
  return { path, split: 'auto' as const }
}
const good = `kind: noise
samples: 6
seed: 3
split: { calibrate: 2 }
dims: { sequence: 512 }
inputs:
  input: { distribution: uniform, low: -0.1, high: 0.1 }
  sr: { value: 16000 }`

test('every input is filled, seeded by sample', async () => {
  const dataset = await openDataset(describe(good), voice)
  expect(describeDataset(dataset)).toMatchObject({ kind: 'noise', calibrate: 2, evaluate: 4 })
  const batches = await allBatches(dataset.evaluate, { batchSize: 16 })
  expect(batches).toHaveLength(4)
  const { input, state, sr } = batches[0]?.feeds ?? {}
  expect([input?.dims, state?.dims, sr?.dims]).toEqual([[1, 512], [2, 1, 128], []])
  expect(sr?.data).toEqual(BigInt64Array.of(16000n))
  const list = input?.data as Float32Array
  expect(Math.max(...list)).toBeLessThanOrEqual(Math.fround(0.1))
  expect(Math.max(...list)).toBeGreaterThan(0.09)
  expect(await allBatches(dataset.evaluate, { batchSize: 1 })).toEqual(batches)
  expect(batches[1]?.feeds.input?.data).not.toEqual(list)
  expect(batches[0]?.targets).toBeNull()
})

test.each([
  ['a size nobody knows', good.replace('sequence: 512', 'other: 1'), '"input" along axis 1'],
  ['whole numbers without a range', good.replace('  sr: { value: 16000 }', ''), '"sr" takes whole numbers'],
  ['an input that is not there', good.replace('  sr:', '  rate: { value: 1 }\n  sr:'), 'no input "rate"'],
])('%s is refused', async (_, text, words) => {
  await expect(openDataset(describe(text), voice)).rejects.toThrow(words)
})
