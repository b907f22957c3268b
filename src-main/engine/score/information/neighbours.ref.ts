/** KSG's first estimate in bits with plain arrays: for each pair of points the distances in X, in Y and in both. */
export function continuousInformationReference(x: readonly number[][], y: readonly number[][], k: number): number {
  const psi = (n: number) =>
    Array.from({ length: n - 1 }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b, -0.5772156649015329)
  const far = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((v, i) => Math.abs(v - (b[i] ?? 0))))
  const n = x.length
  let sum = 0
  for (let i = 0; i < n; i++) {
    const others = x.map((_, j) => j).filter((j) => j !== i)
    const dx = others.map((j) => far(x[i] ?? [], x[j] ?? []))
    const dy = others.map((j) => far(y[i] ?? [], y[j] ?? []))
    const both = dx.map((d, at) => Math.max(d, dy[at] ?? 0)).sort((a, b) => a - b)
    const radius = both[k - 1] ?? 0
    sum += psi(dx.filter((d) => d < radius).length + 1) + psi(dy.filter((d) => d < radius).length + 1)
  }
  return (psi(k) + psi(n) - sum / n) / Math.LN2
}
