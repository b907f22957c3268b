import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toFloat32 } from '../../../src-main/engine/checkpoint/convert.ts'
import {
  codeRows,
  feedbackBlock,
  levelBlock,
  packTrits,
  smallFloat,
  toSmallFloat,
  unpackTrits,
} from '../../../src-main/engine/kernels/levels.ts'
import type { LevelScale, LevelSet, LevelSettings } from '../../../src-main/engine/kernels/levels-job.ts'
import { nearestFloat, nearestLevel, scaleReference } from '../../../src-main/engine/kernels/levels.ref.ts'
import { sharedBytes, sharedFloats } from '../../../src-main/engine/kernels/pool.ts'
import { nf4Levels } from '../../../src-main/engine/quantize/codings/nf4.ts'
import { shiftLevels } from '../../../src-main/engine/quantize/codings/denseshift.ts'
import { luqLevels } from '../../../src-main/engine/quantize/codings/luq.ts'
import { gaussian, uniform } from './random.ts'

const sets: LevelSet[] = [
  nf4Levels.set,
  shiftLevels(3, false).set,
  shiftLevels(4, false).set,
  ...([1, 1.58, 2] as const).map((bits) => luqLevels(bits).set),
  ...(['float4e2m1', 'float8e4m3fn', 'float8e5m2'] as const).map(smallFloat),
]
const kinds: LevelScale[] = ['float16', 'float32', 'power-of-two', 'float8e8m0', 'float8e4m3fn']

/** The value of each code of a set. */
function valuesOf(set: LevelSet): Map<number, number> {
  if (set.kind === 'table') return new Map(set.codes.map((code, k) => [code, Math.fround(set.levels[k] as number)]))
  const bits = set.signBit + 1
  const [type, codes] = bits === 4 ? (['float4e2m1', 16] as const) : [set.mantissa === 3 ? 'float8e4m3fn' as const : 'float8e5m2' as const, 256] // prettier-ignore
  const bytes = Uint8Array.from({ length: codes }, (_, code) => code)
  const values = toFloat32(
    bits === 4 ? Uint8Array.from({ length: 8 }, (_, i) => 2 * i + 16 * (2 * i + 1)) : bytes,
    type,
  )
  return new Map([...values].map((value, code) => [code, value]))
}

test('the compiled search equals its plain twin bit for bit, on any number of threads', () => {
  const cases = fc.record({
    rows: fc.integer({ min: 1, max: 4 }),
    cols: fc.integer({ min: 1, max: 150 }),
    groupSize: fc.integer({ min: 1, max: 150 }),
    set: fc.constantFrom(...sets),
    scale: fc.constantFrom(...kinds),
    search: fc.boolean(),
    exponent: fc.integer({ min: -8, max: 5 }),
    threads: fc.integer({ min: 1, max: 3 }),
    seed: fc.nat(1e6),
  })
  fc.assert(
    fc.property(cases, ({ rows, cols, groupSize, set, scale, search, exponent, threads, seed }) => {
      const [next, chance] = [gaussian(seed), uniform(seed + 1)]
      const size = Math.min(groupSize, cols)
      const groups = Math.ceil(cols / size)
      const weights = sharedFloats(rows * cols)
      weights.forEach((_, i) => (weights[i] = chance() < 0.1 ? 0 : next() * 10 ** exponent))
      const importance = Float32Array.from({ length: cols }, () => (seed % 2 ? 1 : chance()))
      const [codes, scales] = [sharedBytes(rows * cols), sharedFloats(rows * groups)]
      const divisor = scale === 'float8e4m3fn' ? Math.fround(40 / 10 ** exponent) : 1
      const factors = !search ? [] : scale === 'power-of-two' || scale === 'float8e8m0' ? [2, 0.5, 0.25] : [0.6, 0.8, 0.9, 1.2, -0.7] // prettier-ignore
      const settings: LevelSettings = { set, scale, divisor, factors, rounds: 3 }
      expect(levelBlock(settings, { rows, cols, groupSize: size, weights, importance, codes, scales }, threads)).toBe(
        -1,
      )
      const values = valuesOf(set)
      for (let r = 0; r < rows; r++)
        for (let g = 0; g < groups; g++) {
          const [from, to] = [g * size, Math.min((g + 1) * size, cols)]
          const x = weights.slice(r * cols + from, r * cols + to)
          const wanted = scaleReference(x, importance.slice(from, to), settings)
          expect(scales[r * groups + g]).toBe(wanted)
          const found = [...codes.slice(r * cols + from, r * cols + to)].map((code) => values.get(code))
          if (wanted !== 0)
            expect(found).toEqual([...x].map((value) => nearestLevel(Math.fround(value / wanted), set) + 0))
        }
    }),
    { seed: 11, numRuns: 200 },
  )
})

