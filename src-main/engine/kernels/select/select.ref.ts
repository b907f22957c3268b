const byMagnitude = (row: Float32Array) => (a: number, b: number) =>
  Math.abs(row[b] ?? 0) - Math.abs(row[a] ?? 0) || a - b

/** Plain twins of assembly/select.ts: sort, and keep the first. m = 0: n of the whole row. */
export function selectReference(scores: Float32Array, rows: number, cols: number, n: number, m: number): Uint8Array {
  const mask = new Uint8Array(rows * cols)
  for (let r = 0; r < rows; r++)
    for (let begin = 0; begin < cols; begin += m || cols) {
      const group = scores.subarray(r * cols + begin, r * cols + Math.min(cols, begin + (m || cols)))
      const keep = m === 0 ? n : Math.ceil((group.length * n) / m)
      const order = [...group.keys()].sort(byMagnitude(group))
      for (const i of order.slice(0, keep)) mask[r * cols + begin + i] = 1
    }
  return mask
}
