import { expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import { collect } from '../../../src-main/engine/probe/collect.ts'
import { hiddenStates, PairedSample } from '../../../src-main/engine/score/hidden.ts'
import {
  bandwidthOf,
  diffusionEntropy,
  diffusionInformation,
} from '../../../src-main/engine/score/information/diffusion.ts'
import { diffusionEntropyReference } from '../../../src-main/engine/score/information/diffusion.ref.ts'
import type { Cloud } from '../../../src-main/engine/score/information/geometry.ts'
import { dse } from '../../../src-main/engine/score/information/dse.ts'
import { measure, samples } from './models.ts'
import { quiet, residualNetwork } from './network.ts'

/** Shannon entropy in bits of points whose coordinates are cut into `bins` each between their extremes: what DSE is compared
 *  with (Liao et al., "classic Shannon entropy"; Tishby and Zaslavsky 2015). At most log2 n. */
function binnedEntropy({ data, width }: Cloud, bins: number): number {
  const n = width === 0 ? 0 : data.length / width
  const low = new Float64Array(width).fill(Infinity)
  const high = new Float64Array(width).fill(-Infinity)
  for (let i = 0; i < data.length; i++) {
    low[i % width] = Math.min(low[i % width] as number, data[i] as number)
    high[i % width] = Math.max(high[i % width] as number, data[i] as number)
  }
  const counts = new Map<string, number>()
  for (let r = 0; r < n; r++) {
    let code = ''
    for (let c = 0; c < width; c++) {
      const range = (high[c] as number) - (low[c] as number)
      const place = range > 0 ? ((data[r * width + c] as number) - (low[c] as number)) / range : 0
      code += String.fromCharCode(Math.min(bins - 1, Math.floor(place * bins)))
    }
    counts.set(code, (counts.get(code) ?? 0) + 1)
  }
  let entropy = 0
  for (const count of counts.values()) entropy -= (count / n) * Math.log2(count / n)
  return Math.max(0, entropy)
}

const cloudOf = (points: readonly number[][]): Cloud => ({
  data: Float32Array.from(points.flat()),
  width: points[0]?.length ?? 0,
})

test('worked out by hand: two points at distance d have eigenvalues 1 and (1 - g) / (1 + g), g = exp(-d^2 / 2 sigma^2)', async () => {
  // g = exp(-1/2) = 0.60653: second eigenvalue 0.24492; shares 0.80327, 0.19673; entropy 0.7154 bits
  const entropy = await diffusionEntropy(cloudOf([[0], [1]]), { sigma: 1, t: 1 })
  expect(entropy).toBeCloseTo(0.7154, 3)
  // k clusters far apart: log2 k, whatever their sizes
  const apart = [0, 0, 0, 100, 100, 200, 200, 200, 200, 300].map((x) => [x, -x])
  expect(await diffusionEntropy(cloudOf(apart), { sigma: 1, t: 3 })).toBeCloseTo(2, 6)
})

test('equals the definitions on random points', async () => {
  const seed = 17
  const source = random(seed)
  for (const [n, width, sigma, t] of [
    [5, 2, 1, 1],
    [12, 3, 0.7, 2],
    [20, 7, 2, 1],
  ] as const) {
    // prettier-ignore
    const points = Array.from({ length: n }, () => Array.from({ length: width }, () => 50 + Math.fround(source.normal())))
    const found = await diffusionEntropy(cloudOf(points), { sigma, t })
    expect(found, `seed ${seed}`).toBeCloseTo(diffusionEntropyReference(points, sigma, t), 3)
  }
})

test('constant activations, one point: no entropy; bins by hand', async () => {
  expect(await diffusionEntropy(cloudOf([[3, 3], [3, 3], [3, 3]]), { sigma: 0, t: 1 })).toBeCloseTo(0, 9) // prettier-ignore
  const same = cloudOf(Array.from({ length: 40 }, () => [0.1, 3.7, 1e-3])) // whose mean is off by rounding
  expect(await bandwidthOf(same, 1)).toBe(0)
  expect(await diffusionEntropy(cloudOf([[1]]), { sigma: 1, t: 1 })).toBe(0)
  expect(binnedEntropy(cloudOf([[0, 0], [0.2, 0.1], [1, 0], [1, 1]]), 2)).toBe(1.5) // prettier-ignore
})

test('classes that are places of their own are known from the points, shuffled ones are not', async () => {
  const source = random(8)
  const labels = Array.from({ length: 90 }, (_, row) => row % 3)
  const cloud = cloudOf(labels.map((label) => [10 * label + source.normal(), source.normal()]))
  const diffusion = { sigma: 3, t: 2 }
  const settings = { seed: 0, repetitions: 5 }
  const { bits, classes } = await diffusionInformation(cloud, labels, diffusion, settings)
  expect(classes).toBe(3)
  expect(bits).toBeGreaterThan(1)
  const shuffled = labels.map((_, row) => Math.floor(row / 30))
  expect(Math.abs((await diffusionInformation(cloud, shuffled, diffusion, settings)).bits)).toBeLessThan(0.1)
  expect(await diffusionInformation(cloud, labels.fill(4), diffusion, settings)).toEqual({ bits: 0, classes: 1 })
})

test.each([
  ['vision sample', 'resources/samples/vision', 'resources/samples/vision', 8] as const,
  ...samples.filter(({ kind }) => kind === 'cnn').map(({ name, path, data }) => [name, path, data, 16] as const),
])('%s: noise that shifts binned entropy by a fifth moves DSE by less than 5 %%', async (_, path, data, channels) => {
  const network = openNetwork(path)
  const dataset = await openDataset({ path: data, split: 'auto' }, network)
  const first = hiddenStates(network).states[0]?.value ?? ''
  const sample = new PairedSample(256, [first], network)
  const pass = {
    network,
    part: dataset.calibrate,
    values: [first],
    device: 'cpu' as const,
    samples: 256,
    batchSize: 64,
  }
  await collect(pass, (values, batch) => sample.see(values, batch), quiet)
  // In many channels every point has bins of its own, and binned entropy is log2 n with or without noise.
  const whole = sample.rows(first)
  const cloud = { data: whole.data.filter((_, i) => i % whole.width < channels), width: channels }
  const { t, sigma } = dse.params.parse({})
  const entropyOf = async (one: Cloud) => diffusionEntropy(one, { sigma: await bandwidthOf(one, sigma), t })
  const [binned, diffused] = [binnedEntropy(cloud, 2), await entropyOf(cloud)]
  const spread = Math.sqrt(cloud.data.reduce((sum, x) => sum + x * x, 0) / cloud.data.length)
  const seed = 4
  let level = 0.01
  for (; level < 1; level *= 1.2) {
    const source = random(seed)
    const noisy = { data: cloud.data.map((x) => x + level * spread * source.normal()), width: cloud.width }
    if (binnedEntropy(noisy, 2) < 1.2 * binned) continue
    expect(Math.abs((await entropyOf(noisy)) / diffused - 1), `noise ${level}, seed ${seed}`).toBeLessThan(0.05)
    return
  }
  throw new Error(`no noise shifted the binned entropy ${binned} by a fifth`)
})

test.each(samples)('every block of $name', async (model) => {
  const { result, network } = await measure(model, 'dse', { points: 128 }, model.kind === 'language' ? 4 : 128)
  expect(result.values.length).toBe(network.blocks.length)
  const part = model.kind === 'language' ? 'DSMI with output' : 'DSMI with label'
  const information = result.values.map(({ parts }) => parts?.[part] ?? NaN)
  for (const { value } of result.values) expect(value > 0 && value <= 7).toBe(true)
  // Later blocks of a classifier tell more about the label than the first.
  if (model.kind === 'cnn') expect(information.at(-1)).toBeGreaterThan((information[0] ?? NaN) + 0.2)
  for (const bits of information) expect(Number.isFinite(bits)).toBe(true)
})

test('labels of one class are said to tell nothing', async () => {
  const network = residualNetwork()
  const parameters = dse.params.parse({})
  const run = dse.start(network, parameters)
  const source = random(1)
  const values = Object.fromEntries(
    dse.values(network, parameters).map((name) => {
      const data = Float32Array.from({ length: 40 * 6 }, () => source.normal())
      return [name, { dtype: 'float32' as const, dims: [40, 6], data }]
    }),
  )
  run.see(values, { feeds: {}, size: 40, targets: new Int32Array(40).fill(3) })
  const bench = { network, dataset: null, samples: 40, device: 'cpu' as const, seed: 0, context: quiet }
  const { notes, values: found } = await run.finish(bench)
  expect(notes?.join(' ')).toContain('one class')
  expect(found[0]?.parts?.['DSMI with label']).toBe(0)
})
