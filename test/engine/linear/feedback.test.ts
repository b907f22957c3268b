import { expect, test } from 'vitest'
import { inverseFactor } from '../../../src-main/engine/kernels/linear/factor.ts'
import { feedback } from '../../../src-main/engine/kernels/linear/feedback.ts'
import { feedbackReference } from '../../../src-main/engine/kernels/linear/feedback.ref.ts'
import { createHessian } from '../../../src-main/engine/kernels/linear/hessian.ts'
import { refine } from '../../../src-main/engine/kernels/linear/refine.ts'
import { refineReference } from '../../../src-main/engine/kernels/linear/refine.ref.ts'
import { quadraticReference } from '../../../src-main/engine/kernels/linear/error.ref.ts'
import type { Hessian } from '../../../src-main/engine/kernels/linear/types.ts'
import { correlated, numbers } from './random.ts'

// Multiples of 1/2 as the grid: coarse enough that feedback matters.
const nearest = (x: number) => Math.round(2 * x) / 2

async function layer(rows: number, cols: number) {
  const builder = createHessian(cols)
  await builder.add(correlated(3 * cols, cols, cols))
  return { weights: numbers(rows * cols, rows), hessian: builder.finish() }
}

/** GPTQ of the whole matrix through the outer loop, with a plain inner loop. */
async function round(
  { weights, hessian }: { weights: Float32Array; hessian: Hessian },
  rows: number,
  blockSize: number,
) {
  const cols = hessian.size
  const factor = await inverseFactor(hessian, { damping: 0.01 })
  const q = new Float32Array(rows * cols)
  const begins: number[] = []
  await feedback({
    weights: weights.slice(),
    rows,
    cols,
    factor,
    blockSize,
    inner(block, begin, w, u) {
      begins.push(begin)
      expect(block).toBe(begin / blockSize)
      const size = Math.sqrt(u.length)
      const e = new Float32Array(w.length)
      for (let r = 0; r < rows; r++)
        for (let i = 0; i < size; i++) {
          const at = r * size + i
          const value = nearest(w[at] ?? 0)
          q[r * cols + begin + i] = value
          e[at] = ((w[at] ?? 0) - value) / (u[i * size + i] ?? 1)
          for (let j = i + 1; j < size; j++)
            w[r * size + j] = (w[r * size + j] ?? 0) - (e[at] ?? 0) * (u[i * size + j] ?? 0)
        }
      return e
    },
  })
  expect(begins).toEqual(Array.from({ length: Math.ceil(cols / blockSize) }, (_, i) => i * blockSize))
  return { q, factor }
}

const error = (weights: Float32Array, q: ArrayLike<number>, { data, size }: Hessian) =>
  quadraticReference(
    weights.map((w, i) => w - (q[i] ?? 0)),
    weights.length / size,
    data,
    size,
  )

test.each([
  { rows: 5, cols: 70, blockSize: 16 },
  { rows: 3, cols: 48, blockSize: 64 },
  { rows: 1, cols: 1, blockSize: 8 },
])(
  'blocks give what one column at a time gives: $rows x $cols in blocks of $blockSize',
  async ({ rows, cols, blockSize }) => {
    const made = await layer(rows, cols)
    const { q, factor } = await round(made, rows, blockSize)
    const truth = feedbackReference(made.weights, { rows, cols }, factor.data, (_, __, w) => nearest(w))
    const differing = q.reduce((count, value, i) => count + Number(value !== truth[i]), 0)
    expect(differing / q.length).toBeLessThan(0.01) // float32 against float64 at a rounding edge
    expect(error(made.weights, q, made.hessian)).toBeLessThanOrEqual(
      error(made.weights, made.weights.map(nearest), made.hessian),
    )
  },
)

test('refinement gives what one weight at a time gives, and never raises the error', async () => {
  const [rows, cols, blockSize] = [4, 50, 16]
  const { weights, hessian } = await layer(rows, cols)
  const start = weights.map(nearest)
  const values = start.slice()
  let last = error(weights, values, hessian)
  await refine({
    weights,
    values,
    hessian,
    rows,
    cols,
    blockSize,
    sweeps: 2,
    inner(_, __, g, h, w, q) {
      const size = Math.sqrt(h.length)
      expect(w).toHaveLength(rows * size)
      for (let r = 0; r < rows; r++)
        for (let i = 0; i < size; i++) {
          const at = r * size + i
          const change = nearest((q[at] ?? 0) + (g[at] ?? 0) / (h[i * (size + 1)] ?? 1)) - (q[at] ?? 0)
          q[at] = (q[at] ?? 0) + change
          for (let j = i + 1; j < size; j++) g[r * size + j] = (g[r * size + j] ?? 0) - change * (h[i * size + j] ?? 0)
        }
    },
    progress() {
      const now = error(weights, values, hessian)
      expect(now).toBeLessThanOrEqual(last * (1 + 1e-5))
      last = now
    },
  })
  const truth = refineReference(weights, start, { rows, cols, sweeps: 2 }, hessian.data, (_, __, x) => nearest(x))
  expect(values.reduce((count, value, i) => count + Number(value !== truth[i]), 0) / values.length).toBeLessThan(0.02)
  expect(last).toBeLessThan(error(weights, start, hessian))
})

test('weights or factors of another size are refused', async () => {
  const { hessian } = await layer(2, 10)
  const factor = await inverseFactor(hessian, { damping: 0.01 })
  const inner = (_: number, __: number, w: Float32Array) => w
  await expect(
    feedback({ weights: new Float32Array(8), rows: 2, cols: 4, factor, blockSize: 4, inner }),
  ).rejects.toThrow('another size')
})
