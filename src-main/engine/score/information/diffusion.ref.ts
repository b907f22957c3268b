import { symmetricEigenReference } from '../../kernels/linear/eigen.ref.ts'

/** Diffusion spectral entropy in bits straight from the definitions: Gaussian kernel of all pairs, each row divided by its
 *  sum (eigenvalues of the symmetric form D^-1/2 G D^-1/2 are the same), powers, entropy. */
export function diffusionEntropyReference(points: readonly number[][], sigma: number, t: number): number {
  const n = points.length
  const square = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, x, i) => sum + (x - (b[i] ?? 0)) ** 2, 0)
  const g = points.map((a) => points.map((b) => Math.exp(-square(a, b) / (2 * sigma ** 2))))
  const degree = g.map((row) => row.reduce((sum, x) => sum + x, 0))
  const symmetric = g.flatMap((row, i) => row.map((x, j) => x / Math.sqrt((degree[i] ?? 1) * (degree[j] ?? 1))))
  const powers = symmetricEigenReference(symmetric, n).values.map((value) => Math.abs(value) ** t)
  const total = powers.reduce((sum, x) => sum + x, 0)
  return -powers.reduce((sum, x) => sum + (x > 0 ? (x / total) * Math.log2(x / total) : 0), 0)
}
