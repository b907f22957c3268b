import { gaussian } from '../kernels/random.ts'

export const numbers = (length: number, seed: number): Float32Array => {
  const next = gaussian(seed)
  return Float32Array.from({ length }, () => next())
}

/** [rows, size] as activations are: some directions shared by all, channels of different spread. */
export function correlated(rows: number, size: number, seed: number): Float32Array {
  const next = gaussian(seed)
  const shared = Math.max(1, Math.floor(size / 8))
  const basis = numbers(shared * size, seed + 1)
  const spread = Float32Array.from({ length: size }, () => Math.exp(0.5 * next()))
  const x = new Float32Array(rows * size)
  for (let r = 0; r < rows; r++) {
    const mix = Float32Array.from({ length: shared }, () => next())
    for (let c = 0; c < size; c++) {
      let sum = next()
      for (let k = 0; k < shared; k++) sum += ((mix[k] ?? 0) * (basis[k * size + c] ?? 0)) / Math.sqrt(shared)
      x[r * size + c] = sum * (spread[c] ?? 0)
    }
  }
  return x
}

/** Largest difference, as a share of the largest number of `truth`. */
export function farthest(found: ArrayLike<number>, truth: ArrayLike<number>): number {
  let [most, scale] = [0, 0]
  for (let i = 0; i < truth.length; i++) {
    most = Math.max(most, Math.abs((found[i] ?? NaN) - (truth[i] ?? 0)))
    scale = Math.max(scale, Math.abs(truth[i] ?? 0))
  }
  return scale === 0 ? most : most / scale
}
