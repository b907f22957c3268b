const TILE = 32

/** Writes the transpose of `rows` x `cols` numbers, which lie `stride` apart row by row, to `out`, whose rows lie `outStride`
 *  apart. Tiles keep both sides in the cache. */
export function transposeInto(
  from: Float32Array,
  { rows, cols, stride, at = 0 }: { rows: number; cols: number; stride: number; at?: number },
  out: Float32Array,
  { outStride, outAt = 0 }: { outStride: number; outAt?: number },
): void {
  for (let row = 0; row < rows; row += TILE) {
    const lastRow = Math.min(row + TILE, rows)
    for (let col = 0; col < cols; col += TILE) {
      const lastCol = Math.min(col + TILE, cols)
      for (let r = row; r < lastRow; r++) {
        let target = outAt + col * outStride + r
        const begin = at + r * stride
        for (let c = col; c < lastCol; c++, target += outStride) out[target] = from[begin + c] ?? 0
      }
    }
  }
}
