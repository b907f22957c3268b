/** Magnitudes that a run of weights may take together. */
export interface CodeBook {
  words: number
  dims: number // weights per word
  levels: readonly number[]
  values: Int8Array // [words, dims]
  digits: Uint8Array // [words, dims]: index into levels
}

/** A book from its words as little-endian 16-bit numbers in base64. */
export function book(words: number, dims: number, levels: readonly number[], base64: string): CodeBook {
  const bytes = Buffer.from(base64, 'base64')
  const digits = new Uint8Array(words * dims)
  const values = new Int8Array(words * dims)
  for (let word = 0; word < words; word++) {
    let rest = bytes.readUInt16LE(word * 2)
    for (let j = 0; j < dims; j++) {
      const digit = rest % levels.length
      rest = Math.floor(rest / levels.length)
      digits[word * dims + j] = digit
      values[word * dims + j] = levels[digit] as number
    }
  }
  return { words, dims, levels, values, digits }
}
