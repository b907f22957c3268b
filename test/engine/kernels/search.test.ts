import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeReference } from '../../../src-main/engine/kernels/group.ref.ts'
import { chooseReference } from '../../../src-main/engine/kernels/search.ref.ts'
import { effortOf, type GridSettings, noSearch } from '../../../src-main/engine/kernels/search.ts'
import { quantizeStaged } from '../../../src-main/engine/kernels/staged.ts'
import { gaussian, gaussianMatrix, uniform } from './random.ts'

function blockOf(rows: number, cols: number, groupSize: number, seed: number, spread: number) {
  const [next, chance] = [gaussian(seed), uniform(seed + 1)]
  const groups = Math.ceil(cols / groupSize)
  return {
    rows,
    cols,
    groupSize,
    weights: fill(new Float32Array(rows * cols), () => (chance() < 0.1 ? 0 : next() * spread)),
    importance: fill(new Float32Array(cols), () => (seed % 2 ? 1 : chance())),
    codes: new Uint8Array(rows * cols),
    scales: new Float32Array(rows * groups),
    zeros: new Uint8Array(rows * groups),
  }
}

function fill(target: Float32Array, value: () => number): Float32Array {
  for (let i = 0; i < target.length; i++) target[i] = value()
  return target
}

test('the compiled search equals its plain twin bit for bit, alone and on threads', () => {
  const cases = fc.record({
    rows: fc.integer({ min: 1, max: 5 }),
    cols: fc.integer({ min: 1, max: 300 }),
    groupSize: fc.integer({ min: 1, max: 300 }),
    bits: fc.integer({ min: 2, max: 8 }),
    symmetric: fc.boolean(),
    half: fc.boolean(),
    search: fc.boolean(),
    exponent: fc.integer({ min: -9, max: 6 }),
    threads: fc.integer({ min: 1, max: 3 }),
    seed: fc.nat(1e6),
  })
  fc.assert(
    fc.property(cases, ({ rows, cols, groupSize, bits, symmetric, half, search, exponent, threads, seed }) => {
      const block = blockOf(rows, cols, Math.min(groupSize, cols), seed, 10 ** exponent)
      const effort = search ? effortOf(bits, symmetric) : noSearch
      const settings: GridSettings = { bits, symmetric, scaleType: half ? 'float16' : 'float32', effort }
      expect(quantizeStaged(settings, block, threads)).toBe(-1)
      expectReference(block, settings)
    }),
    { seed: 8, numRuns: 150 },
  )
})

test('weights at the ends of float32 equal the plain twin', () => {
  for (const exponent of [-44, -41, -39, -38, -37, -35, 36, 37])
    for (const scaleType of ['float16', 'float32'] as const)
      for (const symmetric of [true, false]) {
        const block = blockOf(2, 64, 16, 7, 10 ** exponent)
        expect(quantizeStaged({ bits: 4, symmetric, scaleType, effort: effortOf(4, symmetric) }, block, 1)).toBe(-1)
        expectReference(block, { bits: 4, symmetric, scaleType, effort: effortOf(4, symmetric) })
      }
})

test('rows of thousands, whose sums are taken in runs, equal the plain twin', () => {
  for (const [bits, symmetric] of [
    [2, true],
    [4, false],
    [6, true],
    [8, false],
  ] as const) {
    const block = blockOf(3, 2600, 2600, 7, 0.02)
    const settings: GridSettings = { bits, symmetric, scaleType: 'float16', effort: effortOf(bits, symmetric) }
    expect(quantizeStaged(settings, block, 1)).toBe(-1)
    expectReference(block, settings)
  }
})

function expectReference(block: ReturnType<typeof blockOf>, settings: GridSettings) {
  const { rows, cols, groupSize, weights, importance } = block
  const groups = Math.ceil(cols / groupSize)
  for (let r = 0; r < rows; r++)
    for (let g = 0; g < groups; g++) {
      const [from, to] = [g * groupSize, Math.min((g + 1) * groupSize, cols)]
      const x = weights.slice(r * cols + from, r * cols + to)
      const { scale, zero } = chooseReference(x, importance.slice(from, to), settings)
      expect([block.scales[r * groups + g], block.zeros[r * groups + g]]).toEqual([scale, zero])
      const codes = block.codes.slice(r * cols + from, r * cols + to)
      if (scale === 0) expect(codes.every((code) => code === zero)).toBe(true)
      else expect(codes).toEqual(encodeReference(x, scale, { zero, top: 2 ** settings.bits - 1 }))
    }
}

test('a large block gives the same bytes on 1, 2, 3 and 4 threads', () => {
  const { data } = gaussianMatrix(512, 640, 5)
  const settings: GridSettings = { bits: 3, symmetric: false, scaleType: 'float16', effort: effortOf(3, false) }
  const runs = [1, 2, 3, 4].map((threads) => {
    const block = blockOf(512, 640, 64, 1, 1)
    block.weights.set(data)
    expect(quantizeStaged(settings, block, threads)).toBe(-1)
    return Buffer.concat([block.codes, block.zeros, new Uint8Array(new Float32Array(block.scales).buffer)])
  })
  expect(runs.slice(1).every((run) => run.equals(runs[0] as Buffer))).toBe(true)
  expect(new Set(runs[0]).size).toBeGreaterThan(8)
})

test.each([NaN, Infinity, -Infinity])('%d is found, whichever thread meets it', (value) => {
  for (const threads of [1, 3]) {
    const block = blockOf(400, 333, 50, 4, 1)
    block.weights[321 * 333 + 17] = value
    const settings: GridSettings = { bits: 4, symmetric: true, scaleType: 'float16', effort: noSearch }
    expect(quantizeStaged(settings, block, threads)).toBe(321 * 333 + 17)
  }
})
