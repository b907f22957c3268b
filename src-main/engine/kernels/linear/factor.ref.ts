/** Plain twin of factor.ts, in float64: invert by Gauss and Jordan, then factor the inverse (Cholesky, upper). */
export function inverseFactorReference(h: Float64Array, size: number): Float64Array {
  const a = Float64Array.from(h)
  const inverse = new Float64Array(size * size)
  for (let i = 0; i < size; i++) inverse[i * size + i] = 1
  const at = (m: Float64Array, i: number, j: number) => m[i * size + j] ?? 0
  for (let p = 0; p < size; p++) {
    const pivot = at(a, p, p)
    for (let j = 0; j < size; j++) {
      a[p * size + j] = at(a, p, j) / pivot
      inverse[p * size + j] = at(inverse, p, j) / pivot
    }
    for (let i = 0; i < size; i++) {
      const factor = i === p ? 0 : at(a, i, p)
      if (factor === 0) continue
      for (let j = 0; j < size; j++) {
        a[i * size + j] = at(a, i, j) - factor * at(a, p, j)
        inverse[i * size + j] = at(inverse, i, j) - factor * at(inverse, p, j)
      }
    }
  }
  const u = new Float64Array(size * size) // U^T U = H^-1, row by row
  for (let i = 0; i < size; i++)
    for (let j = i; j < size; j++) {
      let sum = at(inverse, i, j)
      for (let k = 0; k < i; k++) sum -= at(u, k, i) * at(u, k, j)
      u[i * size + j] = i === j ? Math.sqrt(sum) : sum / at(u, i, i)
    }
  return u
}
