import fc from 'fast-check'
import { expect, test } from 'vitest'
import { gridsBlock, readBits } from '../../../src-main/engine/kernels/grids.ts'
import {
  elasticCode,
  elasticReference,
  hqqReference,
  readReference,
} from '../../../src-main/engine/kernels/grids.ref.ts'
import { roundEven, roundToHalf } from '../../../src-main/engine/kernels/float16.ts'
import { sharedBytes, sharedFloats } from '../../../src-main/engine/kernels/pool.ts'
import { gaussian, uniform } from './random.ts'

const shapes = {
  rows: fc.integer({ min: 1, max: 4 }),
  cols: fc.integer({ min: 1, max: 150 }),
  groupSize: fc.integer({ min: 1, max: 150 }),
  half: fc.boolean(),
  exponent: fc.integer({ min: -3, max: 3 }),
  threads: fc.integer({ min: 1, max: 3 }),
  seed: fc.nat(1e6),
}
type Shape = { rows: number; cols: number; groupSize: number; exponent: number; seed: number }

function blockOf({ rows, cols, groupSize, exponent, seed }: Shape) {
  const [next, chance] = [gaussian(seed), uniform(seed + 1)]
  const size = Math.min(groupSize, cols)
  const groups = Math.ceil(cols / size)
  const weights = sharedFloats(rows * cols)
  weights.forEach((_, i) => (weights[i] = chance() < 0.1 ? 0 : next() * 10 ** exponent))
  const importance = Float32Array.from({ length: cols }, () => (seed % 2 ? 1 : chance()))
  const [codes, scales, zeros] = [sharedBytes(rows * cols), sharedFloats(rows * groups), sharedBytes(rows * groups)]
  const each = (visit: (x: Float32Array, h: Float32Array, at: number, codes: Uint8Array) => void) => {
    for (let r = 0; r < rows; r++)
      for (let g = 0; g < groups; g++) {
        const [from, to] = [g * size, Math.min((g + 1) * size, cols)]
        const [a, b] = [r * cols + from, r * cols + to]
        visit(weights.slice(a, b), importance.slice(from, to), r * groups + g, codes.slice(a, b))
      }
  }
  return { rows, cols, groupSize: size, weights, importance, codes, scales, zeros, each }
}

test('half-quadratic search equals its plain twin bit for bit, and its norm is never above where it began', () => {
  const cases = fc.record({ ...shapes, bits: fc.integer({ min: 2, max: 8 }), reach: fc.integer({ min: 0, max: 1 }), power: fc.constantFrom(2 as const, 3 as const), most: fc.constantFrom(1, 1.2, Infinity) }) // prettier-ignore
  fc.assert(
    fc.property(cases, ({ bits, reach, power, most, half, threads, ...shape }) => {
      const { each, ...block } = blockOf(shape)
      const settings = { search: 'hqq' as const, bits, half, reach, power, most, beta: 4, kappa: 1.2, rounds: 6 }
      block.scales.forEach((_, i) => (block.scales[i] = roundToHalf((10 ** shape.exponent * 3) / 2 ** bits) * (i % 3 === 0 ? -1 : 1))) // prettier-ignore
      block.zeros.fill(2 ** (bits - 1))
      const [scales, zeros] = [block.scales.slice(), block.zeros.slice()]
      expect(gridsBlock({ ...block, settings }, threads)).toBe(-1)
      each((x, h, at, codes) => {
        const start = [scales[at] ?? 0, zeros[at] ?? 0] as const
        const wanted = hqqReference(x, h, ...start, settings)
        expect([block.scales[at], block.zeros[at]]).toEqual([wanted.scale, wanted.zero])
        expect(wanted.loss).toBeLessThanOrEqual(hqqReference(x, h, ...start, { ...settings, rounds: 0 }).loss)
        const top = 2 ** bits - 1
        const round = (w: number) => roundEven(Math.min(top - wanted.zero, Math.max(-wanted.zero, Math.fround(w / wanted.scale)))) // prettier-ignore
        expect(codes).toEqual(Uint8Array.from(x, (w) => round(w) + wanted.zero))
      })
    }),
    { seed: 21, numRuns: 120 },
  )
})

test('the scale for all widths equals its plain twin bit for bit', () => {
  fc.assert(
    fc.property(fc.record({ ...shapes, lowest: fc.integer({ min: 2, max: 8 }) }), ({ half, threads, lowest, ...shape }) => {
      const { each, ...block } = blockOf(shape)
      const settings = { search: 'elastic' as const, half, lowest, factors: [0.9, -1, 0.7, -0.6] }
      expect(gridsBlock({ ...block, settings }, threads)).toBe(-1)
      each((x, h, at, codes) => {
        const scale = elasticReference(x, h, settings)
        expect(block.scales[at]).toBe(scale)
        expect(codes).toEqual(Uint8Array.from(x, (w) => elasticCode(w, scale)))
      })
    }),
    { seed: 22, numRuns: 80 },
  ) // prettier-ignore
})

test('every width reads its highest bits, rounded by the next one', () => {
  const codes = Uint8Array.from({ length: 256 }, (_, code) => code)
  for (let bits = 2; bits <= 8; bits++)
    expect(readBits(codes, bits)).toEqual(codes.map((code) => readReference(code, bits)))
  expect(readBits(codes, 8)).toEqual(codes)
})

test.each([NaN, Infinity])('%d is found, whichever thread meets it', (value) => {
  for (const threads of [1, 3]) {
    const { each: _, ...block } = blockOf({ rows: 400, cols: 333, groupSize: 50, exponent: 0, seed: 1 })
    block.weights[321 * 333 + 17] = value
    const settings = { search: 'elastic' as const, half: true, lowest: 2, factors: [] }
    expect(gridsBlock({ ...block, settings }, threads)).toBe(321 * 333 + 17)
  }
})
