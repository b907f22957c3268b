// Small dense matrices in float64: the metrics in which a group's error is counted.

/** V = U^-1 of an upper triangular U [n, n]. */
export function invertUpper(u: ArrayLike<number>, n: number): Float64Array {
  const v = new Float64Array(n * n)
  for (let j = 0; j < n; j++) {
    v[j * n + j] = 1 / (u[j * n + j] ?? 1)
    for (let i = j - 1; i >= 0; i--) {
      let sum = 0
      for (let k = i + 1; k <= j; k++) sum += (u[i * n + k] ?? 0) * (v[k * n + j] ?? 0)
      v[i * n + j] = -sum / (u[i * n + i] ?? 1)
    }
  }
  return v
}

/** V V^T [n, n]. */
export function gramOfRows(v: ArrayLike<number>, n: number): Float64Array {
  const out = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = i; j < n; j++) {
      let sum = 0
      for (let k = 0; k < n; k++) sum += (v[i * n + k] ?? 0) * (v[j * n + k] ?? 0)
      out[i * n + j] = out[j * n + i] = sum
    }
  return out
}

/** H + damping mean(diag H) I, and its inverse. A block of zeros counts as the identity. */
export function dampedInverse(h: ArrayLike<number>, n: number, damping: number) {
  let trace = 0
  for (let i = 0; i < n; i++) trace += h[i * n + i] ?? 0
  const metric = Float64Array.from({ length: n * n }, (_, i) => (trace > 0 ? (h[i] ?? 0) : 0))
  for (let i = 0; i < n; i++) metric[i * (n + 1)] = (metric[i * (n + 1)] ?? 0) + (trace > 0 ? (damping * trace) / n : 1)
  // Cholesky with indices reversed gives metric = R R^T with R upper triangular, so metric^-1 = R^-T R^-1.
  const r = new Float64Array(n * n)
  for (let j = n - 1; j >= 0; j--)
    for (let i = j; i >= 0; i--) {
      let sum = metric[i * n + j] ?? 0
      for (let k = j + 1; k < n; k++) sum -= (r[i * n + k] ?? 0) * (r[j * n + k] ?? 0)
      r[i * n + j] = i === j ? Math.sqrt(Math.max(sum, Number.MIN_VALUE)) : sum / (r[j * n + j] ?? 1)
    }
  const v = invertUpper(r, n)
  const inverse = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let k = 0; k < n; k++) sum += (v[k * n + i] ?? 0) * (v[k * n + j] ?? 0)
      inverse[i * n + j] = sum
    }
  return { metric, inverse, factor: r }
}
