import type { ProductTerms } from './multiply.ts'

/** Plain twin of multiply.ts, in float64. */
export function multiplyReference(terms: ProductTerms): Float64Array {
  const { a, b, c, m, n, k, transA = false, transB = false, alpha = 1, beta = 1 } = terms
  const out = new Float64Array(m * n)
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let p = 0; p < k; p++)
        sum += (a[transA ? p * m + i : i * k + p] ?? 0) * (b[transB ? j * k + p : p * n + j] ?? 0)
      out[i * n + j] = alpha * sum + (c ? beta * (c[i * n + j] ?? 0) : 0)
    }
  return out
}
