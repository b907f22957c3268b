import { expect, test } from 'vitest'
import { random } from '../../../src-main/engine/data/random.ts'
import { attentionWeights } from '../../../src-main/engine/score/heads/circuits.ts'
import { type Composition, compose, readingOf, writtenBy } from '../../../src-main/engine/score/heads/composition.ts'
import { talkingHeads } from '../../../src-main/engine/score/heads/talking-heads.ts'
import { cnns, measure, openModel, withAttention } from './models.ts'

/** |A B|_F / (|A|_F |B|_F) of whole matrices [n, n], written out. */
function compositionReference(a: readonly number[][], b: readonly number[][]) {
  const product = a.map((row) => (b[0] ?? []).map((_, j) => row.reduce((sum, x, k) => sum + x * (b[k]?.[j] ?? 0), 0)))
  const norm = (m: readonly number[][]) => Math.sqrt(m.flat().reduce((sum, x) => sum + x * x, 0))
  return norm(product) / (norm(a) * norm(b))
}

const at = (found: Composition[][], reading = 0): Composition =>
  found[reading]?.[0] ?? { score: NaN, component: NaN, index: -1 }

/** x^T y of x, y [size, width]. */
const outer = (x: Float32Array, y: Float32Array, size: number, width: number) =>
  Array.from({ length: width }, (_, i) =>
    Array.from({ length: width }, (_, j) => {
      let sum = 0
      for (let c = 0; c < size; c++) sum += (x[c * width + i] ?? 0) * (y[c * width + j] ?? 0)
      return sum
    }),
  )

test('worked out by hand: a head that reads just what another writes, and one that reads the rest', async () => {
  // Head 1 writes along e1 (twice) and e2 (once): W_OV = diag(2, 1, 0). |W_OV| = sqrt 5
  const written = await writtenBy(Float32Array.of(2, 0, 0, 0, 1, 0), Float32Array.of(1, 0, 0, 0, 1, 0), 2, 3)
  expect(written.norm).toBeCloseTo(Math.sqrt(5), 6)
  expect([...written.norms].map((x) => Math.round(x * 1e5) / 1e5)).toEqual([2, 1])
  const read = (right: number[]) => readingOf(Float32Array.of(1, 0, 0, 0, 0, 0), Float32Array.from(right), 2, 3)
  // reads e1: |diag(1, 0, 0) diag(2, 1, 0)| = 2, over 1 sqrt 5; its first component alone 2 / (1 2) = 1
  // reads e3: 0
  const all = await compose([await read([1, 0, 0, 0, 0, 0]), await read([0, 0, 1, 0, 0, 0])], [written], 3)
  const [first, none] = [at(all), at(all, 1)]
  expect(first.score).toBeCloseTo(2 / Math.sqrt(5), 5)
  expect([first.component, first.index].map((x) => Math.round(x * 1e5) / 1e5)).toEqual([1, 0])
  expect(none.score).toBeCloseTo(0, 5)
})

test('equals the whole matrices, for random heads; chance is 1 / sqrt(d)', async () => {
  const [size, width, seed] = [5, 24, 9]
  const source = random(seed)
  const draw = () => Float32Array.from({ length: size * width }, () => source.normal())
  let [sum, count] = [0, 0]
  for (let round = 0; round < 12; round++) {
    const [o, v, q, k] = [draw(), draw(), draw(), draw()]
    const readings = [await readingOf(q, k, size, width)]
    const found = at(await compose(readings, [await writtenBy(o, v, size, width)], width))
    const expected = compositionReference(outer(q, k, size, width), outer(o, v, size, width))
    expect(found.score / expected, `seed ${seed}`).toBeCloseTo(1, 4)
    expect(found.component).toBeGreaterThanOrEqual(found.score * 0.999)
    sum += expected
    count++
  }
  expect((sum / count) * Math.sqrt(width)).toBeCloseTo(1, 0)
})

test('heads of zeros compose with nothing', async () => {
  const zero = new Float32Array(6)
  const found = at(await compose([await readingOf(zero, zero, 2, 3)], [await writtenBy(zero, zero, 2, 3)], 3))
  expect(found).toEqual({ score: 0, component: 0, index: 0 })
})

test.each(withAttention)('heads of $name', async (model) => {
  const { result, network } = await measure(model, 'talking-heads', {})
  const heads = model.kind === 'vit' ? 3 : model.name === 'language' ? 4 : 8
  expect(result.values.length).toBe(heads * network.blocks.length)
  const [map] = result.maps ?? []
  const n = result.values.length
  map?.values.forEach((value, at) => {
    const [from, to] = [Math.floor(at / n / heads), Math.floor((at % n) / heads)]
    if (from >= to) expect(value).toBe(0)
    else expect(value).toBeGreaterThan(0)
  })
  for (const { parts } of result.values.slice(heads)) expect(parts?.['reads by Q']).toBeGreaterThan(0)
  expect(Math.max(...result.values.map(({ value }) => value))).toBeGreaterThan(1.2)
})

test('a reading of a real model is its weights: what goes in and comes out by hand', () => {
  const network = openModel(withAttention[0] as never)
  const weights = attentionWeights(network).attentions[1]?.()
  const head = weights?.head(3) // shares key head 1 with head 2
  const again = weights?.head(2)
  expect(head?.v).toEqual(again?.v)
  expect(head?.k).toEqual(again?.k)
  expect(head?.q).not.toEqual(again?.q)
  expect(head?.o).not.toEqual(again?.o)
})

test.each(cnns)('$name has no heads, and is told so', async (model) => {
  const run = talkingHeads.start(openModel(model), talkingHeads.params.parse({}))
  const context = { progress: () => undefined, notify: () => undefined }
  const bench = { network: openModel(model), dataset: null, samples: 1, device: 'cpu' as const, seed: 0, context }
  await expect(async () => run.finish(bench)).rejects.toThrow(/fewer than two attentions/)
})
