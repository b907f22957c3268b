const TILE = 32
const PITCH = TILE + 1

/** Writes the transpose of `rows` x `cols` numbers, which lie `stride` apart row by row, times `factor`, to `out`, whose rows
 *  lie `outStride` apart. Tiles pass through a small buffer of odd pitch: strides of a power of two would put a tile's
 *  columns in the same few lines of the cache. */
export function transposeInto<A extends Float32Array | Uint8Array>(
  from: A,
  { rows, cols, stride, at = 0 }: { rows: number; cols: number; stride: number; at?: number },
  out: A,
  { outStride, outAt = 0, factor = 1 }: { outStride: number; outAt?: number; factor?: number },
): void {
  const tile = new Float32Array(TILE * PITCH)
  for (let row = 0; row < rows; row += TILE) {
    const height = Math.min(TILE, rows - row)
    for (let col = 0; col < cols; col += TILE) {
      const width = Math.min(TILE, cols - col)
      for (let r = 0; r < height; r++) {
        const begin = at + (row + r) * stride + col
        for (let c = 0; c < width; c++) tile[r * PITCH + c] = from[begin + c] ?? 0
      }
      for (let c = 0; c < width; c++) {
        const begin = outAt + (col + c) * outStride + row
        for (let r = 0; r < height; r++) out[begin + r] = (tile[r * PITCH + c] ?? 0) * factor
      }
    }
  }
}
