import { describe, expect, test } from 'vitest'
import { paley } from '../../../src-main/engine/kernels/hadamard-orders.ts'
import { transformRef } from '../../../src-main/engine/kernels/hadamard.ref.ts'
import {
  contractAxis,
  hadamardBlock,
  hadamardOf,
  scaleAxis,
  transform,
} from '../../../src-main/engine/kernels/hadamard.ts'
import { random as createRandom } from '../../../src-main/engine/data/random.ts'

const seed = 20261127
const random = createRandom(seed)
const floats = (length: number) => Float32Array.from({ length }, () => random.uniform() * 2 - 1)
const known = (size: number) => {
  const found = hadamardOf(size)
  if (!found) throw new Error(`no matrix of order ${size}`)
  return found
}

describe('Paley matrices', () => {
  // 20 = 19 + 1; 28 = 27 + 1 (a cube); 36, 52, 100 from 17, 25 and 49 (squares); 344 = 343 + 1 (a cube)
  test.each([4, 8, 12, 20, 24, 28, 36, 44, 52, 60, 76, 84, 100, 108, 140, 180, 344])(
    'order %i: H H^T = n I',
    (order) => {
      const h = paley(order) as Int8Array
      expect(h).not.toBeNull()
      expect(h.every((value) => value === 1 || value === -1)).toBe(true)
      expect(h.subarray(0, order).every((value) => value === 1)).toBe(true)
      for (let i = 0; i < order; i++) {
        for (let j = 0; j <= i; j++) {
          let dot = 0
          for (let k = 0; k < order; k++) dot += (h[i * order + k] as number) * (h[j * order + k] as number)
          expect(dot).toBe(i === j ? order : 0)
        }
      }
    },
  )

  test('orders that no Hadamard matrix has, or none of these', () => {
    for (const order of [2, 3, 6, 10, 92, 5000]) expect(paley(order)).toBeNull()
    expect(hadamardOf(97)).toBeNull()
    expect(hadamardOf(0)).toBeNull()
    expect(hadamardOf(2 * 7)).toBeNull()
    expect(hadamardBlock(3 * 64)).toBe(192)
    expect(hadamardBlock(2 * 7)).toBe(2)
    expect(hadamardBlock(97)).toBe(1)
  })
})

describe(`fast transform (seed ${seed})`, () => {
  const cases = [
    { size: 1, inner: 3 },
    { size: 2, inner: 1 },
    { size: 2, inner: 5 },
    { size: 8, inner: 1 },
    { size: 12, inner: 1 },
    { size: 24, inner: 7 },
    { size: 96, inner: 1 },
    { size: 96, inner: 48 },
    { size: 172 * 2, inner: 3 },
    { size: 4096, inner: 70 }, // more than one tile of columns
  ]
  test.each(cases)('bits of the plain twin: size $size, inner $inner', ({ size, inner }) => {
    const h = known(size)
    const x = floats((size > 1000 ? 1 : 3) * size * inner)
    for (const turned of [false, true]) {
      const [fast, plain] = [x.slice(), x.slice()]
      transform(fast, h, inner, turned, 0.37)
      transformRef(plain, h, inner, turned, 0.37)
      expect(fast).toEqual(plain)
    }
  })

  test.each([1, 2, 64, 96, 128, 576, 2048, 2560, 5120])('H^T H x = n x, size %i', (size) => {
    const h = known(size)
    const x = floats(2 * size)
    const back = x.slice()
    transform(back, h, 1, false, 1)
    transform(back, h, 1, true, 1 / size)
    const worst = back.reduce((most, value, i) => Math.max(most, Math.abs(value - (x[i] as number))), 0)
    expect(worst).toBeLessThan(2e-6)
  })

  test('ones become a multiple of the first unit vector', () => {
    for (const size of [64, 96, 2560]) {
      const ones = new Float32Array(size).fill(1)
      transform(ones, known(size), 1, false, 1)
      expect(ones[0]).toBe(size)
      expect(ones.subarray(1).every((value) => value === 0)).toBe(true)
    }
  })

  test('a length that is no vectors is refused', () => {
    expect(() => transform(new Float32Array(10), known(4), 1, false, 1)).toThrow(/10 numbers/)
  })
})

test(`scaling and contraction along an axis (seed ${seed})`, () => {
  for (const [count, size, inner] of [
    [3, 5, 1],
    [2, 7, 9],
    [1, 3000, 200],
  ] as const) {
    const x = floats(count * size * inner)
    const factors = floats(size)
    const at = (c: number, s: number, i: number) => x[(c * size + s) * inner + i] as number
    const scaled = x.slice()
    scaleAxis(scaled, factors, inner)
    expect(scaled).toEqual(x.map((value, i) => value * (factors[Math.floor(i / inner) % size] as number)))
    const sums = contractAxis(x, factors, inner)
    for (let c = 0; c < count; c++)
      for (let i = 0; i < inner; i++) {
        let sum = 0
        for (let s = 0; s < size; s++) sum += (factors[s] as number) * at(c, s, i)
        expect(sums[c * inner + i]).toBe(Math.fround(sum))
      }
  }
})
