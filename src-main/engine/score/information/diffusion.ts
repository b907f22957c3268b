// Diffusion spectral entropy and mutual information.
//   Liao et al. 2023/2024, "Assessing Neural Network Representations During Training Using Noise-Resilient Diffusion Spectral
//   Entropy", definitions of DSE (section 3.1) and DSMI (section 3.2):
//   G_ij = exp(-|z_i - z_j|^2 / (2 sigma^2))    P = D^-1/2 G D^-1/2, D = diag(sum_j G_ij): the eigenvalues of the diffusion matrix
//   DSE(Z, t) = -sum_i a_i log2 a_i,  a_i = |lambda_i|^t / sum_j |lambda_j|^t
//   DSMI(Z; Y) = sum_y p(y) (DSE(Z*) - DSE(Z | Y = y)),  Z* as many points as class y has, drawn from all, a few times over
// k clusters far apart have DSE = log2 k. sigma is given here as a multiple of the median distance, so that it fits layers of
// any scale; the paper sets it by hand.
import { symmetricEigen } from '../../kernels/linear/eigen.ts'
import { type Cloud, countOf, drawn, medianDistance, rowsAt, squaredDistances } from './geometry.ts'

export interface Diffusion {
  sigma: number // bandwidth itself, or of the median distance: see `relative`
  t: number // steps of diffusion: the power of the eigenvalues
}

/** Eigenvalues of the diffusion matrix of n points with these squared distances, falling; the first is 1. */
export function diffusionSpectrum(squares: Float64Array, n: number, sigma: number): Float64Array {
  const kernel = new Float64Array(n * n)
  const degree = new Float64Array(n)
  const scale = sigma > 0 ? 1 / (2 * sigma * sigma) : Infinity
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const square = squares[i * n + j] as number
      const near = square === 0 ? 1 : Math.exp(-square * scale)
      kernel[i * n + j] = near
      degree[i] = (degree[i] as number) + near
    }
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      kernel[i * n + j] = (kernel[i * n + j] as number) / Math.sqrt((degree[i] as number) * (degree[j] as number))
  return symmetricEigen(kernel, n, { vectors: false }).values
}

/** Entropy in bits of eigenvalues to the power of t. */
export function spectralEntropy(eigenvalues: Float64Array, t: number): number {
  const powers = eigenvalues.map((value) => Math.abs(value) ** t)
  const total = powers.reduce((sum, value) => sum + value, 0)
  let entropy = 0
  for (const power of powers) if (power > 0) entropy -= (power / total) * Math.log2(power / total)
  return Math.max(0, entropy)
}

/** DSE of points with an absolute bandwidth. One point, or none, has none. */
export async function diffusionEntropy(cloud: Cloud, { sigma, t }: Diffusion): Promise<number> {
  const n = countOf(cloud)
  return n < 2 ? 0 : spectralEntropy(diffusionSpectrum(await squaredDistances(cloud), n, sigma), t)
}

/** The bandwidth that is `share` of the median distance. */
export async function bandwidthOf(cloud: Cloud, share: number): Promise<number> {
  return share * medianDistance(await squaredDistances(cloud), countOf(cloud))
}

/** DSMI in bits between points and classes, and the classes that took part: those of two points or more. 0 of one class. */
export async function diffusionInformation(
  cloud: Cloud,
  labels: ArrayLike<number>,
  diffusion: Diffusion,
  { seed, repetitions }: { seed: number; repetitions: number },
): Promise<{ bits: number; classes: number }> {
  const n = countOf(cloud)
  const members = Map.groupBy(
    Array.from({ length: n }, (_, row) => row),
    (row) => labels[row] ?? -1,
  )
  const classes = [...members].filter(([label, rows]) => label >= 0 && rows.length >= 2).map(([, rows]) => rows)
  if (classes.length < 2) return { bits: 0, classes: classes.length }
  const used = classes.flat()
  const total = used.length
  let bits = 0
  for (const [index, rows] of classes.entries()) {
    const own = await diffusionEntropy(rowsAt(cloud, rows), diffusion)
    let whole = 0
    for (let again = 0; again < repetitions; again++) {
      const draw = drawn(total, rows.length, seed + index * 1000 + again).map((place) => used[place] ?? 0)
      whole += (await diffusionEntropy(rowsAt(cloud, draw), diffusion)) / repetitions
    }
    bits += (rows.length / total) * (whole - own)
  }
  return { bits, classes: classes.length }
}
