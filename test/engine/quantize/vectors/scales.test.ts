import { expect, test } from 'vitest'
import { ridged } from '../../../../src-main/engine/kernels/linear/ridge.ts'
import type { Hessian } from '../../../../src-main/engine/kernels/linear/types.ts'
import { fitScales } from '../../../../src-main/engine/quantize/pvq/scales.ts'
import { dequantize } from '../../../../src-main/engine/quantize/dequantize.ts'
import { lr2vq } from '../../../../src-main/engine/quantize/lr2vq.ts'
import { pvq } from '../../../../src-main/engine/quantize/pvq.ts'
import { rowsOf } from '../../../../src-main/engine/quantize/rows.ts'
import { gaussian, gaussianMatrix } from '../../kernels/random.ts'
import { sampleHessian } from './hessian.ts'

const [rows, size, seed] = [12, 40, 7]

/** x H y of two rows, plainly. */
function product(x: Float32Array, { data }: Hessian, y: Float32Array): number {
  let sum = 0
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) sum += (x[i] ?? 0) * (data[i * size + j] ?? 0) * (y[j] ?? 0) // prettier-ignore
  return sum
}

/** Shapes a little off the weights, at scales that are off by up to half. */
async function sample() {
  const { data: weights } = gaussianMatrix(rows, size, seed)
  const next = gaussian(seed + 1)
  const scales = Float32Array.from({ length: rows }, () => 0.05 * Math.exp(0.2 * next()))
  const values = weights.map((w) => (w + 0.01 * next()) * Math.exp(0.3 * next()))
  return { weights, values, scales, hessian: await sampleHessian(size, seed + 2) }
}

test('each scale is the least squares one under the Hessian, and no other does better', async () => {
  const { weights, values, scales, hessian } = await sample()
  const before = scales.slice()
  await fitScales(scales, weights, values, hessian, {})
  for (let r = 0; r < rows; r++) {
    const [w, v] = [weights.subarray(r * size, (r + 1) * size), values.subarray(r * size, (r + 1) * size)]
    const factor = (scales[r] ?? 0) / (before[r] ?? 1)
    expect(factor, `seed ${seed}, row ${r}`).toBeCloseTo(product(w, hessian, v) / product(v, hessian, v), 4)
    const lost = (by: number): number => {
      const rest = w.map((weight, i) => weight - by * (v[i] ?? 0))
      return product(rest, hessian, rest)
    }
    for (const other of [1, 0.97 * factor, 1.03 * factor]) expect(lost(factor)).toBeLessThanOrEqual(lost(other))
  }
})

test('rows whose codes point away from their weights, or are nothing, keep their scales', async () => {
  const { weights, values, scales, hessian } = await sample()
  values.set(weights.subarray(0, size).map((w) => -w), 0) // prettier-ignore
  values.fill(0, size, 2 * size)
  const before = scales.slice()
  await fitScales(scales, weights, values, hessian, {})
  expect([...scales.subarray(0, 2)]).toEqual([...before.subarray(0, 2)])
  expect(scales[2]).not.toBe(before[2])
})

// Stored scales are rounded to float16: to that precision the best for their codes.
test.each([
  ['pvq', pvq, { bits: 2.25 }, (seen: Hessian) => seen],
  ['lr2vq', lr2vq, {}, ridged], // chosen under what it evens out of few rows
] as const)(
  'calibrated %s stores scales that cannot be bettered for its codes',
  async (_, method, parameters, judged) => {
    const matrix = gaussianMatrix(rows, size, seed)
    const seen = await sampleHessian(size, seed + 2)
    const context = { layer: 'test', seed, hessians: [seen] }
    const hessian = judged(seen)
    const { data } = dequantize(await method.apply(rowsOf(matrix), method.params.parse(parameters) as never, context))
    for (let r = 0; r < rows; r++) {
      const [w, v] = [matrix.data.subarray(r * size, (r + 1) * size), data.subarray(r * size, (r + 1) * size)]
      expect(product(w, hessian, v) / product(v, hessian, v), `seed ${seed}, row ${r}`).toBeCloseTo(1, 3)
    }
  },
)
