// What the emitted graphs compute, as plain loops in float32 arithmetic: for tests.
const { fround, abs, floor, max, min } = Math

/** To the nearest whole number, ties to the even one. */
export function even(x: number): number {
  const low = floor(x)
  if (x - low !== 0.5) return Math.round(x)
  return low % 2 === 0 ? low : low + 1
}

/** The largest magnitude, at least 1e-30. */
export const largest = (x: Float32Array): number => x.reduce((found, value) => max(found, abs(value)), fround(1e-30))

/** Numbers that share one scale, range / (2^(bits-1) - 1). */
export function symmetricRef(x: Float32Array, range: number, bits: number): Float32Array {
  const top = 2 ** (bits - 1) - 1
  const scale = fround(range / top)
  return x.map((value) => fround(max(-top, min(top, even(fround(value / scale)))) * scale))
}

/** [rows, cols], one scale a row. */
export function tokensRef(x: Float32Array, cols: number, bits: number): Float32Array {
  const out = new Float32Array(x.length)
  for (let at = 0; at < x.length; at += cols) {
    const row = x.subarray(at, at + cols)
    out.set(symmetricRef(row, largest(row), bits), at)
  }
  return out
}

/** [rows, cols]; row^alpha x column^(1-alpha), columns given. */
export function crossRef(x: Float32Array, columns: Float32Array, alpha: number, bits: number): Float32Array {
  const top = 2 ** (bits - 1) - 1
  const cols = columns.length
  return x.map((value, at) => {
    const row = largest(x.subarray(at - (at % cols), at - (at % cols) + cols))
    const scale = fround(fround(fround(row ** alpha) * fround((columns[at % cols] as number) ** (1 - alpha))) / top)
    return fround(max(-top, min(top, even(fround(value / scale)))) * scale)
  })
}

/** The nearest number of a float type with that many bits of mantissa, whose smallest normal is 2^least. */
export function floatRef(
  value: number,
  { largest, least, mantissa }: Record<'largest' | 'least' | 'mantissa', number>,
): number {
  // prettier-ignore
  if (value === 0) return 0
  const step = 2 ** (max(floor(Math.log2(abs(value))), least) - mantissa)
  return max(-largest, min(largest, even(value / step) * step))
}

/** Numbers that share one asymmetric scale between their smallest and largest. */
export function betweenRef(x: Float32Array, bits: number, low = min(...x), high = max(...x)): Float32Array {
  const levels = 2 ** bits - 1
  const step = max(fround(fround(high - low) / levels), fround(1e-30))
  const code = (value: number) => max(0, min(levels, even(fround(fround(value - low) / step))))
  return x.map((value) => fround(fround(code(value) * step) + low))
}
