import fc from 'fast-check'
import { expect, test } from 'vitest'
import { quadraticReference } from '../../../src-main/engine/kernels/linear/error.ref.ts'
import {
  createGrid,
  feedGrid,
  type GridColumns,
  refineGrid,
  searchGrids,
} from '../../../src-main/engine/kernels/linear/columns.ts'
import { feedColumnsReference, refineColumnsReference } from '../../../src-main/engine/kernels/linear/columns.ref.ts'
import { inverseFactor } from '../../../src-main/engine/kernels/linear/factor.ts'
import { createHessian } from '../../../src-main/engine/kernels/linear/hessian.ts'
import { chooseLaneReference } from '../../../src-main/engine/kernels/linear/lane-search.ref.ts'
import { multiply } from '../../../src-main/engine/kernels/linear/multiply.ts'
import { transposeInto } from '../../../src-main/engine/kernels/linear/transpose.ts'
import { sharedFloats } from '../../../src-main/engine/kernels/pool.ts'
import { effortOf, noSearch } from '../../../src-main/engine/kernels/search.ts'
import { correlated, numbers } from './random.ts'

interface Case {
  rows: number
  cols: number
  groupSize: number
  bits: number
  symmetric: boolean
  half: boolean
}

const settingsOf = ({ bits, symmetric, half }: Case) => ({
  bits,
  symmetric,
  scaleType: half ? ('float16' as const) : ('float32' as const),
  effort: effortOf(bits, symmetric),
})
const gridOf = (c: Case): GridColumns => createGrid({ ...c, settings: settingsOf(c) })

function columnsOf(data: Float32Array, rows: number, cols: number): Float32Array {
  const out = sharedFloats(rows * cols)
  transposeInto(data, { rows, cols, stride: cols }, out, { outStride: rows })
  return out
}

const cases = fc.record({
  rows: fc.integer({ min: 1, max: 9 }),
  cols: fc.integer({ min: 1, max: 90 }),
  groupSize: fc.integer({ min: 1, max: 100 }),
  bits: fc.integer({ min: 2, max: 8 }),
  symmetric: fc.boolean(),
  half: fc.boolean(),
  seed: fc.nat(1000),
})

test('the range search in lanes agrees with its plain twin bit for bit', () => {
  fc.assert(
    fc.property(cases, fc.boolean(), ({ seed, ...c }, searched) => {
      const w = numbers(c.rows * c.cols, seed)
      const importance = numbers(c.cols, seed + 1).map((value) => value * value)
      if (seed % 4 === 0) w.fill(0, 0, c.cols) // a row of zeros
      const settings = { ...settingsOf(c), ...(searched ? {} : { effort: noSearch }) }
      const grid = createGrid({ ...c, settings })
      // Levelled over the whole, as the door does over what it searches at once: one group here.
      const groupSize = c.cols
      const whole = { ...grid, groupSize }
      searchGrids(whole, columnsOf(w, c.rows, c.cols), importance)
      const mean = importance.reduce((sum, value) => sum + value, 0) / c.cols
      const level = importance.map((value) => value / mean)
      for (let r = 0; r < c.rows; r++) {
        const truth = chooseLaneReference(w.subarray(r * c.cols, (r + 1) * c.cols), level, settings)
        expect({ scale: whole.scales[r], zero: (whole.zeros[r] ?? NaN) + 0 }).toEqual({
          ...truth,
          scale: truth.scale || 1,
        })
      }
    }),
    { seed: 41, numRuns: 150 },
  )
})

