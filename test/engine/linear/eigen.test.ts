import fc from 'fast-check'
import { expect, test } from 'vitest'
import { random } from '../../../src-main/engine/data/random.ts'
import { singularValues, symmetricEigen } from '../../../src-main/engine/kernels/linear/eigen.ts'
import { symmetricEigenReference } from '../../../src-main/engine/kernels/linear/eigen.ref.ts'

function symmetric(n: number, seed: number, entry = (r: () => number) => r()): Float32Array {
  const source = random(seed)
  const a = new Float32Array(n * n)
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = entry(() => source.normal())
  return a
}

/** Largest departure of V A V^T from the values, and of V V^T from the identity. */
function faults(a: Float32Array, n: number, { values, vectors }: ReturnType<typeof symmetricEigen>) {
  let [rebuilt, orthonormal] = [0, 0]
  for (let k = 0; k < n; k++) {
    const image = Float64Array.from({ length: n }, (_, i) => {
      let sum = 0
      for (let j = 0; j < n; j++) sum += (a[i * n + j] ?? 0) * (vectors[k * n + j] ?? 0)
      return sum
    })
    for (let m = 0; m < n; m++) {
      let [product, length] = [0, 0]
      for (let i = 0; i < n; i++) {
        product += (vectors[m * n + i] ?? 0) * (image[i] ?? 0)
        length += (vectors[m * n + i] ?? 0) * (vectors[k * n + i] ?? 0)
      }
      rebuilt = Math.max(rebuilt, Math.abs(product - (m === k ? (values[k] ?? 0) : 0)))
      orthonormal = Math.max(orthonormal, Math.abs(length - Number(m === k)))
    }
  }
  return { rebuilt, orthonormal }
}

test('worked out by hand: [[2, 1], [1, 2]] has 3 along (1, 1) and 1 along (1, -1)', () => {
  const { values, vectors } = symmetricEigen(Float32Array.of(2, 1, 1, 2), 2)
  expect(values[0]).toBeCloseTo(3, 14)
  expect(values[1]).toBeCloseTo(1, 14)
  const half = Math.SQRT1_2
  expect(vectors[0]).toBeCloseTo(half, 6)
  expect(vectors[1]).toBeCloseTo(half, 6)
  expect((vectors[2] ?? 0) * (vectors[3] ?? 0)).toBeCloseTo(-0.5, 6)
})

test('values are those of Jacobi rotations, vectors turn the matrix into them', () => {
  const seed = 20251127
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 14 }), fc.integer({ min: 0, max: 1e6 }), fc.boolean(), (n, draw, gaps) => {
      const a = symmetric(n, draw, (r) => (gaps && r() < 0 ? 0 : r()))
      const found = symmetricEigen(a, n)
      const scale = Math.max(...found.values.map(Math.abs), 1e-12)
      symmetricEigenReference(a, n).values.forEach((value, k) =>
        expect(Math.abs(value - (found.values[k] ?? NaN))).toBeLessThan(1e-13 * n * scale),
      )
      const { rebuilt, orthonormal } = faults(a, n, found)
      expect(rebuilt).toBeLessThan(4e-7 * n * scale)
      expect(orthonormal).toBeLessThan(4e-7 * n)
      expect(symmetricEigen(a, n, { vectors: false }).values).toEqual(found.values)
    }),
    { seed },
  )
})

test('more rotations than one batch holds, repeated values, and rank 3 of 300', () => {
  const n = 300
  const a = symmetric(n, 7)
  const found = symmetricEigen(a, n)
  const { rebuilt, orthonormal } = faults(a, n, found)
  expect(rebuilt).toBeLessThan(1e-4)
  expect(orthonormal).toBeLessThan(1e-5)
  expect(found.values.every((value, k) => k === 0 || value <= (found.values[k - 1] ?? NaN))).toBe(true)
  const identity = Float32Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0))
  expect(new Set(symmetricEigen(identity, n).values)).toEqual(new Set([1]))
  const thin = Float64Array.from({ length: 3 * n }, (_, i) => Math.sin(i * i))
  const low = Float64Array.from({ length: n * n }, (_, i) => {
    const [r, c] = [Math.floor(i / n), i % n]
    return [0, 1, 2].reduce((sum, k) => sum + (thin[k * n + r] ?? 0) * (thin[k * n + c] ?? 0), 0)
  })
  const { values } = symmetricEigen(low, n, { vectors: false })
  expect(values[2]).toBeGreaterThan(50)
  expect(Math.abs(values[3] ?? NaN)).toBeLessThan(1e-11)
})

test('zeros, nothing, one number', () => {
  expect([...symmetricEigen(new Float32Array(25), 5).values]).toEqual([0, 0, 0, 0, 0])
  expect(symmetricEigen(new Float32Array(), 0).values.length).toBe(0)
  expect([...symmetricEigen(Float32Array.of(-4), 1).vectors]).toEqual([1])
})

test('singular values by hand, wide and tall, and of weights whose squares overflow', async () => {
  // [[3, 0], [4, 5]]: W W^T = [[9, 12], [12, 41]], eigenvalues 45 and 5
  for (const scale of [1, 2 ** 70]) {
    const w = Float32Array.of(3, 0, 4, 5, 0, 0).map((x) => x * scale)
    const tall = await singularValues(w, 3, 2)
    expect((tall[0] ?? 0) / scale).toBeCloseTo(Math.sqrt(45), 5)
    expect((tall[1] ?? 0) / scale).toBeCloseTo(Math.sqrt(5), 5)
  }
  const wide = await singularValues(Float32Array.of(3, 4, 0, 0, 5, 0), 2, 3)
  expect(wide[0]).toBeCloseTo(Math.sqrt(45), 5)
  expect([...(await singularValues(new Float32Array(6), 2, 3))]).toEqual([0, 0])
})

test('numbers that are not finite are named with their place', async () => {
  const data = Float32Array.of(1, 0, NaN, 1)
  expect(() => symmetricEigen(data, 2)).toThrow('NaN at row 1, column 0')
  await expect(singularValues(data, 2, 2)).rejects.toThrow('NaN at row 1, column 0')
  await expect(singularValues(Float32Array.of(0, Infinity, 2), 1, 3)).rejects.toThrow('Infinity at row 0, column 1')
  expect(() => symmetricEigen(data, 3)).toThrow(/4 numbers/)
})
