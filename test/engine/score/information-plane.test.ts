import { expect, test } from 'vitest'
import { random } from '../../../src-main/engine/data/random.ts'
import { adaptiveCodes, codeEntropies, principal } from '../../../src-main/engine/score/information/compress.ts'
import {
  continuousInformation,
  digamma,
  labelInformation,
} from '../../../src-main/engine/score/information/neighbours.ts'
import { continuousInformationReference } from '../../../src-main/engine/score/information/neighbours.ref.ts'
import { informationPlane } from '../../../src-main/engine/score/information/plane.ts'
import { measure, samples } from './models.ts'
import { quiet, residualNetwork } from './network.ts'

const cloudOf = (points: readonly number[][]) => ({
  data: Float32Array.from(points.flat()),
  width: points[0]?.length ?? 0,
})

test('worked out by hand: three points on a line, k = 1', () => {
  // x = y = 0, 1, 3. Nearest in both: 1, 1, 2. Strictly nearer in x: none, none, none. So
  // I = psi(1) + psi(3) - 2 psi(1) = psi(3) - psi(1) = 1 + 1/2 nats
  const line = cloudOf([[0], [1], [3]])
  expect(continuousInformation(line, line, 1)).toBeCloseTo(1.5 / Math.LN2, 12)
  expect(digamma(4)).toBeCloseTo(1 + 1 / 2 + 1 / 3 - 0.5772156649, 9)
})

test('KSG equals its text, and finds the information of correlated normals', () => {
  const seed = 21
  const source = random(seed)
  const draw = (n: number, width: number) =>
    Array.from({ length: n }, () => Array.from({ length: width }, () => Math.fround(source.normal())))
  const [x, y] = [draw(30, 2), draw(30, 3)]
  for (const k of [1, 4])
    expect(continuousInformation(cloudOf(x), cloudOf(y), k), `seed ${seed}`).toBeCloseTo(
      continuousInformationReference(x, y, k),
      9,
    )
  // correlation 0.9: -log2(1 - 0.81) / 2 = 1.198 bits
  const first = draw(800, 1)
  const second = first.map(([a = 0]) => [0.9 * a + Math.sqrt(0.19) * source.normal()])
  expect(continuousInformation(cloudOf(first), cloudOf(second), 5)).toBeCloseTo(1.198, 0.8)
  expect(Math.abs(continuousInformation(cloudOf(first), cloudOf(draw(800, 1)), 5))).toBeLessThan(0.12)
})

test('places of their own tell the label: its entropy, in the limit', () => {
  const seed = 4
  const source = random(seed)
  const labels = Array.from({ length: 200 }, (_, row) => row % 4)
  const cloud = cloudOf(labels.map((label) => [10 * label + source.normal()]))
  expect(labelInformation(cloud, labels, 3), `seed ${seed}`).toBeCloseTo(2, 1)
  const shuffled = labels.map((_, row) => Math.floor(row / 50))
  expect(Math.abs(labelInformation(cloud, shuffled, 3))).toBeLessThan(0.15)
  expect(labelInformation(cloud, labels.map(() => -1), 3)).toBe(0) // prettier-ignore
  // Two points of each of two classes, far apart, k = 1: psi(4) + psi(1) - psi(2) - psi(1) = 1/2 + 1/3 nats
  expect(labelInformation(cloudOf([[0], [1], [50], [51]]), [0, 0, 1, 1], 3)).toBeCloseTo((1 / 2 + 1 / 3) / Math.LN2, 12)
})

