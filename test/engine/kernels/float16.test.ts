import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeScales,
  encodeScales,
  fromHalfBits,
  roundEven,
  roundToHalf,
  toHalfBits,
} from '../../../src-main/engine/kernels/float16.ts'

test('every float16 survives bits -> value -> bits, and rounding leaves it alone', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = fromHalfBits(bits)
    if (Number.isNaN(value)) continue
    expect(toHalfBits(value)).toBe(bits)
    if (Number.isFinite(value)) expect(roundToHalf(value)).toBe(value === 0 ? Math.sign(value) * 0 : value)
  }
})

test('rounding to float16 goes to the nearer neighbour, ties to the even one', () => {
  fc.assert(
    fc.property(fc.float({ min: -65000, max: 65000, noNaN: true }), (x) => {
      const rounded = roundToHalf(x)
      const bits = toHalfBits(Math.abs(rounded))
      const distance = Math.abs(Math.abs(x) - Math.abs(rounded))
      for (const neighbour of [bits - 1, bits + 1].filter((b) => b >= 0 && b < 0x7c00)) {
        const other = Math.abs(Math.abs(x) - fromHalfBits(neighbour))
        expect(distance).toBeLessThanOrEqual(other)
        if (distance === other) expect(bits % 2).toBe(0)
      }
    }),
    { seed: 16, numRuns: 5000 },
  )
  expect(roundToHalf(65519)).toBe(65504)
  expect(roundToHalf(65520)).toBe(Infinity)
  expect(roundToHalf(2 ** -25)).toBe(0)
  expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5].map((x) => roundEven(x) + 0)).toEqual([-2, -2, 0, 0, 2, 2])
})

test('scales survive storage in both types, also out of an unaligned view', () => {
  const scales = Float32Array.of(1, -0.5, 6.103515625e-5, 2 ** -24, 65504, 0.333251953125)
  for (const type of ['float16', 'float32'] as const) {
    const stored = encodeScales(scales, type)
    expect(stored.length).toBe(scales.length * (type === 'float16' ? 2 : 4))
    const shifted = Buffer.concat([Buffer.of(7), stored]).subarray(1)
    expect(decodeScales(shifted, type)).toEqual(scales)
  }
})
