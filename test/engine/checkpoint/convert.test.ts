import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  bfloatToFloat,
  floatToBfloat,
  floatToHalf,
  fromFloat32,
  halfToFloat,
  toFloat32,
} from '../../../src-main/engine/checkpoint/convert.ts'
import { faultOf } from './temporary.ts'

const every16 = Uint16Array.from({ length: 65536 }, (_, i) => i)
const isNaN16 = (bits: number) => (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0

test('every float16 survives the way to float32 and back', () => {
  const back = floatToHalf(halfToFloat(every16))
  const wrong = every16.filter((bits) => !isNaN16(bits) && back[bits] !== bits)
  expect([...wrong]).toEqual([])
  expect(every16.filter((bits) => isNaN16(bits) && !isNaN16(back[bits] ?? 0))).toHaveLength(0)
})

test('float16 has the values of IEEE 754', () => {
  const values = halfToFloat(Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x7c00, 0x8000, 0x3555))
  expect([...values]).toEqual([1, -2, 65504, 2 ** -14, 2 ** -24, Infinity, -0, 0.333251953125])
})

test('float32 -> float16 takes the nearest, ties to even', () => {
  const table = halfToFloat(every16)
  const nearest = (x: number) => {
    // Brute force over the finite non-negative codes.
    let best = 0
    for (let code = 1; code <= 0x7bff; code++) {
      const was = Math.abs((table[best] ?? 0) - x)
      const now = Math.abs((table[code] ?? 0) - x)
      if (now < was || (now === was && code % 2 === 0)) best = code
    }
    return x >= 65520 ? 0x7c00 : best
  }
  const value = fc.oneof(
    fc.float({ min: 0, max: 70000, noNaN: true }),
    fc.float({ min: 0, max: Math.fround(1e-4), noNaN: true }),
    fc.integer({ min: 0, max: 0x7bfe }).map((code) => ((table[code] ?? 0) + (table[code + 1] ?? 0)) / 2), // ties
  )
  fc.assert(
    fc.property(value, (x) => {
      expect(floatToHalf(Float32Array.of(x))[0]).toBe(nearest(Math.fround(x)))
    }),
    { numRuns: 300 },
  )
})

test('bfloat16 is the upper half of a float32, rounded to nearest even', () => {
  expect([...bfloatToFloat(Uint16Array.of(0x3f80, 0xbf80, 0x7f80, 0x4049))]).toEqual([1, -1, Infinity, 3.140625])
  const back = floatToBfloat(bfloatToFloat(every16))
  const isNaN = (bits: number) => (bits & 0x7f80) === 0x7f80 && (bits & 0x7f) !== 0
  expect(every16.filter((bits) => !isNaN(bits) && back[bits] !== bits)).toHaveLength(0)
  const words = new Uint32Array([0x3f808000, 0x3f818000, 0x3f808001, 0x7f7fffff])
  expect([...floatToBfloat(new Float32Array(words.buffer))]).toEqual([0x3f80, 0x3f82, 0x3f81, 0x7f80])
})

test('eight-bit floats have the values of their specifications', () => {
  const read = (
    dtype: 'float8e4m3fn' | 'float8e5m2' | 'float8e8m0' | 'float8e4m3fnuz' | 'float8e5m2fnuz',
    ...codes: number[]
  ) => [...toFloat32(Uint8Array.from(codes), dtype)]
  expect(read('float8e4m3fn', 0x38, 0x7e, 0x01, 0xb8, 0x7f)).toEqual([1, 448, 2 ** -9, -1, NaN])
  expect(read('float8e5m2', 0x3c, 0x7b, 0x01, 0x7c, 0xfc, 0x7d)).toEqual([1, 57344, 2 ** -16, Infinity, -Infinity, NaN])
  expect(read('float8e4m3fnuz', 0x40, 0x7f, 0x80)).toEqual([1, 240, NaN])
  expect(read('float8e5m2fnuz', 0x40, 0x7f, 0x80)).toEqual([1, 57344, NaN])
  expect(read('float8e8m0', 127, 128, 255)).toEqual([1, 2, NaN])
})

test('integers and four-bit types', () => {
  expect([...toFloat32(Uint8Array.of(0xf1, 0x07), 'int4')]).toEqual([1, -1, 7, 0])
  expect([...toFloat32(Uint8Array.of(0xf1), 'uint4')]).toEqual([1, 15])
  expect([...toFloat32(Uint8Array.of(0x72), 'float4e2m1')]).toEqual([1, 6])
  expect([...toFloat32(new Uint8Array(BigInt64Array.of(-3n, 5n).buffer), 'int64')]).toEqual([-3, 5])
  expect([...toFloat32(new Uint8Array(Float64Array.of(0.5, -2).buffer), 'float64')]).toEqual([0.5, -2])
  expect([...toFloat32(Uint8Array.of(0xff, 1), 'int8')]).toEqual([-1, 1])
})

test('reads bytes at any address', () => {
  const buffer = new Uint8Array(12)
  new DataView(buffer.buffer).setFloat32(3, 1.5, true)
  expect([...toFloat32(buffer.subarray(3, 7), 'float32')]).toEqual([1.5])
})

test('refuses types that are no numbers', () => {
  expect(faultOf(() => toFloat32(new Uint8Array(8), 'complex64')).code).toBe('unsupported')
  expect(faultOf(() => fromFloat32(new Float32Array(1), 'int8')).code).toBe('unsupported')
})
