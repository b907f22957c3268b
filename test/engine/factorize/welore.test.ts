import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Layer, Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { toMemoryOrder, weightRows } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { evaluateNetwork } from '../../../src-main/engine/evaluate/evaluate.ts'
import { ranksAt, spectraOf, welore } from '../../../src-main/engine/factorize/welore.ts'
import { codedBytes, type CodedMatrix } from '../../../src-main/engine/quantize/codings/define.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { applyOption } from '../../../src-main/engine/quantize/options.ts'
import { options } from '../../../src-main/engine/tasks/options.ts'
import { welore as score } from '../../../src-main/engine/score/spectrum/welore.ts'
import { dataPath, hasData, skipReason } from '../../helpers/data.ts'
import { quiet } from '../score/network.ts'

const sample = join(import.meta.dirname, '../../../resources/samples/language')
const layer = (name: string, rows: number, cols: number): Layer => ({
  ...{ name, role: 'up', block: 0, shape: [cols, rows], dtype: 'float32', bytes: rows * cols * 4 },
  ...{ parameters: rows * cols, compressible: true, rows, cols, order: 'cols', op: 'MatMul' },
}) // prettier-ignore

test('worked out by hand: of two spectra cut in half, one stays whole and the other keeps one direction', () => {
  // normalised 1, 2/3, 1/3, 0 and 1, .1, .05, 0: half of all eight lie below 1/3, so the ranks are 3 and 1.
  // Rank 3 of 4 x 4 takes 24 numbers for 16 and is no low-rank component; rank 1 takes 8.
  const spectra = new Map([
    ['flat', Float64Array.of(4, 3, 2, 1)],
    ['heavy', Float64Array.of(20, 2, 1, 0)],
  ])
  const layers = [layer('flat', 4, 4), layer('other', 4, 4), layer('heavy', 4, 4)]
  expect([...ranksAt(spectra, layers, 0.5)]).toEqual([['heavy', 1]])
  // Of 16 x 4, rank 3 takes 60 numbers for 64.
  expect([...ranksAt(spectra, [layer('flat', 16, 4), layer('heavy', 4, 4)], 0.5)]).toEqual([
    ['flat', 3],
    ['heavy', 1],
  ])
})

test('a plan is offered the ranks of the score, low-rank components alone, in bytes that are exact', async () => {
  const plan = (parameters: object) =>
    options({ checkpoint: sample, format: 'safetensors', prepared: [], quantizer: null, also: [], levers: [{ method: 'welore', parameters }] } as never) // prettier-ignore
  const network = openNetwork(sample)
  const told = await score.start(network, score.params.parse({ ratio: 0.4 })).finish({ context: quiet } as never)
  const expected = new Map(told.values.map(({ key, parts }) => [key, parts]))
  const { layers } = await plan({ ratio: 0.4 })
  let factored = 0
  for (const { name, options: offered } of layers) {
    const own = offered.filter(({ method }) => method === 'welore')
    const parts = expected.get(name)
    if (parts?.['low-rank component'] !== 1) {
      expect(own, name).toEqual([])
      continue
    }
    factored++
    for (const option of own) {
      expect(option.parameters.rank, name).toBe(parts.rank)
      expect(option.id).toMatch(/^welore-40-(f16|w8|w4)$/)
    }
    const found = network.layers.find((each) => each.name === name)
    if (factored > 1 || !found || !own[0]) continue
    const made = (await applyOption(weightRows(network, found), own[0])) as CodedMatrix
    expect((own[0].bits * found.rows * found.cols) / 8).toBeCloseTo(codedBytes(made), 6)
  }
  expect(factored).toBeGreaterThan(3)
  expect(factored).toBeLessThan(layers.length)
  const ladder = (await plan({ width: 8 })).layers.flatMap(({ options: offered }) =>
    offered.filter(({ method }) => method === 'welore').map(({ id }) => id),
  )
  expect(new Set(ladder).size).toBeGreaterThan(3)
  network.source.close()
})

test('spectra that a plan would wait minutes for are refused before a weight is read', async () => {
  const layers = Array.from({ length: 20 }, (_, i) => layer(`l${i}`, 4_096, 4_096))
  const large = { name: 'large', layers } as unknown as Network
  await expect(spectraOf(large)).rejects.toMatchObject({ code: 'unsupported', hint: expect.stringContaining('svd') })
})

describe.skipIf(!hasData)(`on a real model (${skipReason} otherwise)`, () => {
  test('own ranks lose much less than one share for all, in as many numbers', async () => {
    const network = openNetwork(dataPath('stories260K'))
    const dataset = await openDataset({ path: dataPath('stories260K'), split: 'auto' }, network)
    const spectra = await spectraOf(network)
    const layers = network.layers.filter(({ name }) => spectra.has(name))
    const sizeAt = (ranks: ReadonlyMap<string, number>) =>
      layers.reduce((sum, { name, rows, cols }) => sum + Math.min(rows * cols, (ranks.get(name) ?? Infinity) * (rows + cols)), 0) // prettier-ignore
    const own = ranksAt(spectra, layers, 0.3)
    const shared = (share: number) =>
      new Map(layers.map(({ name, rows, cols }) => [name, Math.round(share * Math.min(rows, cols))]))
    const loss = async (ranks: ReadonlyMap<string, number>) => {
      const overrides = new Map<string, Float32Array>()
      for (const each of layers) {
        const rank = ranks.get(each.name) ?? Infinity
        if (rank * (each.rows + each.cols) >= each.rows * each.cols) continue
        const parameters = welore.params.parse({ rank, width: 16 })
        const made = await welore.apply(weightRows(network, each), parameters, { layer: each.name })
        overrides.set(each.name, toMemoryOrder(each, dequantize(made)))
      }
      const args = { network, dataset, part: 'evaluate', overrides, against: network, device: 'cpu', limit: 8 } as const
      return (await evaluateNetwork(args, quiet)).metrics.klDivergence?.value ?? NaN
    }
    // The smallest share whose factors take at least as many numbers.
    const share = Array.from({ length: 100 }, (_, i) => i / 100).find((at) => sizeAt(shared(at)) >= sizeAt(own)) ?? 1
    const [adaptive, uniform] = [await loss(own), await loss(shared(share))]
    console.info(`KL ${adaptive.toFixed(3)} at own ranks, ${uniform.toFixed(3)} at ${share} of each`)
    expect(adaptive).toBeLessThan(0.5 * uniform)
    network.source.close()
  })
})
