// Plain twins of assembly/sparse.ts.

export const compactReference = (values: ArrayLike<number>, mask: Uint8Array): number[] =>
  Array.from(values).filter((_, i) => mask[i] === 1)

export function expandReference(kept: ArrayLike<number>, mask: Uint8Array, rest = 0): number[] {
  let next = 0
  return Array.from(mask, (bit) => (bit === 1 ? (kept[next++] ?? rest) : rest))
}

/** Low bits one a byte, high bits one a byte. */
export function eliasReference(mask: Uint8Array, lowBits: number): { low: number[]; high: number[] } {
  const places = [...mask.keys()].filter((i) => mask[i] === 1)
  const low = places.map((place) => place % 2 ** lowBits)
  const high: number[] = []
  let at = 0
  for (const place of places) {
    for (; at < Math.floor(place / 2 ** lowBits); at++) high.push(0)
    high.push(1)
  }
  return { low, high }
}

export const scaledReference = (x: Float32Array, factors: Float32Array): Float32Array =>
  x.map((value, i) => value * (factors[i % factors.length] ?? 0))

export function energiesReference(x: Float32Array, cols: number): number[] {
  const sums = new Array<number>(cols).fill(0)
  x.forEach((value, i) => (sums[i % cols] = (sums[i % cols] ?? 0) + value * value))
  return sums
}
