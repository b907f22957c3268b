// Codes in 32-bit words. Read as one little-endian bit stream of a line of words, code i takes bits [i * bits, (i + 1) * bits):
//
//   bits = 4    word 0   | 31..28 27..24 23..20 19..16 15..12 11..8 7..4 3..0 |
//                        |   c7     c6     c5     c4     c3    c2   c1   c0   |
//   bits = 3    word 0   | c10 low 2 | c9 .. c0 |   word 1 | c21 low 1 | c20 .. c11 | c10 high 1 |
//               word 2   | c31 .. c22 | c21 high 2 |
//
// 'aligned' lines never split a code: word k holds codes k * f .. (k + 1) * f - 1 with f = floor(32 / bits), the bits above
// are 0. For 2, 4 and 8 bits both are the same.
// Sources: AutoGPTQ's QuantLinear.pack (qweight, qzeros); compressed-tensors' pack_to_int32 (dense since 0.13, aligned before).

export type LineForm = 'dense' | 'aligned'

/** Words of a line of `count` codes. */
export const lineWords = (count: number, bits: number, form: LineForm): number =>
  form === 'dense' ? Math.ceil((count * bits) / 32) : Math.ceil(count / Math.floor(32 / bits))

export interface Line {
  words: Uint32Array
  start: number // first word of the line
  stride: number // from a word of the line to its next: 1 along rows, the width of the matrix along columns
}

/** `count` codes of a line into `out` from `at` on, `step` apart. */
export function readLine(
  { words, start, stride }: Line,
  bits: number,
  count: number,
  form: LineForm,
  out: Float32Array | Uint8Array,
  at: number,
  step = 1,
): void {
  const mask = 2 ** bits - 1
  const perWord = Math.floor(32 / bits)
  if (form === 'aligned' || 32 % bits === 0) {
    for (let i = 0, word = start; i < count; word += stride) {
      let left = words[word] as number
      for (const end = Math.min(count, i + perWord); i < end; i++, at += step) {
        out[at] = left & mask
        left >>>= bits
      }
    }
    return
  }
  for (let i = 0; i < count; i++, at += step) {
    const bit = i * bits
    const word = start + (bit >>> 5) * stride
    const shift = bit & 31
    let code = (words[word] as number) >>> shift
    if (shift + bits > 32) code |= (words[word + stride] as number) << (32 - shift)
    out[at] = code & mask
  }
}

/** Bytes as 32-bit words, little endian as all files here are. */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes)
  return new Uint32Array(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / 4)
}
