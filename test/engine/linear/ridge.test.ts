import { expect, test } from 'vitest'
import { outputError } from '../../../src-main/engine/kernels/linear/error.ts'
import { createHessian } from '../../../src-main/engine/kernels/linear/hessian.ts'
import { ridged } from '../../../src-main/engine/kernels/linear/ridge.ts'
import type { Hessian } from '../../../src-main/engine/kernels/linear/types.ts'
import { gptq } from '../../../src-main/engine/quantize/gptq.ts'
import { rowsOf } from '../../../src-main/engine/quantize/rows.ts'
import { gaussianMatrix } from '../kernels/random.ts'
import { correlated } from './random.ts'

const size = 96

async function of(data: Float32Array): Promise<Hessian> {
  const sum = createHessian(size)
  await sum.add(data)
  return sum.finish()
}

test('many rows are trusted as they are; few get their mean energy, inputs that were always 0 stay so', async () => {
  const many = await of(correlated(size * 120, size, 1))
  expect(ridged(many)).toBe(many)
  const rows = correlated(size / 2, size, 2)
  for (let r = 0; r < size / 2; r++) rows[r * size + 5] = 0
  const few = await of(rows)
  const wide = ridged(few)
  const diagonal = (h: Hessian) => Float64Array.from({ length: size }, (_, i) => h.data[i * (size + 1)] ?? 0)
  const mean = diagonal(few).reduce((sum, value) => sum + value, 0) / (size - 1)
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) {
      const added = (wide.data[i * size + j] ?? 0) - (few.data[i * size + j] ?? 0)
      expect(added).toBeCloseTo(i === j && i !== 5 ? mean : 0, 4)
    }
  const none = { size, data: new Float32Array(size * size), rows: 1 }
  expect(ridged(none)).toBe(none)
})

test('with few rows GPTQ loses less on inputs it has not seen', async () => {
  const matrix = gaussianMatrix(48, size, 3)
  const all = correlated(4000, size, 4) // seeds 3 and 4
  const [seen, unseen] = [await of(all.slice(0, 80 * size)), await of(all.slice(80 * size))]
  const lost = async (hessian: Hessian, damping: number) => {
    const parameters = gptq.params.parse({ bits: 3, groupSize: 32, damping })
    const q = await gptq.apply(rowsOf(matrix), parameters, { layer: 'fc', hessians: [hessian] })
    return (await outputError(rowsOf(matrix), q, unseen)).relative
  }
  // Told to come of many rows, nothing is added.
  const plain = await lost({ ...seen, rows: 1e9 }, 0.01)
  expect(await lost(seen, 0.01)).toBeLessThan(0.95 * plain)
})
