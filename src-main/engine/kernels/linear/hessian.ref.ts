/** Plain twin of hessian.ts, in float64: mean over rows of w x x^T. */
export function hessianReference(x: Float32Array, size: number, weights?: Float32Array): Float64Array {
  const rows = x.length / size
  const h = new Float64Array(size * size)
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) {
        const product = (x[r * size + i] ?? 0) * (x[r * size + j] ?? 0)
        h[i * size + j] = (h[i * size + j] ?? 0) + ((weights?.[r] ?? 1) * product) / rows
      }
  return h
}
