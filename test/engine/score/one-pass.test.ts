// Scores that look at activations share one run over the calibration data, and give what they give alone.
import { expect, test } from 'vitest'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Batch, Dataset } from '../../../src-main/engine/data/types.ts'
import { measureScores } from '../../../src-main/engine/score/measure.ts'
import { openModel, samples } from './models.ts'
import { quiet } from './network.ts'

const parameters: Record<string, Record<string, number>> = {
  luq: { clusters: 16 },
  qvlm: {},
  arank: { maps: 1 },
  dse: { points: 64 },
  'information-plane': { points: 64 },
  snr: { vectors: 64 },
  welore: {},
  iscs: {},
  'talking-heads': {},
}
const methods = Object.keys(parameters)

test('nine scores of the language sample from one pass', async () => {
  const network = openModel(samples[0])
  const dataset = await openDataset({ path: samples[0].data, split: 'auto' }, network)
  let passes = 0
  const counted: Dataset = {
    ...dataset,
    calibrate: {
      ...dataset.calibrate,
      batches: (options) => {
        passes++
        return dataset.calibrate.batches(options) as AsyncGenerator<Batch>
      },
    },
  }
  const args = { network, dataset: counted, device: 'cpu', samples: 3, seed: 5 } as const
  const uses = methods.map((method) => ({ method, parameters: parameters[method] ?? {} }))
  const together = await measureScores(args, uses, quiet)
  expect(passes).toBe(1)
  expect(together.map(({ method }) => method)).toEqual(methods)
  for (const [index, use] of uses.entries()) {
    const [alone] = await measureScores(args, [use], quiet)
    expect(alone?.values, use.method).toEqual(together[index]?.values)
    expect(alone?.notes, use.method).toEqual(together[index]?.notes)
    for (const { value, parts } of alone?.values ?? [])
      for (const part of [value, ...Object.values(parts ?? {})]) expect(Number.isFinite(part), use.method).toBe(true)
  }
})

test('parameters that do not fit are refused by name', async () => {
  const network = openModel(samples[0])
  const args = { network, dataset: null, device: 'cpu' } as const
  for (const [method, parameters] of [
    ['welore', { ratio: 2 }],
    ['luq', { clusters: 1 }],
    ['dse', { sigma: -1 }],
    ['arank', { tolerance: 1e-6 }],
  ] as const)
    await expect(measureScores(args, [{ method, parameters }], quiet)).rejects.toMatchObject({ code: 'bad-arguments' })
})
