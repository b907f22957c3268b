import { describe, expect, test } from 'vitest'
import { stageHessians, weighPiece, weightingKey, hessianKey } from '../../../src-main/engine/calibrate/stage.ts'
import { layoutOf } from '../../../src-main/engine/calibrate/layout.ts'
import type { PieceRun } from '../../../src-main/engine/calibrate/run.ts'
import { attentionValues, concentration } from '../../../src-main/engine/calibrate/tokens/concentration.ts'
import { concentrationReference } from '../../../src-main/engine/calibrate/tokens/concentration.ref.ts'
import type { Sequence } from '../../../src-main/engine/calibrate/tokens/define.ts'
import { tokenStrategies } from '../../../src-main/engine/calibrate/tokens/registry.ts'
import { strategyOf } from '../../../src-main/engine/calibrate/tokens/weigh.ts'
import { batchesOf } from '../../../src-main/engine/calibrate/batches.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import type { Batch } from '../../../src-main/engine/data/types.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { capture, distance, plainHessian, rowsIn } from './plain.ts'

const seed = Number(process.env.LATHE_SEED ?? 1)

test('concentration equals its plain twin, fillings left out', () => {
  const source = random(seed)
  for (const [heads, length] of [
    [1, 1],
    [3, 7],
    [4, 33],
  ] as const) {
    const probabilities = Float32Array.from({ length: heads * length * length }, () => source.uniform())
    const real = Float32Array.from({ length }, (_, token) => +(token === 0 || source.uniform() > 0.3))
    const expected = concentrationReference(probabilities, heads, length, (token) => real[token] !== 0)
    expect(distance(concentration(probabilities, heads, length, real), expected), `seed ${seed}`).toBeLessThan(1e-12)
  }
})

const sequence: Sequence = {
  tokens: 4,
  ids: Int32Array.of(5, 6, 5, 7),
  input: Float32Array.of(3, 4, 0, 0, 1, 0, 0, 1), // norms 5, 0, 1, 1
  output: Float32Array.of(3, 4, 0, 2, 1, 1, 0, 1), // differences 0, 2, 1, 0
  attention: Float64Array.of(4, 2, 2, 0),
  seenBy: Float64Array.of(4, 3, 2, 1),
  counts: new Map([
    [5, 10],
    [6, 2],
    [7, 6],
  ]),
}

test.each([
  ['attention', { rMin: 0.2, perQuery: 0 }, [1, 0.6, 0.6, 0.2]],
  ['attention', { rMin: 0 }, [1, 2 / 3, 1, 0]], // a causal model: 4, 3, 2 and 1 queries see them
  ['first', { n: 2, rMin: 0 }, [1, 1, 0, 0]],
  ['first-last', { n: 2, rMin: 0.5 }, [1, 0.5, 0.5, 1]],
  ['frequency', { rMin: 0 }, [0, 1, 0, 0.5]],
  ['norm', { rMin: 0 }, [1, 0, 0.2, 0.2]],
  ['difference', { rMin: 0.1 }, [0.1, 1, 0.55, 0.1]],
])('%s gives known weights', (strategy, parameters, expected) => {
  const found = strategyOf({ strategy, parameters }).apply(sequence, parameters)
  found.forEach((r, token) => expect(r).toBeCloseTo(expected[token] ?? NaN, 12))
})

test('similarity is the mean squared distance to all tokens', () => {
  const { input } = sequence
  const scores = Array.from({ length: 4 }, (_, j) => {
    let sum = 0
    for (let i = 0; i < 4; i++)
      for (let c = 0; c < 2; c++) sum += ((input?.[j * 2 + c] ?? 0) - (input?.[i * 2 + c] ?? 0)) ** 2
    return sum / 4
  })
  const [low, high] = [Math.min(...scores), Math.max(...scores)]
  const found = strategyOf({ strategy: 'similarity', parameters: {} }).apply(sequence, { rMin: 0 } as never)
  found.forEach((r, j) => expect(r).toBeCloseTo(((scores[j] ?? 0) - low) / (high - low), 10))
})

test('strategies and their parameters are checked', () => {
  expect(new Set(tokenStrategies.map(({ id }) => id)).size).toBe(tokenStrategies.length)
  expect(() => strategyOf({ strategy: 'magic', parameters: {} })).toThrow(/no token strategy "magic"/)
  expect(() => strategyOf({ strategy: 'first', parameters: { n: -1 } })).toThrow(/Token strategy first/)
})

