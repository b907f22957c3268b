import { expect, test } from 'vitest'
import { inverseFactor } from '../../../src-main/engine/kernels/linear/factor.ts'
import { inverseFactorReference } from '../../../src-main/engine/kernels/linear/factor.ref.ts'
import { createHessian } from '../../../src-main/engine/kernels/linear/hessian.ts'
import { multiply } from '../../../src-main/engine/kernels/linear/multiply.ts'
import type { Hessian } from '../../../src-main/engine/kernels/linear/types.ts'
import { correlated, farthest } from './random.ts'

async function hessianOf(x: Float32Array, size: number): Promise<Hessian> {
  const builder = createHessian(size)
  await builder.add(x)
  return builder.finish()
}

const meanDiagonal = ({ data, size }: Hessian) =>
  Array.from({ length: size }, (_, i) => data[i * (size + 1)] ?? 0).reduce((sum, value) => sum + value, 0) / size

const damped = (h: Hessian, damping: number) =>
  Float64Array.from(h.data, (value, i) => value + (i % (h.size + 1) === 0 ? damping * meanDiagonal(h) : 0))

test.each([1, 2, 31, 100, 300])('U agrees with inverting and factoring again: %i inputs', async (size) => {
  const h = await hessianOf(correlated(2 * size + 10, size, size), size)
  const { data, damping, attempts, dead } = await inverseFactor(h, { damping: 0.01 })
  expect({ damping, attempts, dead: [...dead] }).toEqual({ damping: 0.01, attempts: 1, dead: [] })
  expect(farthest(data, inverseFactorReference(damped(h, 0.01), size))).toBeLessThan(2e-5)
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) if (data[i * size + j] !== 0) throw Error('not triangular') // prettier-ignore
})

test('U^T U (H + d I) is the identity over several blocks, in any order and for any number of threads', async () => {
  const size = 530
  const h = await hessianOf(correlated(2 * size, size, 7), size)
  const order = Uint32Array.from({ length: size }, (_, i) => (i * 37) % size)
  const one = await inverseFactor(h, { damping: 0.01, order, threads: 1 })
  const three = await inverseFactor(h, { damping: 0.01, order, threads: 3 })
  expect(three.data).toEqual(one.data)
  const inner = damped(h, 0.01)
  const permuted = Float32Array.from(inner, (_, i) => inner[(order[Math.floor(i / size)] ?? 0) * size + (order[i % size] ?? 0)] ?? 0) // prettier-ignore
  const square = { m: size, n: size, k: size }
  const inverse = await multiply({ ...square, a: one.data, b: one.data, transA: true })
  const product = await multiply({ ...square, a: inverse, b: permuted })
  const identity = Float32Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0))
  expect(farthest(product, identity)).toBeLessThan(2e-3)
})

test('fewer rows than inputs: damping is raised until it works, and a person hears of it', async () => {
  const size = 90
  const h = await hessianOf(correlated(10, size, 3), size)
  const notices: string[] = []
  const { damping, attempts, data } = await inverseFactor(h, { damping: 0, notify: (text) => notices.push(text) })
  expect(damping).toBeGreaterThan(0)
  expect(notices).toHaveLength(attempts - 1)
  expect(notices[0]).toMatch(/could not be factored with damping 0 \(10 calibration rows for 90 inputs\): raised to/)
  expect(data.every(Number.isFinite)).toBe(true)
})

test('inputs that are always 0 are named and stand alone', async () => {
  const size = 20
  const x = correlated(50, size, 4).map((value, i) => (i % size === 3 || i % size === 19 ? 0 : value))
  const { data, dead } = await inverseFactor(await hessianOf(x, size), { damping: 0.01 })
  expect([...dead]).toEqual([3, 19])
  for (let j = 4; j < size; j++) expect(data[3 * size + j]).toBe(0)
  expect(data[3 * size + 3]).toBeGreaterThan(0)
})

test('a Hessian of zeros counts as the identity, and a person hears of it', async () => {
  const notices: string[] = []
  const zeros = { size: 5, data: new Float32Array(25), rows: 8 }
  const { data, dead } = await inverseFactor(zeros, {
    damping: 0.01,
    layer: 'fc',
    notify: (text) => notices.push(text),
  })
  expect(notices).toEqual([
    'The Hessian of layer fc is all zeros: no calibration row reached it, so errors are not fed back.',
  ])
  expect([...dead]).toEqual([0, 1, 2, 3, 4])
  for (let i = 0; i < 25; i++) expect(data[i] !== 0).toBe(i % 6 === 0)
})

test.each([
  { at: 6, value: NaN, says: 'The Hessian of layer fc has NaN for input 1' },
  { at: 7, value: Infinity, says: 'numbers that are not finite' },
  { at: 0, value: -1, says: 'has -1 for input 0' },
])('what is not a Hessian is refused by name: $value', async ({ at, value, says }) => {
  const data = Float32Array.from({ length: 25 }, (_, i) => Number(i % 6 === 0))
  data[at] = value
  await expect(inverseFactor({ size: 5, data, rows: 8 }, { damping: 0.01, layer: 'fc' })).rejects.toThrow(says)
})

test('a matrix that no damping makes definite is refused, as is one of another size', async () => {
  const data = Float32Array.from({ length: 4 }, (_, i) => (i % 3 === 0 ? 1 : 100))
  await expect(inverseFactor({ size: 2, data, rows: 8 }, { damping: 0.01 })).rejects.toThrow('not positive definite')
  await expect(inverseFactor({ size: 3, data, rows: 8 }, { damping: 0.01 })).rejects.toThrow('expected 3 x 3')
})
