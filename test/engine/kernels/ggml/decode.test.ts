import { expect, test } from 'vitest'
import { decodeBlocks } from '../../../../src-main/engine/kernels/ggml/decode.ts'
import { decodeCodebook, decodeIq1M, decodeIq1S } from '../../../../src-main/engine/kernels/ggml/codebook/decode.ref.ts'
import { isCodebookType } from '../../../../src-main/engine/kernels/ggml/codebook/layout.ts'
import { decodeReference } from '../../../../src-main/engine/kernels/ggml/decode.ref.ts'
import { type LaidOutType, layouts } from '../../../../src-main/engine/kernels/ggml/layout.ts'
import { type GgmlType, ggmlTypes } from '../../../../src-main/engine/kernels/ggml/types.ts'
import { packReference, unpackReference } from '../../../../src-main/engine/kernels/ggml/unpack.ref.ts'
import { ggmlDequantize, ggmlQuantize, hasGgml } from '../../../helpers/ggml.ts'
import { gaussianMatrix, uniform } from '../random.ts'

const laidOut = Object.keys(layouts) as LaidOutType[]
const scalars: GgmlType[] = ['F32', 'F16', 'BF16', 'F64', 'I8', 'I16', 'I32', 'I64']
const books: GgmlType[] = ['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ3_XXS', 'IQ3_S']
const decodable: GgmlType[] = [...scalars, ...laidOut, 'TQ1_0', ...books]

function randomBytes(length: number, seed: number): Uint8Array {
  const next = uniform(seed)
  return Uint8Array.from({ length }, () => Math.floor(next() * 256))
}

function plainTwin(type: GgmlType, bytes: Uint8Array): Float32Array {
  if (type === 'IQ1_S') return decodeIq1S(bytes)
  if (type === 'IQ1_M') return decodeIq1M(bytes)
  return isCodebookType(type) ? decodeCodebook(type, bytes) : (decodeReference(type, bytes) ?? new Float32Array())
}

/** Bits, with every NaN as one. */
const bitsOf = (values: Float32Array): Uint32Array => {
  const bits = new Uint32Array(values.slice().buffer)
  values.forEach((value, i) => {
    if (Number.isNaN(value)) bits[i] = 0x7fc00000
  })
  return bits
}

test.each(decodable)('%s: random bytes decode as in the plain twin', (type) => {
  const bytes = randomBytes(ggmlTypes[type].blockBytes * 301, ggmlTypes[type].id + 1)
  const decoded = decodeBlocks(type, bytes)
  expect(bitsOf(decoded)).toEqual(bitsOf(plainTwin(type, bytes)))
  expect(new Set(decoded).size).toBeGreaterThan(30)
})

// Q8_1 has no decoder there; integers and floats of other widths need none.
const withOracle = decodable.filter((type) => !['Q8_1', 'F32', 'F64', 'I8', 'I16', 'I32', 'I64'].includes(type))
test.skipIf(!hasGgml).each(withOracle)('%s: random bytes decode to the bits that ggml gives', (type) => {
  const bytes = randomBytes(ggmlTypes[type].blockBytes * 2000, ggmlTypes[type].id + 100)
  expect(bitsOf(decodeBlocks(type, bytes))).toEqual(bitsOf(ggmlDequantize(type, bytes)))
})

const encodedThere = withOracle.filter((type) => !['Q8_K', 'F16', 'BF16', ...books].includes(type))
test.skipIf(!hasGgml).each(encodedThere)("%s: blocks of ggml's own encoder decode to its bits", (type) => {
  const { data } = gaussianMatrix(32, 1024, ggmlTypes[type].id)
  const blocks = ggmlQuantize(type, data, 1024)
  expect(bitsOf(decodeBlocks(type, blocks))).toEqual(bitsOf(ggmlDequantize(type, blocks)))
})

test.each(laidOut)('%s: every bit of a block belongs to one field (unused sums of Q8_1 and Q8_K aside)', (type) => {
  const { blockBytes } = ggmlTypes[type]
  const bytes = randomBytes(blockBytes, 7 + ggmlTypes[type].id)
  if (type === 'Q8_1') bytes.fill(0, 2, 4)
  if (type === 'Q8_K') bytes.fill(0, 260)
  expect(packReference(type, unpackReference(type, bytes))).toEqual(bytes)
})

test('64-bit integers are rounded once', () => {
  const values = BigInt64Array.of(2n ** 53n + 1n, (2n ** 62n + 2n ** 38n + 1n) as bigint, -(2n ** 62n) - 2n ** 38n, -5n)
  const decoded = decodeBlocks('I64', new Uint8Array(values.buffer))
  expect([...decoded]).toEqual([2 ** 53, 2 ** 62 + 2 ** 39, -(2 ** 62), -5])
})

test('a cut block is refused, and given memory is used', () => {
  expect(() => decodeBlocks('Q4_K', new Uint8Array(143))).toThrow(/no whole number of Q4_K blocks of 144 bytes/)
  const out = new Float32Array(40)
  expect(decodeBlocks('Q8_0', new Uint8Array(34).fill(0x3c), out).buffer).toBe(out.buffer)
  expect(out[31]).toBeGreaterThan(0)
})