test.each(['float8e4m3fn', 'float8e5m2', 'float4e2m1'] as const)(
  '%s: every number comes back, halves go to even, and what is too large saturates',
  (type) => {
    const set = smallFloat(type) as LevelSet & { kind: 'float' }
    const numbers = [...valuesOf(set).entries()].filter(([, value]) => Number.isFinite(value))
    const exact = Float32Array.from(numbers, ([, value]) => value)
    expect([...toSmallFloat(exact, type)]).toEqual(numbers.map(([code]) => (code === 1 << set.signBit ? 0 : code)))
    const rising = [...new Set(exact.map((value) => value + 0))].sort((a, b) => a - b)
    const between = rising.slice(1).map((value, i) => (value + (rising[i] as number)) / 2)
    const near = between.flatMap((value) => [value, value * (1 + 2 ** -20), value * (1 - 2 ** -20)])
    const tried = Float32Array.from([...near, 1e9, -1e9, set.top * 1.01, 3e-39, -3e-39])
    const values = new Map(numbers)
    const found = [...toSmallFloat(tried, type)].map((code) => values.get(code))
    expect(found).toEqual([...tried].map((x) => nearestFloat(x, set.mantissa, set.minExponent, set.top) + 0))
    expect(found.slice(-5, -2)).toEqual([set.top, -set.top, set.top])
  },
)

test('five codes of three levels fit a byte and come back', () => {
  const next = uniform(3)
  for (const count of [1, 4, 5, 6, 999, 1000]) {
    const codes = Uint8Array.from({ length: count }, () => Math.floor(next() * 3))
    const packed = packTrits(codes)
    expect(packed.length).toBe(Math.ceil(count / 5))
    expect(unpackTrits(packed).slice(0, count)).toEqual(codes)
  }
})

test('error feedback inside a block is the plain column loop', () => {
  const [rows, size, groupSize, groups, begin] = [5, 24, 7, 6, 8]
  const next = gaussian(4)
  const w = Float32Array.from({ length: rows * size }, () => next())
  const u = Float32Array.from({ length: size * size }, (_, i) => (i % size < Math.floor(i / size) ? 0 : 0.3 * next() + (i % size === Math.floor(i / size) ? 2 : 0))) // prettier-ignore
  const scales = Float32Array.from({ length: rows * groups }, (_, i) => (i === 9 ? 0 : 1 + 0.2 * next()))
  const settings: LevelSettings = { set: nf4Levels.set, scale: 'float16', divisor: 1, factors: [], rounds: 0 }
  const made = feedbackBlock(settings, { begin, size, rows, w, u, scales, groupSize, groups })
  const [f, left] = [Math.fround, w.slice()]
  for (let r = 0; r < rows; r++)
    for (let j = 0; j < size; j++) {
      const scale = scales[r * groups + Math.floor((begin + j) / groupSize)] as number
      const value = left[r * size + j] as number
      const level = scale === 0 ? 0 : nearestLevel(f(value / scale), nf4Levels.set)
      const error = f(f(value - f(scale * level)) / (u[j * size + j] as number))
      expect(made.errors[r * size + j]).toBe(error)
      expect(valuesOf(nf4Levels.set).get(made.codes[r * size + j] ?? -1)).toBe(level)
      for (let k = j + 1; k < size; k++)
        left[r * size + k] = f((left[r * size + k] as number) - f(error * (u[j * size + k] as number)))
    }
})

test.each([NaN, Infinity, -Infinity])('%d is found, whichever thread meets it', (value) => {
  for (const threads of [1, 3]) {
    const [weights, codes, scales] = [sharedFloats(400 * 333), sharedBytes(400 * 333), sharedFloats(400 * 7)]
    weights[321 * 333 + 17] = value
    const settings: LevelSettings = { set: nf4Levels.set, scale: 'float16', divisor: 1, factors: [0.9], rounds: 1 }
    const block = { rows: 400, cols: 333, groupSize: 50, weights, importance: new Float32Array(333).fill(1), codes, scales } // prettier-ignore
    expect(levelBlock(settings, block, threads)).toBe(321 * 333 + 17)
  }
})

test('codes under given scales, and their error', () => {
  const next = gaussian(6)
  const [rows, cols] = [3, 21]
  const weights = Float32Array.from({ length: rows * cols }, () => next())
  const importance = Float32Array.from({ length: cols }, (_, c) => c + 1)
  const [codes, scales] = [new Uint8Array(rows * cols), Float32Array.of(0.5, 0, 2)]
  const settings: LevelSettings = { set: nf4Levels.set, scale: 'float16', divisor: 1, factors: [], rounds: 0 }
  const error = codeRows(settings, { rows, cols, groupSize: cols, weights, importance, codes, scales })
  let wanted = 0
  weights.forEach((w, i) => {
    const scale = scales[Math.floor(i / cols)] as number
    const level = scale === 0 ? 0 : nearestLevel(Math.fround(w / scale), nf4Levels.set)
    expect(valuesOf(nf4Levels.set).get(codes[i] ?? -1)).toBe(level)
    if (scale !== 0) wanted += (importance[i % cols] as number) * Math.fround(w - Math.fround(scale * level)) ** 2
  })
  expect(error).toBeCloseTo(wanted, 4)
})
