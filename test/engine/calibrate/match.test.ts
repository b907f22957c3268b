import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { biasChange, type Match, targetOf } from '../../../src-main/engine/calibrate/match.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { toMemoryOrder } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import { evaluateNetwork } from '../../../src-main/engine/evaluate/evaluate.ts'
import { biasedLayers } from '../../../src-main/engine/prepare/channel-means.ts'
import { matchOriginal } from '../../../src-main/engine/prepare/match-original.ts'
import { runnable } from '../../../src-main/engine/prepare/seamed.ts'
import { readArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { quiet } from '../score/network.ts'
import { runPieces } from './run.ts'

const seed = 5
const folder = mkdtempSync(join(tmpdir(), 'lathe-match-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test(`the target undoes what happened to the inputs (seed ${seed})`, async () => {
  // x~ = A x: W x is W A^-1 x~, and where nothing happened the target is the weights.
  const { normal } = random(seed)
  const [rows, cols, count] = [3, 4, 500]
  const weight = { data: Float32Array.from({ length: rows * cols }, normal), rows, cols }
  const gains = [2, 0.5, 1, 3]
  const shifts = [0, 1, -1, 0.5]
  const x = Array.from({ length: count }, () => Array.from({ length: cols }, normal))
  const y = x.map((row) => row.map((value, c) => (gains[c] ?? 1) * value + (shifts[c] ?? 0)))
  const mean = (rowsOf: number[][]) => Float32Array.from({ length: cols }, (_, c) => rowsOf.reduce((sum, row) => sum + (row[c] ?? 0), 0) / count) // prettier-ignore
  const moments = (a: number[][], b: number[][]) => {
    const [m, n] = [mean(a), mean(b)]
    return Float32Array.from({ length: cols * cols }, (_, at) => {
      const [i, j] = [Math.floor(at / cols), at % cols]
      return (
        a.reduce((sum, row, k) => sum + ((row[i] ?? 0) - (m[i] ?? 0)) * ((b[k]?.[j] ?? 0) - (n[j] ?? 0)), 0) / count
      )
    })
  }
  const match = (now: number[][]): Match => ({
    ...{ hessian: { size: cols, data: moments(now, now), rows: count }, cross: moments(x, now), rest: null },
    ...{ mean: mean(x), meanNow: mean(now), bias: 'bias' },
  })
  const target = await targetOf(weight, match(y), 'layer')
  target.data.forEach((value, at) => {
    const [own, gain] = [weight.data[at] ?? 0, gains[at % cols] ?? 1]
    expect(Math.abs(value - own / gain)).toBeLessThan(0.16 * Math.abs(own) + 0.03) // the damping
  })
  const same = await targetOf(weight, match(x), 'layer')
  same.data.forEach((value, at) => expect(value).toBeCloseTo(weight.data[at] ?? 0, 5))
  // With the target in its place, a bias brings the means back.
  const change = await biasChange(weight, target, match(y))
  for (let r = 0; r < rows; r++) {
    const give = (w: Float32Array, m: Float32Array) =>
      m.reduce((sum, value, c) => sum + value * (w[r * cols + c] ?? 0), 0)
    expect(give(target.data, mean(y)) + (change[r] ?? 0)).toBeCloseTo(give(weight.data, mean(x)), 4)
  }
})

describe.skipIf(!hasData)('a pruned network', () => {
  test('loses much less where layers match the original', async () => {
    const network = openNetwork(dataPath('cifar10/resnet20.onnx'))
    const dataset = await openDataset({ path: dataPath('cifar10/data.yaml'), split: 'auto' }, network)
    const parameters = { pattern: 'unstructured', sparsity: 0.75, width: 32 } as const
    const option = () => ({ id: 'sparsegpt-75-w32', method: 'sparsegpt', bits: 8, parameters })
    const biases = new Map(biasedLayers(runnable(network).graph).map(({ weight, bias }) => [weight, bias]))
    const loss = async (matching?: ReadonlyMap<string, string>) => {
      const how = { samples: 32, folder, option, ...(matching && { matching }) }
      const artifacts = (await runPieces(network, dataset, how)).flatMap((piece) => piece.artifacts)
      const layers = new Map(network.layers.map((layer) => [layer.name, layer]))
      const compressed = new Map(
        artifacts.map(({ layer, path }) => {
          const [found, own] = [layers.get(layer), dequantize(readArtifact(path))]
          return [layer, found ? toMemoryOrder(found, own) : own.data]
        }),
      )
      const args = { network, dataset, samples: 32, seed: 0, device: 'cpu', compressed } as const
      const measured = matching ? ((await matchOriginal.measure?.(args, {}, quiet)) ?? null) : null
      const of = matchOriginal.apply(network, {}, { seed: 0, measured })
      const judged = { network: of, dataset, part: 'evaluate', overrides: compressed, against: network } as const
      const { metrics } = await evaluateNetwork({ ...judged, device: 'cpu', limit: 128 }, quiet)
      return metrics.klDivergence?.value ?? NaN
    }
    const [matched, plain] = [await loss(biases), await loss()]
    console.log(`KL ${matched.toFixed(3)} matched, ${plain.toFixed(3)} without`)
    expect(matched).toBeLessThan(0.5 * plain)
    network.source.close()
  }, 120_000)
})
