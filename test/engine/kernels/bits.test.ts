import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packBitsReference, unpackBitsReference } from '../../../src-main/engine/kernels/bits.ref.ts'
import { packBits, packedBytes, unpackBits } from '../../../src-main/engine/kernels/bits.ts'
import { uniform } from './random.ts'

const codesOf = (bits: number) =>
  fc.uint8Array({ maxLength: 200 }).map((codes) => codes.map((code) => code % 2 ** bits))

test.each([1, 2, 3, 4, 5, 6, 7, 8])('%i bits: pack equals its plain twin and unpack undoes it', (bits) => {
  fc.assert(
    fc.property(codesOf(bits), (codes) => {
      const packed = packBits(codes, bits)
      expect(packed.length).toBe(packedBytes(codes.length, bits))
      expect(packed).toEqual(packBitsReference(codes, bits))
      expect(unpackBits(packed, bits, codes.length)).toEqual(codes)
      expect(unpackBitsReference(packed, bits, codes.length)).toEqual(codes)
    }),
    { seed: bits },
  )
})

test('streams longer than one block join without a seam', () => {
  const next = uniform(3)
  const codes = Uint8Array.from({ length: (1 << 20) + 13 }, () => Math.floor(next() * 8))
  const packed = packBits(codes, 3)
  const seam = ((1 << 20) / 8) * 3
  expect(packed.subarray(seam)).toEqual(packBitsReference(codes.subarray(1 << 20), 3))
  expect(unpackBits(packed, 3, codes.length)).toEqual(codes)
})

test('code 0 stands in the low bits of byte 0', () => {
  expect([...packBits(Uint8Array.of(1, 2, 3), 4)]).toEqual([0x21, 0x03])
  expect([...packBits(Uint8Array.of(7, 0, 0, 0, 0, 1, 0, 7), 3)]).toEqual([0x07, 0x80, 0xe0])
})
