import { expect, test } from 'vitest'
import { random } from '../../../../src-main/engine/data/random.ts'
import { packBits, unpackBits } from '../../../../src-main/engine/kernels/bits.ts'
import * as kernel from '../../../../src-main/engine/kernels/sparse/sparse.ts'
import * as plain from '../../../../src-main/engine/kernels/sparse/sparse.ref.ts'
import { gaussianMatrix } from '../random.ts'

const seed = 71
const sizes = [0, 1, 7, 64, 1000, 4099]

const maskOf = (n: number, share: number) => {
  const source = random(seed + n)
  return Uint8Array.from({ length: n }, () => Number(source.uniform() < share))
}

test.each(sizes)(`%i entries (seed ${seed}): kept ones out and back, as the plain twins have it`, (n) => {
  const values = gaussianMatrix(1, n, seed).data
  const codes = Uint8Array.from(values, (x) => Math.round(Math.abs(x) * 40) & 255)
  for (const share of [0, 0.03, 0.5, 1]) {
    const mask = maskOf(n, share)
    const kept = kernel.compactFloats(values, mask)
    expect([...kept]).toEqual(plain.compactReference(values, mask))
    expect([...kernel.compactCodes(codes, mask)]).toEqual(plain.compactReference(codes, mask))
    expect([...kernel.expandFloats(kept, mask)]).toEqual(plain.expandReference(kept, mask))
    const few = kernel.compactCodes(codes, mask)
    expect([...kernel.expandCodes(few, mask, 9)]).toEqual(plain.expandReference(few, mask, 9))
  }
})

test.each(sizes)("%i entries: Elias and Fano's code is the twin's and gives the mask back", (n) => {
  for (const share of [0, 0.02, 0.3, 1])
    for (const low of [1, 4, 8]) {
      const mask = maskOf(n, share)
      const kept = mask.reduce((sum, bit) => sum + bit, 0)
      const code = kernel.eliasEncode(mask, kept, low)
      const wanted = plain.eliasReference(mask, low)
      expect([...code.low]).toEqual(wanted.low)
      const bits = kernel.highBits(n, kept, low)
      const high = [...unpackBits(code.high, 1, bits)]
      expect(high).toEqual([...wanted.high, ...new Array<number>(bits - wanted.high.length).fill(0)])
      expect(kernel.eliasDecode(code.low, code.high, n, low)).toEqual(mask)
    }
})

test('a damaged code is no mask', () => {
  const mask = maskOf(1000, 0.1)
  const kept = mask.reduce((sum, bit) => sum + bit, 0)
  const { low, high } = kernel.eliasEncode(mask, kept, 3)
  expect(kernel.eliasDecode(low, high, 1000, 3)).toEqual(mask)
  expect(kernel.eliasDecode(low.slice(1), high, 1000, 3)).toBeNull()
  expect(kernel.eliasDecode(low, new Uint8Array(high.length), 1000, 3)).toBeNull()
  expect(kernel.eliasDecode(low, packBits(new Uint8Array(kept + 125).fill(1), 1), 1000, 3)).toBeNull()
  expect(kernel.eliasDecode(low.toReversed(), high, 1000, 3)).toBeNull()
})

test.each([
  [1, 1],
  [5, 3],
  [33, 70],
])('%i x %i: columns are scaled and squared as by plain loops', (rows, cols) => {
  const { data } = gaussianMatrix(rows, cols, seed)
  const factors = gaussianMatrix(1, cols, seed + 1).data
  expect(kernel.scaledColumns(data, factors)).toEqual(plain.scaledReference(data, factors))
  expect([...kernel.columnEnergies(data, cols)]).toEqual(plain.energiesReference(data, cols))
})
