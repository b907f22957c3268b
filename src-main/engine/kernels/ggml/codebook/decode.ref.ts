// Plain decoders of the code-book types, in ggml's order of float32 products.
import { fromHalfBits } from '../../float16.ts'
import type { Piece } from '../layout.ts'
import { ggmlTypes } from '../types.ts'
import { type CodebookType, codebookLayout } from './layout.ts'
import { iq1 } from './tables.ts'

const f = Math.fround
const halfAt = (bytes: Uint8Array, at: number) => fromHalfBits((bytes[at] as number) | ((bytes[at + 1] as number) << 8))

/** The number that the pieces make, the first in the lowest bits. */
export function take(bytes: Uint8Array, start: number, pieces: readonly Piece[]): number {
  let [value, at] = [0, 0]
  for (const [byte, shift, width] of pieces) {
    value |= (((bytes[start + byte] as number) >> shift) & (2 ** width - 1)) << at
    at += width
  }
  return value
}

/** Eight sign bits of seven: the eighth makes their number even. */
export function evenSigns(seven: number): number {
  let parity = seven
  for (const by of [4, 2, 1]) parity ^= parity >> by
  return seven | ((parity & 1) << 7)
}

export function decodeCodebook(type: CodebookType, bytes: Uint8Array): Float32Array {
  const { book, run, base, step, evenSigns: seven, word, signs, scale } = codebookLayout(type)
  const { blockBytes } = ggmlTypes[type]
  const out = new Float32Array((bytes.length / blockBytes) * 256)
  const { dims, values } = book
  for (let start = 0, at = 0; start < bytes.length; start += blockBytes) {
    const d = halfAt(bytes, start)
    for (let i = 0; i < 256; i++, at++) {
      const code = take(bytes, start, scale(Math.floor(i / run)))
      // ggml: d * (0.5 + scale) * 0.25 and the like; the factors of two do not round.
      const factor = f(d * (base + step * code))
      const entry = take(bytes, start, word(Math.floor(i / dims)))
      const stored = take(bytes, start, signs(i >> 3))
      const sign = ((seven ? evenSigns(stored) : stored) >> (i & 7)) & 1
      out[at] = factor * (values[entry * dims + (i % dims)] as number) * (sign ? -1 : 1)
    }
  }
  return out
}

/** IQ1_S | d 0-1 | words' low bytes 2-33 | 8 x ( 4 x 3 upper bits, scale 3 bits, sign of the shift ) 34-49 |
 *  weight = d * (2 scale + 1) * (value +- 1/8) */
export function decodeIq1S(bytes: Uint8Array): Float32Array {
  const out = new Float32Array((bytes.length / 50) * 256)
  for (let start = 0, at = 0; start < bytes.length; start += 50) {
    const d = halfAt(bytes, start)
    for (let i = 0; i < 256; i++, at++) {
      const high = take(bytes, start + 34 + 2 * (i >> 5), [
        [0, 0, 8],
        [1, 0, 8],
      ])
      const word = (bytes[start + 2 + (i >> 3)] as number) | (((high >> (3 * ((i >> 3) & 3))) & 7) << 8)
      const factor = f(d * (2 * ((high >> 12) & 7) + 1))
      out[at] = factor * f((iq1.values[word * 8 + (i & 7)] as number) + (high & 0x8000 ? -0.125 : 0.125))
    }
  }
  return out
}

/** IQ1_M | words' low bytes 0-31 | per two words: 3 upper bits, sign of the shift, twice 32-47 | 4 x ( 4 scales of 3 bits,
 *  a quarter of d ) 48-55 |   runs of 16 */
export function decodeIq1M(bytes: Uint8Array): Float32Array {
  const out = new Float32Array((bytes.length / 56) * 256)
  for (let start = 0, at = 0; start < bytes.length; start += 56) {
    const sixteen = (i: number) =>
      take(bytes, start + 48 + 2 * i, [
        [0, 0, 8],
        [1, 0, 8],
      ])
    const quarters = [0, 1, 2, 3].reduce((all, i) => all | ((sixteen(i) >> 12) << (4 * i)), 0)
    const d = fromHalfBits(quarters)
    for (let i = 0; i < 256; i++, at++) {
      const code = (sixteen(i >> 6) >> (3 * ((i >> 4) & 3))) & 7
      const half = ((bytes[start + 32 + (i >> 4)] as number) >> (4 * ((i >> 3) & 1))) & 15
      const word = (bytes[start + (i >> 3)] as number) | ((half & 7) << 8)
      out[at] = f(d * (2 * code + 1)) * f((iq1.values[word * 8 + (i & 7)] as number) + (half & 8 ? -0.125 : 0.125))
    }
  }
  return out
}
