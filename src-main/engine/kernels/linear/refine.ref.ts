/** Plain twin of refine.ts, in float64: one weight at a time, `round(column, row, x)` gives the value nearest to x. */
export function refineReference(
  weights: ArrayLike<number>,
  values: ArrayLike<number>,
  { rows, cols, sweeps }: { rows: number; cols: number; sweeps: number },
  h: ArrayLike<number>,
  round: (column: number, row: number, x: number) => number,
): Float64Array {
  const q = Float64Array.from(values)
  for (let sweep = 0; sweep < sweeps; sweep++)
    for (let i = 0; i < cols; i++)
      for (let r = 0; r < rows; r++) {
        let g = 0
        for (let j = 0; j < cols; j++)
          g += ((weights[r * cols + j] ?? 0) - (q[r * cols + j] ?? 0)) * (h[j * cols + i] ?? 0)
        const pivot = h[i * cols + i] ?? 0
        if (pivot > 0) q[r * cols + i] = round(i, r, (q[r * cols + i] ?? 0) + g / pivot)
      }
  return q
}
