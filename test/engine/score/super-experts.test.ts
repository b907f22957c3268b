import { rmSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { percentileOf, superExperts, superExpertScore } from '../../../src-main/engine/score/experts/super-experts.ts'
import { measureScores } from '../../../src-main/engine/score/measure.ts'
import { familyCases, writeGoldenFolder } from '../families/golden.ts'
import { imageData, quiet } from './network.ts'
import { cnns, openModel, samples } from './models.ts'

test('worked out by hand: above P99.5, above a tenth of the largest, and where massive activations form', () => {
  expect(percentileOf([1, 2, 3, 4, 5], 0.5)).toBe(3)
  expect(percentileOf([0, 10], 0.995)).toBeCloseTo(9.95, 12)
  // 400 experts of size 1 but 300, 200 and 25: P99.5 lies at place 397.005 of the sorted, 25 + 0.005 (200 - 25)
  const experts = Array.from({ length: 400 }, (_, index) => ({ block: index % 4, largest: 1 }))
  for (const [index, largest] of [[5, 300], [9, 200], [13, 25]] as const) experts[index] = { block: 1, largest } // prettier-ignore
  const found = (forming: number[]) =>
    superExperts(experts, new Set(forming)).flatMap((flag, index) => (flag ? [index] : []))
  expect(found([1])).toEqual([5, 9])
  expect(found([0, 2, 3])).toEqual([])
  experts[9] = { block: 1, largest: 29 } // above P99.5, below a tenth of 300
  expect(found([1])).toEqual([5])
  expect(superExperts([{ block: 0, largest: 0 }], new Set([0]))).toEqual([false])
})

function mixture() {
  const golden = familyCases.find(({ name }) => name === 'mixtral')
  if (!golden) throw new Error('no such case')
  const folder = writeGoldenFolder(golden)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return openNetwork(folder)
}

/** Experts' outputs and hidden states by hand, through the score's own door. */
function find(network: ReturnType<typeof mixture>, outlier: (name: string) => number) {
  const parameters = superExpertScore.params.parse({})
  const run = superExpertScore.start(network, parameters)
  const values = Object.fromEntries(
    superExpertScore.values(network, parameters).map((name) => {
      const data = new Float32Array(64).fill(0.05)
      data[7] = -outlier(name)
      return [name, { dtype: 'float32' as const, dims: [8, 8], data }]
    }),
  )
  run.see(values, { feeds: {}, size: 1, targets: null })
  const context = { progress: () => undefined, notify: () => undefined }
  return run.finish({ network, dataset: null, samples: 1, device: 'cpu', seed: 0, context })
}

test('an expert with a rare outlier behind which the hidden state is massive is listed', async () => {
  const network = mixture()
  const experts = network.layers.filter(({ role, expert }) => role === 'down' && expert !== undefined)
  const chosen = experts.find(({ block, expert }) => block === 0 && expert === 1)?.name.replace('.weight', '') ?? ''
  const outputs = superExpertScore.values(network, superExpertScore.params.parse({}))
  const isExpert = (name: string) => experts.some((layer) => name.startsWith(layer.name.replace('.weight', '')))
  const states = outputs.filter((name) => !isExpert(name))
  const found = await find(network, (name) => (name.startsWith(chosen) ? 900 : isExpert(name) ? 0.1 : name === states[0] ? 1 : 600)) // prettier-ignore
  expect(found.values.length).toBe(experts.length)
  expect(found.notes?.[0]).toContain('0/1')
  expect(found.values.filter(({ parts }) => parts?.['super expert'] === 1).map(({ key }) => key)).toEqual(['0/1'])
  const calm = await find(network, (name) => (name.startsWith(chosen) ? 900 : 0.1))
  expect(calm.notes?.[0]).toBe(
    'No super experts: no block forms massive activations. The largest output is that of 0/1 (block/expert).',
  )
  expect(() => find(network, (name) => (name.startsWith(chosen) ? NaN : 1))).toThrow('expert 0/1 have NaN')
})

test('a mixture of experts from its folder, in the common pass', async () => {
  const network = mixture()
  const batches = [0, 1].map((index) => {
    const data = BigInt64Array.from({ length: 24 }, (_, i) => BigInt((i * 7 + index) % 11))
    return { feeds: { input_ids: { dtype: 'int64' as const, dims: [2, 12], data } }, size: 2, targets: null }
  })
  const part = { samples: 4, ids: () => ['a', 'b', 'c', 'd'], batches: () => batches.values() as never }
  const dataset = { ...imageData(), calibrate: part }
  const args = { network, dataset, device: 'cpu', samples: 4 } as const
  const [result] = await measureScores(args, [{ method: 'super-experts', parameters: {} }], quiet)
  expect(result?.per).toBe('expert')
  const tokens = Map.groupBy(result?.values ?? [], ({ key }) => key.split('/')[0])
  for (const own of tokens.values()) expect(own.reduce((sum, { parts }) => sum + (parts?.tokens ?? 0), 0)).toBe(96)
  expect(result?.values.some(({ value }) => value > 0)).toBe(true)
})

test.each([samples[0], ...cnns])('$name has no experts, and is told so', (model) => {
  expect(() => superExpertScore.values(openModel(model), superExpertScore.params.parse({}))).toThrow(/no mixture/)
})
