/** Eigenvalues (falling) and eigenvectors (rows) of a symmetric matrix [n, n] by cyclic Jacobi rotations (Golub and Van Loan,
 *  "Matrix Computations", section 8.5): another algorithm than the kernel's, so that they can only agree on the truth. */
export function symmetricEigenReference(matrix: ArrayLike<number>, n: number) {
  const a = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => matrix[i * n + j] ?? 0))
  const v = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => Number(i === j)))
  const at = (m: number[][], i: number, j: number) => m[i]?.[j] ?? 0
  const turn = (m: number[][], p: number, q: number, c: number, s: number) => {
    const [x, y] = [m[p] ?? [], m[q] ?? []]
    m[p] = x.map((value, j) => c * value - s * (y[j] ?? 0))
    m[q] = x.map((value, j) => s * value + c * (y[j] ?? 0))
  }
  const turned = (m: number[][]) => m.map((_, i) => m.map((row) => row[i] ?? 0))
  for (let sweep = 0; sweep < 30; sweep++)
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(at(a, p, q)) < 1e-300) continue
        const theta = (at(a, q, q) - at(a, p, p)) / (2 * at(a, p, q))
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(1, theta))
        const c = 1 / Math.hypot(1, t)
        turn(a, p, q, c, t * c)
        const other = turned(a)
        turn(other, p, q, c, t * c)
        a.splice(0, n, ...turned(other))
        turn(v, p, q, c, t * c)
      }
  const order = a.map((_, i) => i).sort((i, j) => at(a, j, j) - at(a, i, i))
  return { values: order.map((i) => at(a, i, i)), vectors: order.map((i) => v[i] ?? []) }
}