test('adaptive bins by hand: equally many different values in each', () => {
  // different values 0 1 2 9: two bins {0, 1} and {2, 9}; codes 00 01 10 11 -> by rows
  const codes = adaptiveCodes(cloudOf([[0, 1], [0, 9], [2, 1], [9, 2], [0, 0]]), 2) // prettier-ignore
  expect(codes.map((code) => [...code].map((c) => c.charCodeAt(0)).join(''))).toEqual(['00', '01', '10', '11', '00'])
  // H(T) = 2/5 log2(5/2) + 3/5 log2 5 = 1.9219; labels 0 0 1 1 0: H(T | Y) = 3/5 H(2/3, 1/3) + 2/5 1 = 0.951
  const { entropy, information } = codeEntropies(codes, [0, 0, 1, 1, 0])
  expect(entropy).toBeCloseTo(1.92193, 4)
  expect(information).toBeCloseTo(1.92193 - 0.95098, 4)
  expect(codeEntropies(adaptiveCodes(cloudOf([[5], [5], [5]]), 30), [0, 1, 0])).toEqual({ entropy: 0, information: 0 })
})

test('principal components keep the distances of points that lie in a plane, and are 0 of one point', async () => {
  const points = [[1, 1, 0], [3, 3, 0], [0, 0, 2], [5, 5, 5]] // prettier-ignore
  const { data, width } = await principal(cloudOf(points), 2)
  const distance = (at: (i: number) => number[], i: number, j: number) =>
    Math.hypot(...at(i).map((x, c) => x - (at(j)[c] ?? 0)))
  const before = (i: number, j: number) => distance((r) => points[r] ?? [], i, j)
  const after = (i: number, j: number) => distance((r) => [...data.subarray(r * width, (r + 1) * width)], i, j)
  for (const [i, j] of [
    [0, 2],
    [1, 3],
    [2, 3],
  ] as const)
    // prettier-ignore
    expect(after(i, j) / after(0, 1)).toBeCloseTo(before(i, j) / before(0, 1), 4)
  expect([...(await principal(cloudOf([[2, 2], [2, 2], [2, 2]]), 2)).data]).toEqual([0, 0, 0, 0, 0, 0]) // prettier-ignore
})

test.each(samples)('every block of $name', async (model) => {
  const { result, network } = await measure(
    model,
    'information-plane',
    { points: 160 },
    model.kind === 'language' ? 4 : 160,
  )
  expect(result.values.length).toBe(network.blocks.length)
  const part = (name: string) => result.values.map(({ parts }) => parts?.[name] ?? NaN)
  const [x, y] = [part('I(X;T)'), part('I(T;Y)')]
  for (const bits of [...x, ...y]) expect(bits > -0.5 && bits < Math.log2(160) + 0.5).toBe(true)
  expect(result.values.map(({ value }) => value)).toEqual(y)
  // The first block knows more of the input than the last, which knows more of the answer.
  expect(x[0]).toBeGreaterThan(x.at(-1) ?? NaN)
  expect(y.at(-1)).toBeGreaterThan(y[0] ?? NaN)
})

test('constant activations tell nothing, and labels of one class are told', async () => {
  const network = residualNetwork()
  const parameters = informationPlane.params.parse({ points: 40 })
  const run = informationPlane.start(network, parameters)
  const source = random(2)
  const image = { dtype: 'float32' as const, dims: [40, 3, 4, 4], data: Float32Array.from({ length: 1920 }, () => source.normal()) } // prettier-ignore
  const values = Object.fromEntries(
    informationPlane
      .values(network, parameters)
      .map((name) => [name, { dtype: 'float32' as const, dims: [40, 6], data: new Float32Array(240).fill(3) }]),
  )
  run.see(values, { feeds: { image }, size: 40, targets: new Int32Array(40).fill(1) })
  const found = await run.finish({ network, dataset: null, samples: 40, device: 'cpu', seed: 0, context: quiet })
  for (const { parts } of found.values) {
    expect(parts?.['I(T;Y)']).toBe(0)
    expect(Math.abs(parts?.['I(X;T)'] ?? NaN)).toBeLessThan(0.6) // noise alone, from 40 points
  }
  expect(found.notes?.join(' ')).toMatch(/one class.*same at 0, 1, 2/)
})
