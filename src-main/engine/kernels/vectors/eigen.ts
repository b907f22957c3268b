/** Eigenvalues (falling) and eigenvectors (rows of `vectors`, orthonormal) of a small symmetric matrix a [n, n], by cyclic
 *  Jacobi rotations in float64 (Golub and Van Loan, "Matrix Computations", section 8.5). Cost O(n^3) a sweep, some 8 sweeps;
 *  accurate to rounding for the small eigenvalues too. The sign of a vector is chosen so that its largest entry is
 *  positive. */
export function symmetricEigen(a: ArrayLike<number>, n: number): { values: Float64Array; vectors: Float64Array } {
  const m = Float64Array.from(
    { length: n * n },
    (_, i) => ((a[i] ?? 0) + (a[(i % n) * n + Math.floor(i / n)] ?? 0)) / 2,
  )
  const v = new Float64Array(n * n)
  for (let i = 0; i < n; i++) v[i * (n + 1)] = 1
  const scale = m.reduce((sum, x) => sum + x * x, 0)
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) off += (m[i * n + j] ?? 0) ** 2
    if (!(off > 1e-30 * scale)) break
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(m, v, n, p, q)
  }
  const order = Array.from({ length: n }, (_, i) => i).sort(
    (i, j) => (m[j * (n + 1)] ?? 0) - (m[i * (n + 1)] ?? 0) || i - j,
  )
  const vectors = new Float64Array(n * n)
  order.forEach((from, to) => {
    const row = v.subarray(from * n, (from + 1) * n)
    const largest = row.reduce((best, x) => (Math.abs(x) > Math.abs(best) * (1 + 1e-9) ? x : best), 0)
    vectors.set(largest < 0 ? row.map((x) => -x) : row, to * n)
  })
  return { values: Float64Array.from(order, (i) => m[i * (n + 1)] ?? 0), vectors }
}

/** Makes m[p, q] zero; the rows of v turn with it. */
function rotate(m: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const apq = m[p * n + q] ?? 0
  if (apq === 0) return
  const theta = ((m[q * (n + 1)] ?? 0) - (m[p * (n + 1)] ?? 0)) / (2 * apq)
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(1, theta))
  const c = 1 / Math.hypot(1, t)
  const s = t * c
  const turn = (x: Float64Array, i: number, j: number) => {
    const [a = 0, b = 0] = [x[i], x[j]]
    x[i] = c * a - s * b
    x[j] = s * a + c * b
  }
  for (let k = 0; k < n; k++) turn(m, k * n + p, k * n + q)
  for (let k = 0; k < n; k++) turn(m, p * n + k, q * n + k)
  for (let k = 0; k < n; k++) turn(v, p * n + k, q * n + k)
}
