/** LIM of one block, straight from the formula: embeddings [count][width] before and after it. */
export function limReference(before: readonly number[][], after: readonly number[][]): number {
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0)
  const cosines = before.map((x, row) => {
    const y = after[row] ?? []
    return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y))
  })
  return -cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length
}
