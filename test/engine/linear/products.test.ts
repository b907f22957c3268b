import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHessian } from '../../../src-main/engine/kernels/linear/hessian.ts'
import { hessianReference } from '../../../src-main/engine/kernels/linear/hessian.ref.ts'
import { multiply } from '../../../src-main/engine/kernels/linear/multiply.ts'
import { multiplyReference } from '../../../src-main/engine/kernels/linear/multiply.ref.ts'
import { outputError } from '../../../src-main/engine/kernels/linear/error.ts'
import { quadraticReference } from '../../../src-main/engine/kernels/linear/error.ref.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { applyOption, rtnOption } from '../../../src-main/engine/quantize/options.ts'
import { rowsOf } from '../../../src-main/engine/quantize/rows.ts'
import { correlated, farthest, numbers } from './random.ts'

test('products agree with the plain twin in every form, also into the memory of c', async () => {
  const forms = fc.record({
    m: fc.integer({ min: 1, max: 40 }),
    n: fc.integer({ min: 1, max: 40 }),
    k: fc.integer({ min: 0, max: 70 }),
    transA: fc.boolean(),
    transB: fc.boolean(),
    alpha: fc.constantFrom(1, -1, 0.5),
    withC: fc.boolean(),
    seed: fc.nat(1000),
  })
  await fc.assert(
    fc.asyncProperty(forms, async ({ withC, seed, ...form }) => {
      const [a, b] = [numbers(form.m * form.k, seed), numbers(form.k * form.n, seed + 1)]
      const c = numbers(form.m * form.n, seed + 2)
      const terms = { ...form, a, b, ...(withC && { c }) }
      const truth = multiplyReference(terms)
      expect(farthest(await multiply(terms), truth)).toBeLessThan(1e-5)
      if (!withC) return
      await multiply({ ...terms, out: c })
      expect(farthest(c, truth)).toBeLessThan(1e-5)
    }),
    { seed: 31, numRuns: 60 },
  )
})

test.each([
  { m: 128, n: 512, k: 900, transA: false },
  { m: 512, n: 128, k: 900, transA: false },
  { m: 3, n: 700, k: 300, transA: false },
  { m: 128, n: 1000, k: 777, transA: true },
  { m: 30, n: 70, k: 900, transA: true },
])('a product is the same for any number of threads: $m x $n x $k, transposed $transA', async (form) => {
  const [a, b] = [numbers(form.m * form.k, 3), numbers(form.k * form.n, 4)]
  const [first, ...others] = await Promise.all(
    [1, 2, 3, 5, 8, 16].map((threads) => multiply({ ...form, a, b }, { threads })),
  )
  for (const other of others) expect(other).toEqual(first)
})

test('a matrix that does not fit its shape is refused by name', async () => {
  const [a, b] = [new Float32Array(6), new Float32Array(7)]
  await expect(multiply({ a, b, m: 2, n: 2, k: 3 })).rejects.toThrow('b has 7 numbers, not 3 x 2')
})

test.each([{ size: 1 }, { size: 33 }, { size: 600 }])(
  'a Hessian is the mean of w x x^T: $size inputs',
  async ({ size }) => {
    const rows = 40
    const x = correlated(rows, size, 5)
    const weights = Float32Array.from({ length: rows }, (_, i) => (i % 5) / 4)
    for (const w of [undefined, weights]) {
      const builder = createHessian(size)
      // Two pieces, not waited for in between: they may not trample on each other.
      const first = builder.add(x.subarray(0, 7 * size), w?.subarray(0, 7))
      await Promise.all([first, builder.add(x.subarray(7 * size), w?.subarray(7))])
      const { data, rows: counted } = builder.finish()
      expect(counted).toBe(rows)
      expect(farthest(data, hessianReference(x, size, w))).toBeLessThan(1e-5)
      for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) if (data[i * size + j] !== data[j * size + i]) throw Error('not symmetric') // prettier-ignore
    }
  },
)

test('a Hessian with nothing in it is zeros, and rows that do not fit are refused', async () => {
  expect(createHessian(3).finish()).toEqual({ size: 3, data: new Float32Array(9), rows: 0 })
  expect(() => createHessian(3).add(new Float32Array(7))).toThrow('rows do not fit')
  expect(() => createHessian(3).add(new Float32Array(6), new Float32Array(1))).toThrow('rows do not fit')
})

test('output error is the mean squared error of the outputs, for one Hessian or one a group', async () => {
  const [rows, cols, samples] = [6, 40, 50]
  const matrix = { data: numbers(rows * cols, 8), rows, cols }
  const q = await applyOption(matrix, rtnOption(3, 32))
  const xs = [correlated(samples, cols, 9), correlated(samples, cols, 19)]
  const hessians = await Promise.all(
    xs.map(async (x) => {
      const builder = createHessian(cols)
      await builder.add(x)
      return builder.finish()
    }),
  )
  const back = dequantize(q).data
  const d = matrix.data.map((w, i) => w - (back[i] ?? 0))
  const [one] = hessians
  if (!one) throw new Error('no Hessian')
  const { error, energy, relative } = await outputError(rowsOf(matrix), q, one)
  expect(error / quadraticReference(d, rows, one.data, cols)).toBeCloseTo(1, 4)
  expect(energy / quadraticReference(matrix.data, rows, one.data, cols)).toBeCloseTo(1, 4)
  expect(relative).toBe(error / energy)

  const half = (rows / 2) * cols
  const grouped = hessians.reduce(
    (sum, { data }, g) => sum + quadraticReference(d.subarray(g * half, (g + 1) * half), rows / 2, data, cols),
    0,
  )
  expect((await outputError(rowsOf(matrix), q, hessians)).error / grouped).toBeCloseTo(1, 4)
  await expect(outputError(rowsOf(matrix), q, { size: 3, data: new Float32Array(9), rows: 1 })).rejects.toThrow(
    '6 x 40',
  )
})
