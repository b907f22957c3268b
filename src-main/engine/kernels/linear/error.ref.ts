/** Plain twin of error.ts, in float64: tr(D H D^T). */
export function quadraticReference(d: ArrayLike<number>, rows: number, h: ArrayLike<number>, size: number): number {
  let sum = 0
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) sum += (d[r * size + i] ?? 0) * (h[i * size + j] ?? 0) * (d[r * size + j] ?? 0)
  return sum
}
