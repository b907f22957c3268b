/** Plain twin of feedback.ts, in float64, column by column: `round(column, row, w)` gives the value that stands for w.
 *  Returns [rows, cols] of them. */
export function feedbackReference(
  weights: ArrayLike<number>,
  { rows, cols }: { rows: number; cols: number },
  u: ArrayLike<number>,
  round: (column: number, row: number, w: number) => number,
): Float64Array {
  const w = Float64Array.from(weights)
  const q = new Float64Array(rows * cols)
  for (let i = 0; i < cols; i++)
    for (let r = 0; r < rows; r++) {
      const at = r * cols
      q[at + i] = round(i, r, w[at + i] ?? 0)
      const error = ((w[at + i] ?? 0) - (q[at + i] ?? 0)) / (u[i * cols + i] ?? 1)
      for (let j = i + 1; j < cols; j++) w[at + j] = (w[at + j] ?? 0) - error * (u[i * cols + j] ?? 0)
    }
  return q
}