test('column loops agree with plain ones code for code: feedback, then refinement', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ seed, ...c }) => {
      const { rows, cols } = c
      const data = numbers(rows * cols, seed)
      const builder = createHessian(cols)
      await builder.add(correlated(2 * cols, cols, seed))
      const hessian = builder.finish()
      const factor = await inverseFactor(hessian, { damping: 0.01 })
      const grid = gridOf(c)
      const weights = columnsOf(data, rows, cols)
      searchGrids(grid, weights, new Float32Array(cols).fill(1))
      const twin = { ...grid, codes: new Uint8Array(rows * cols) }
      await feedGrid(grid, { weights, factor, importance: new Float32Array(cols).fill(1), search: false }, {})
      feedColumnsReference(twin, weights.slice(), factor.data)
      expect(grid.codes).toEqual(new Uint8Array(twin.codes))

      // The twin starts from the same g, which the product makes.
      const d = weights.map((w, i) => {
        const group = Math.floor(Math.floor(i / rows) / c.groupSize) * rows + (i % rows)
        return w - ((grid.codes[i] ?? 0) - (grid.zeros[group] ?? 0)) * (grid.scales[group] ?? 1)
      })
      const g = await multiply({ a: hessian.data, b: d, m: cols, n: rows, k: cols, transA: true })
      refineColumnsReference(twin, g, hessian.data)
      await refineGrid(grid, { weights, hessian, sweeps: 1, refit: false }, {})
      expect(grid.codes).toEqual(new Uint8Array(twin.codes))
    }),
    { seed: 42, numRuns: 60 },
  )
})

test('refinement with new scales never raises the error, and lowers it', async () => {
  for (const [seed, bits] of [
    [1, 2],
    [2, 3],
    [3, 4],
  ] as const) {
    const c = { rows: 10, cols: 96, groupSize: 32, bits, symmetric: seed % 2 === 0, half: true }
    const { rows, cols } = c
    const weights = columnsOf(numbers(rows * cols, seed), rows, cols)
    const builder = createHessian(cols)
    await builder.add(correlated(2 * cols, cols, seed))
    const hessian = builder.finish()
    const grid = gridOf(c)
    const importance = new Float32Array(cols).fill(1)
    searchGrids(grid, weights, importance)
    const factor = await inverseFactor(hessian, { damping: 0.01 })
    await feedGrid(grid, { weights, factor, importance, search: true }, {})
    const error = () => {
      const d = new Float32Array(rows * cols)
      for (let i = 0; i < cols; i++)
        for (let r = 0; r < rows; r++) {
          const group = Math.floor(i / c.groupSize) * rows + r
          const q = ((grid.codes[i * rows + r] ?? 0) - (grid.zeros[group] ?? 0)) * (grid.scales[group] ?? 1)
          d[r * cols + i] = (weights[i * rows + r] ?? 0) - q
        }
      return quadraticReference(d, rows, hessian.data, cols)
    }
    const scales = grid.scales.slice()
    const before = error()
    let last = before
    for (let sweep = 0; sweep < 3; sweep++) {
      await refineGrid(grid, { weights, hessian, sweeps: 1, refit: true }, {})
      expect(error()).toBeLessThanOrEqual(last * (1 + 1e-6))
      last = error()
    }
    expect(last).toBeLessThan(before)
    expect(grid.scales).not.toEqual(scales)
  }
})

test('codes, scales and zero points are the same for any number of threads', async () => {
  const c = { rows: 300, cols: 200, groupSize: 64, bits: 3, symmetric: false, half: true }
  const { rows, cols } = c
  const weights = columnsOf(numbers(rows * cols, 6), rows, cols)
  const builder = createHessian(cols)
  await builder.add(correlated(300, cols, 6))
  const hessian = builder.finish()
  const made = []
  for (const threads of [1, 2, 3, 8]) {
    const grid = gridOf(c)
    const factor = await inverseFactor(hessian, { damping: 0.01, threads })
    await feedGrid(grid, { weights, factor, importance: new Float32Array(cols).fill(1), search: true }, { threads })
    await refineGrid(grid, { weights, hessian, sweeps: 2, refit: true }, { threads })
    made.push([grid.codes, grid.scales, grid.zeros])
  }
  for (const other of made.slice(1)) expect(other).toEqual(made[0])
})
