// Orthogonal matrices that mix all channels and cost n log n to multiply with.
//   plain      Q = H D / sqrt(n)        Ashkboos et al. 2024, "QuaRot", section 3: H of Hadamard, D random signs
//   centred    Q = H^T D H / n, D_00 = 1, the other signs random. H's first row is all ones, so Q 1 = 1: the mean over
//              the channels stays what it is, and LayerNorm without gain and shift commutes with Q:
//              (Q x - mean(Q x) 1) / std(Q x) = Q (x - mean(x) 1) / std(x)
// A width without a Hadamard matrix is cut into equal blocks that have one; each is turned by itself.
import { random } from '../data/random.ts'
import { type Hadamard, hadamardBlock, hadamardOf, scaleAxis, transform } from '../kernels/hadamard.ts'

export interface Orthogonal {
  size: number
  /** data [count, size, inner] <- Q data along the middle, in place. */
  apply(data: Float32Array, inner: number): void
}

function signs(size: number, seed: number): Float32Array {
  const { uniform } = random(seed)
  return Float32Array.from({ length: size }, () => (uniform() < 0.5 ? -1 : 1))
}

function known(size: number): Hadamard {
  const found = hadamardOf(size)
  if (!found) throw new Error(`no Hadamard matrix of order ${size}`)
  return found
}

/** Seeded; `mean`: keep the mean over the channels. Blocks of at most `limit` channels; the same matrix for every block. */
export function orthogonalOf(width: number, seed: number, mean: boolean, limit = width): Orthogonal {
  const size = hadamardBlock(width, limit)
  const h = known(size)
  const D = signs(size, seed)
  if (mean) D[0] = 1
  return {
    size,
    apply(data, inner) {
      if (mean) transform(data, h, inner, false, 1)
      scaleAxis(data, D, inner)
      transform(data, h, inner, mean, mean ? 1 / size : 1 / Math.sqrt(size))
    },
  }
}
