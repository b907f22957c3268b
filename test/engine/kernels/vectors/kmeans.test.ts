import { expect, test } from 'vitest'
import { nearestReference } from '../../../../src-main/engine/kernels/vectors/kmeans.ref.ts'
import { kmeans, nearestWords } from '../../../../src-main/engine/kernels/vectors/kmeans.ts'
import { gaussian, uniform } from '../random.ts'

const normals = (length: number, seed: number) => Float32Array.from({ length }, gaussian(seed))
const errorOf = (data: Float32Array, dims: number, book: Float32Array) =>
  nearestReference(data, dims, book).distances.reduce((sum, d) => sum + d, 0)

test.each([
  [1, 1],
  [1, 7],
  [3, 5],
  [4, 256],
  [9, 30],
])('%i dimensions, %i words: equal to the plain twin, bit for bit', (dims, k) => {
  const data = normals(500 * dims, dims)
  const book = normals(k * dims, k)
  data.set(book.subarray(0, dims)) // a point on a word
  book.copyWithin(0, (k - 1) * dims) // and two words alike
  for (const threads of [1, 3]) {
    const { codes, distances } = nearestWords({ data, dims }, book, threads)
    const reference = nearestReference(data, dims, book)
    expect(new Uint32Array(codes)).toEqual(reference.codes)
    expect(new Float32Array(distances)).toEqual(reference.distances)
  }
})

test('many points on many threads', () => {
  const [data, book] = [normals(20_000 * 4, 1), normals(64 * 4, 2)]
  const one = nearestWords({ data, dims: 4 }, book, 1)
  expect(nearestWords({ data, dims: 4 }, book, 4)).toEqual(one)
})

test('well parted clusters are found, whatever the seed', () => {
  for (const seed of [1, 2, 3]) {
    const next = gaussian(seed)
    const centers = Array.from({ length: 12 }, (_, i) => [10 * i, i % 3 === 0 ? 40 : -40])
    const data = Float32Array.from(
      { length: 1200 },
      (_, i) => (centers[Math.floor(i / 100)]?.[i % 2] ?? 0) + 0.1 * next(),
    )
    expect(errorOf(data, 2, kmeans({ data, dims: 2 }, { k: 12, seed })) / 600, `seed ${seed}`).toBeLessThan(0.03)
  }
})

test('better than draws at random, the same for a seed, no word idle', () => {
  const data = normals(3000 * 4, 5)
  const book = kmeans({ data, dims: 4 }, { k: 64, seed: 9 })
  expect(kmeans({ data, dims: 4 }, { k: 64, seed: 9, threads: 3 })).toEqual(book)
  const next = uniform(6)
  const drawn = Float32Array.from({ length: 64 * 4 }, (_, i) => data[Math.floor(next() * 3000) * 4 + (i % 4)] ?? 0)
  expect(errorOf(data, 4, book)).toBeLessThan(0.8 * errorOf(data, 4, drawn))
  expect(new Set(nearestReference(data, 4, book).codes).size).toBe(64)
})

test('weights pull words to them; fewer distinct points than words, and points all alike, are no trouble', () => {
  const data = Float32Array.of(0, 1, 10, 11)
  const weights = Float32Array.of(1, 1, 1, 3)
  const book = kmeans({ data, dims: 1 }, { k: 2, weights }).toSorted()
  expect([...book]).toEqual([0.5, 10.75])
  expect(errorOf(data, 1, kmeans({ data, dims: 1 }, { k: 16 }))).toBe(0)
  expect([...kmeans({ data: new Float32Array(20).fill(3), dims: 2 }, { k: 4 })]).toEqual(Array(8).fill(3))
  data[2] = NaN
  expect(() => kmeans({ data, dims: 1 }, { k: 2 })).toThrow(/point 2 is not finite/)
})
