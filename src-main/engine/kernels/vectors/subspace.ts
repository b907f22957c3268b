import { symmetricEigen } from './eigen.ts'
import { seeded } from './kmeans.ts'

export interface Subspace {
  values: Float64Array // [rank], falling
  vectors: Float32Array // [size, rank], orthonormal columns
}

const SPARE = 8 // more directions than asked for: the ones asked for then converge sooner
const ITERATIONS = 6

/** The largest eigenvalues of a symmetric positive matrix A [size, size] and their eigenvectors, from products `apply(x)` =
 *  A x, x [size, width]: randomised subspace iteration, then Rayleigh and Ritz (Halko, Martinsson and Tropp 2011, "Finding
 *  Structure with Randomness", algorithms 4.4 and 5.3). Exact to rounding where the matrix has rank `rank` + 8 or less;
 *  else each direction falls short by about (lambda[rank + 8] / lambda)^13. Cost 8 products, O(size rank^2) beside. */
export async function topEigenvectors(
  size: number,
  rank: number,
  apply: (x: Float32Array, width: number) => Promise<Float32Array>,
  seed = 0,
): Promise<Subspace> {
  const width = Math.min(size, rank + SPARE)
  const next = seeded(seed + 1)
  let basis = orthonormal(
    Float64Array.from({ length: size * width }, () => next() - 0.5),
    size,
    width,
  )
  for (let i = 0; i < ITERATIONS; i++)
    basis = orthonormal(Float64Array.from(await apply(Float32Array.from(basis), width)), size, width)
  const image = await apply(Float32Array.from(basis), width)
  const small = new Float64Array(width * width)
  for (let r = 0; r < size; r++)
    for (let i = 0; i < width; i++)
      for (let j = 0; j < width; j++)
        small[i * width + j] = (small[i * width + j] ?? 0) + (basis[r * width + i] ?? 0) * (image[r * width + j] ?? 0)
  const { values, vectors } = symmetricEigen(small, width)
  const kept = Math.min(rank, width)
  const out = new Float32Array(size * kept)
  for (let r = 0; r < size; r++)
    for (let k = 0; k < kept; k++) {
      let sum = 0
      for (let i = 0; i < width; i++) sum += (basis[r * width + i] ?? 0) * (vectors[k * width + i] ?? 0)
      out[r * kept + k] = sum
    }
  return { values: values.slice(0, kept), vectors: out }
}

/** Columns made orthonormal by Gram and Schmidt, twice over (Giraud et al. 2005: twice is enough). A column that depends on
 *  those before it is replaced by a unit vector. */
function orthonormal(x: Float64Array, size: number, width: number): Float64Array {
  const columns = Array.from({ length: width }, (_, j) =>
    Float64Array.from({ length: size }, (_, r) => x[r * width + j] ?? 0),
  )
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)
  let unit = 0
  columns.forEach((column, j) => {
    let length = Math.sqrt(dot(column, column))
    for (let pass = 0; pass < 2; pass++) {
      const before = length
      for (const other of columns.slice(0, j)) {
        const along = dot(column, other)
        for (let r = 0; r < size; r++) column[r] = (column[r] ?? 0) - along * (other[r] ?? 0)
      }
      length = Math.sqrt(dot(column, column))
      if (length > 1e-7 * before || unit >= size) continue
      column.fill(0)
      column[unit++] = 1
      length = 1
      pass = -1
    }
    for (let r = 0; r < size; r++) column[r] = length > 0 ? (column[r] ?? 0) / length : 0
  })
  return Float64Array.from({ length: size * width }, (_, i) => columns[i % width]?.[Math.floor(i / width)] ?? 0)
}
