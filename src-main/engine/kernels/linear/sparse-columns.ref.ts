/** Plain twin of the column loops of SparseGPT (assembly/sparse-columns.ts) for one row: weights [n] in the factor's order, U
 *  [n, n] whole. keep(i, w) says whether weight i stays, given the weights as fed back; round(i, x) the value it then takes. */
export function feedSparseReference(
  weights: ArrayLike<number>,
  u: ArrayLike<number>,
  keep: (i: number, w: readonly number[]) => boolean,
  round: (i: number, x: number) => number = (_, x) => x,
): number[] {
  const w = Array.from(weights)
  const n = w.length
  return w.map((_, i) => {
    const x = w[i] ?? 0
    const q = keep(i, w) ? round(i, x) : 0
    const e = (x - q) / (u[i * n + i] ?? 1)
    for (let j = i + 1; j < n; j++) w[j] = (w[j] ?? 0) - (u[i * n + j] ?? 0) * e
    return q
  })
}
