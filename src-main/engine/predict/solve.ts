// Small symmetric systems, at most a few dozen unknowns: plain loops are enough.

/** L of L L^T = matrix, and x of matrix x = right. `matrix` must be positive definite. */
export function solveCholesky(
  matrix: readonly (readonly number[])[],
  right: readonly number[],
): { factor: number[][]; solution: number[] } {
  const n = matrix.length
  const factor = Array.from({ length: n }, () => new Array<number>(n).fill(0))
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i]?.[j] ?? 0
      for (let k = 0; k < j; k++) sum -= (factor[i]?.[k] ?? 0) * (factor[j]?.[k] ?? 0)
      const row = factor[i]
      if (row) row[j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / (factor[j]?.[j] ?? 1)
    }
  }
  const half = solveLower(factor, right)
  const solution = new Array<number>(n).fill(0)
  for (let i = n - 1; i >= 0; i--) {
    let sum = half[i] ?? 0
    for (let k = i + 1; k < n; k++) sum -= (factor[k]?.[i] ?? 0) * (solution[k] ?? 0)
    solution[i] = sum / (factor[i]?.[i] ?? 1)
  }
  return { factor, solution }
}

/** x of L x = right, L lower triangular. */
export function solveLower(factor: readonly (readonly number[])[], right: readonly number[]): number[] {
  const found: number[] = []
  for (const [i, row] of factor.entries()) {
    let sum = right[i] ?? 0
    for (let k = 0; k < i; k++) sum -= (row[k] ?? 0) * (found[k] ?? 0)
    found.push(sum / (row[i] ?? 1))
  }
  return found
}