describe.skipIf(!hasData)('on real models', () => {
  async function runOf(checkpoint: string, data: string, block: number, samples: number): Promise<PieceRun> {
    const network = openNetwork(dataPath(checkpoint))
    const dataset = await openDataset({ path: dataPath(data), split: 'auto' }, network)
    if (network.graph === null) throw new Error('no graph')
    const piece = layoutOf(network, network.graph).find((each) => each.block === block)
    if (!piece) throw new Error('no block')
    const notify = (text: string) => expect(text).toBe('')
    const begun = { ...piece, border: [] } // from the inputs: nothing was compressed
    return {
      ...{ network, graph: network.graph, dataset, samples, views: 1, device: 'cpu', notify },
      piece: begun,
      state: null,
      weights: new Map(),
    }
  }

  test('attention concentration weighs the rows of the Hessian by r^2, in a language model', async () => {
    const run = await runOf('stories260K', 'stories260K/data.yaml', 1, 6)
    const weighting = { strategy: 'attention', parameters: { rMin: 0.1, perQuery: 1 } }
    const tokens = await weighPiece(run, [weighting])
    const input = run.piece.stages[1]?.layers[0]?.input
    if (!input) throw new Error('no input')
    const wanted = { input, weighting }
    const found = (await stageHessians(run, [wanted], tokens, () => undefined)).get(hessianKey(wanted))?.[0]

    const batches: Batch[] = []
    for await (const batch of batchesOf(run.network, run.dataset, 6)) batches.push(batch)
    const [name = ''] = attentionValues(run.graph).filter((value) => value.includes('layers.1.'))
    const probabilities = await capture(run.network, name, batches)
    const values = await capture(run.network, input.value, batches)
    const rows: Float32Array[] = []
    const weights: number[] = []
    batches.forEach(({ targets }, at) => {
      const { dims = [], data } = probabilities[at] ?? {}
      const [samples = 0, heads = 0, length = 0] = dims
      const own = rowsIn(values[at]?.data as Float32Array, 64)
      for (let sample = 0; sample < samples; sample++) {
        const real = (token: number) => targets?.[sample * length + token] !== -1
        const part = (data as Float32Array).subarray(sample * heads * length ** 2, (sample + 1) * heads * length ** 2)
        const all = concentrationReference(part, heads, length, real)
        const count = all.filter((_, token) => real(token)).length
        const means = all.map((sum, token) => sum / (count - token)) // fillings are behind
        const sums = means.filter((_, token) => real(token))
        const [low, high] = [Math.min(...sums), Math.max(...sums)]
        means.forEach((sum, token) => {
          if (!real(token)) return
          rows.push(own[sample * length + token] ?? new Float32Array())
          weights.push((0.1 + (0.9 * (sum - low)) / (high - low)) ** 2)
        })
      }
    })
    expect(found?.rows).toBe(rows.length)
    expect(distance(found?.data ?? [], plainHessian(rows, 64, weights))).toBeLessThan(2e-5)
    expect(distance(found?.data ?? [], plainHessian(rows, 64))).toBeGreaterThan(0.05)
  })

  test('every strategy finds what it needs in a language model; those of activations in a vision transformer', async () => {
    const text = await runOf('stories260K', 'stories260K/data.yaml', 2, 4)
    const every = tokenStrategies.map(({ id }) => ({ strategy: id, parameters: {} }))
    const weights = await weighPiece(text, every)
    for (const weighting of every) expect(weights.get(weightingKey(weighting)), weighting.strategy).not.toBe(null)
    const image = await runOf('vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10/data.yaml', 2, 4)
    const some = ['attention', 'norm', 'difference', 'similarity'].map((strategy) => ({ strategy, parameters: {} }))
    const found = await weighPiece(image, some)
    for (const weighting of some) {
      const rows = found.get(weightingKey(weighting))
      expect(rows?.[0]?.rows, weighting.strategy).toBe(4 * 64)
      expect(rows?.[0]?.weights?.every((weight) => weight > 0 && weight <= 1)).toBe(true)
    }
  })

  test('where nothing is to be seen tokens weigh alike, and it is said', async () => {
    const run = await runOf('cifar10/resnet20.onnx', 'cifar10/data.yaml', 2, 2)
    const heard: string[] = []
    const weighting = { strategy: 'attention', parameters: {} }
    const found = await weighPiece({ ...run, notify: (text) => heard.push(text) }, [weighting])
    expect(found.get(weightingKey(weighting))).toBe(null)
    expect(heard).toEqual([expect.stringMatching(/layer1\.2: the token strategy "attention" finds nothing/)])
  })
})
