import { expect, test } from 'vitest'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { segment } from '../../../src-main/engine/graph/segment.ts'
import { flowOf } from '../../../src-main/engine/probe/flow.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import { sumOfCosines } from '../../../src-main/engine/score/cosine.ts'
import { measureScores } from '../../../src-main/engine/score/measure.ts'
import { imageData, quiet, residualNetwork } from './network.ts'

const network = residualNetwork()

const measureScore = async ({ method, ...args }: { method: string } & Parameters<typeof measureScores>[0]) => {
  const [result] = await measureScores(args, [{ method, parameters: {} }], quiet)
  if (result === undefined) throw new Error('no result')
  return result
}

test('the stream through the blocks begins and ends where the blocks do', () => {
  expect(flowOf(network).map(({ input, output }) => [input, output])).toEqual([
    ['stem.out', 'blocks.0.out'],
    ['blocks.0.out', 'blocks.1.out'],
    ['blocks.1.out', 'blocks.2.out'],
  ])
})

test('LIM over all batches of one pass is minus the mean cosine of each block', async () => {
  const dataset = imageData(70)
  const result = await measureScore({ network, dataset, device: 'cpu', method: 'lim' })
  expect(result).toMatchObject({ method: 'lim', per: 'block', samples: 70 })
  const outputs = ['stem.out', 'blocks.0.out', 'blocks.1.out', 'blocks.2.out']
  if (network.graph === null) throw new Error('no graph')
  const session = await openSession(
    segment(network.graph, { outputs }),
    weightReader(network),
    { device: 'cpu' },
    () => undefined,
  )
  const [batch] = [...(dataset.calibrate.batches({ batchSize: 70 }) as Iterable<{ feeds: never }>)]
  const values = await session.run(batch?.feeds ?? {})
  await session.release()
  const expected = [0, 1, 2].map((block) => {
    const [x, y] = [values[outputs[block] ?? ''], values[outputs[block + 1] ?? '']]
    if (x === undefined || y === undefined) throw new Error('missing value')
    const { sum, count } = sumOfCosines(x, y)
    return -sum / count
  })
  expect(result.values.map(({ key }) => key)).toEqual(['0', '1', '2'])
  result.values.forEach(({ value }, block) => expect(value).toBeCloseTo(expected[block] ?? NaN, 5))
})

const uses = ['lim', 'zd'].map((method) => ({ method, parameters: {} }))

test('several scores come from one pass', async () => {
  const results = await measureScores({ network, dataset: imageData(), device: 'cpu' }, uses, quiet)
  expect(results.map(({ method }) => method)).toEqual(uses.map(({ method }) => method))
  for (const { values } of results) expect(values.every(({ value }) => value >= -1 && value <= 1)).toBe(true)
})

test('a score that needs data says so, and one that does not works without', async () => {
  const args = { network, dataset: null, device: 'cpu' } as const
  await expect(measureScore({ ...args, method: 'lim' })).rejects.toMatchObject({ code: 'bad-data' })
  await expect(measureScore({ ...args, method: 'nothing' })).rejects.toMatchObject({ code: 'bad-arguments' })
  const { samples, values } = await measureScore({ ...args, method: 'zd' })
  expect(samples).toBe(0)
  // Normal weights: 15.9 % lie more than one deviation above the mean.
  for (const { value } of values) expect(value).toBeCloseTo(-0.159, 1)
})
