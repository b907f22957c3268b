// Codes into lines of 32-bit words: the inverse of readLine (checkpoint/packed/words.ts, which draws the layout).

/** `count` codes, one a byte and `step` apart from `at` on, as a dense bit stream; the line's words lie `stride` apart. */
export function writeLine(
  codes: Uint8Array,
  at: number,
  step: number,
  bits: number,
  count: number,
  words: Uint32Array,
  start: number,
  stride: number,
): void {
  let [word, filled, index] = [0, 0, start]
  for (let i = 0, from = at; i < count; i++, from += step) {
    const code = codes[from] as number
    word |= code << filled
    filled += bits
    if (filled < 32) continue
    words[index] = word
    index += stride
    filled -= 32
    word = filled === 0 ? 0 : code >>> (bits - filled)
  }
  if (filled > 0) words[index] = word
}

export const bytesOfWords = (words: Uint32Array | Int32Array | BigInt64Array): Uint8Array =>
  new Uint8Array(words.buffer as ArrayBuffer, words.byteOffset, words.byteLength)

/** Scales [outputs, groups] as [groups, outputs]. */
export function turnedScales(scales: Float32Array, outputs: number, groups: number): Float32Array {
  const out = new Float32Array(scales.length)
  for (let o = 0; o < outputs; o++)
    for (let g = 0; g < groups; g++) out[g * outputs + o] = scales[o * groups + g] as number
  return out
}
