// Seeded numbers for the tests of kernels and quantizers.

/** Uniform numbers in [0, 1): mulberry32. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Normal numbers: Box and Muller. */
export function gaussian(seed: number): () => number {
  const next = uniform(seed)
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}

/** [rows, cols] of normal weights, each row with its own spread, as in trained layers. */
export function gaussianMatrix(rows: number, cols: number, seed: number, spread = 0.02) {
  const next = gaussian(seed)
  const rowSpread = Float32Array.from({ length: rows }, () => spread * Math.exp(0.5 * next()))
  const data = Float32Array.from({ length: rows * cols }, (_, i) => next() * (rowSpread[Math.floor(i / cols)] ?? 0))
  return { data, rows, cols }
}
