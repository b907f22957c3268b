import { expect, test } from 'vitest'
import { symmetricEigen } from '../../../../src-main/engine/kernels/vectors/eigen.ts'
import { topEigenvectors } from '../../../../src-main/engine/kernels/vectors/subspace.ts'
import { gaussian } from '../random.ts'

/** B B^T of b [n, rank]. */
function gram(n: number, rank: number, seed: number): Float64Array {
  const b = Float64Array.from({ length: n * rank }, gaussian(seed))
  return Float64Array.from({ length: n * n }, (_, at) => {
    let sum = 0
    for (let k = 0; k < rank; k++) sum += (b[Math.floor(at / n) * rank + k] ?? 0) * (b[(at % n) * rank + k] ?? 0)
    return sum
  })
}

const timesFor = (a: Float64Array, n: number) => (x: Float32Array, width: number) =>
  Promise.resolve(
    Float32Array.from({ length: n * width }, (_, at) => {
      let sum = 0
      for (let k = 0; k < n; k++) sum += (a[Math.floor(at / width) * n + k] ?? 0) * (x[k * width + (at % width)] ?? 0)
      return sum
    }),
  )

test.each([
  [1, 1],
  [2, 1],
  [7, 7],
  [20, 20],
  [33, 5],
])('%i inputs, rank %i: rebuilt from its eigenvectors, which are orthonormal', (n, rank) => {
  const a = gram(n, rank, n)
  const { values, vectors } = symmetricEigen(a, n)
  const scale = Math.max(...a.map(Math.abs))
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let [rebuilt, dot] = [0, 0]
      for (let k = 0; k < n; k++) {
        rebuilt += (values[k] ?? 0) * (vectors[k * n + i] ?? 0) * (vectors[k * n + j] ?? 0)
        dot += (vectors[i * n + k] ?? 0) * (vectors[j * n + k] ?? 0)
      }
      expect(Math.abs(rebuilt - (a[i * n + j] ?? 0))).toBeLessThan(1e-12 * scale)
      expect(Math.abs(dot - Number(i === j))).toBeLessThan(1e-12)
    }
  values.slice(1).forEach((value, i) => expect(value).toBeLessThanOrEqual(values[i] ?? 0))
  expect(values.slice(rank).every((value) => Math.abs(value) < 1e-12 * scale)).toBe(true)
})

test('a diagonal with equal values, and zeros', () => {
  expect([...symmetricEigen([2, 0, 0, 0, 2, 0, 0, 0, 5], 3).values]).toEqual([5, 2, 2])
  expect([...symmetricEigen(new Float64Array(9), 3).values]).toEqual([0, 0, 0])
})

test('the subspace of a matrix of low rank is found to rounding, and columns are orthonormal', async () => {
  const [n, rank] = [90, 6]
  const a = gram(n, rank, 3)
  const { values, vectors } = await topEigenvectors(n, rank, timesFor(a, n))
  const exact = symmetricEigen(a, n).values
  values.forEach((value, k) => expect(value / (exact[k] ?? 1)).toBeCloseTo(1, 5))
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let rebuilt = 0
      for (let k = 0; k < rank; k++)
        rebuilt += (values[k] ?? 0) * (vectors[i * rank + k] ?? 0) * (vectors[j * rank + k] ?? 0)
      expect(Math.abs(rebuilt - (a[i * n + j] ?? 0))).toBeLessThan(1e-4 * (exact[0] ?? 1))
    }
  for (let p = 0; p < rank; p++)
    for (let q = 0; q < rank; q++) {
      let dot = 0
      for (let i = 0; i < n; i++) dot += (vectors[i * rank + p] ?? 0) * (vectors[i * rank + q] ?? 0)
      expect(Math.abs(dot - Number(p === q))).toBeLessThan(1e-5)
    }
})

test('of full rank: nearly all the energy that this many directions can hold; more directions than there are; zeros', async () => {
  const a = gram(60, 60, 4)
  const exact = symmetricEigen(a, 60).values
  const { values } = await topEigenvectors(60, 5, timesFor(a, 60))
  const sum = (x: Float64Array) => x.slice(0, 5).reduce((total, value) => total + value, 0)
  expect(sum(values) / sum(exact)).toBeGreaterThan(0.998)
  expect((await topEigenvectors(4, 9, timesFor(gram(4, 4, 5), 4))).values.length).toBe(4)
  const none = await topEigenvectors(6, 2, timesFor(new Float64Array(36), 6))
  expect(none.vectors.every(Number.isFinite)).toBe(true)
  expect([...none.values]).toEqual([0, 0])
})
