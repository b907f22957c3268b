import type { Arena } from '../arena.ts'
import { openKernel } from '../load.ts'

interface TransposeExports {
  transpose(from: number, to: number, rows: number, cols: number, factor: number): void
}

export interface Strided {
  rows: number
  cols: number
  stride: number // from one row to the next
  at?: number // of the first number
}

const TILE = 240 // no power of two: columns of a tile would share a few lines of the cache
let kernel: Arena<TransposeExports> | null = null

/** Writes the transpose of `rows` x `cols` numbers, which lie `stride` apart row by row, times `factor`, to `out`, whose rows
 *  lie `outStride` apart. */
export function transposeInto(
  from: Float32Array,
  { rows, cols, stride, at = 0 }: Strided,
  out: Float32Array,
  { outStride, outAt = 0, factor = 1 }: { outStride: number; outAt?: number; factor?: number },
): void {
  const arena = (kernel ??= openKernel<TransposeExports>('linear'))
  for (let row = 0; row < rows; row += TILE) {
    const height = Math.min(TILE, rows - row)
    const padded = Math.ceil(height / 4) * 4
    for (let col = 0; col < cols; col += TILE) {
      const width = Math.min(TILE, cols - col)
      const across = Math.ceil(width / 4) * 4
      const [source = 0, target = 0] = arena.lay(padded * across * 4, padded * across * 4)
      const [tile, turned] = [arena.floats(source, padded * across), arena.floats(target, padded * across)]
      for (let r = 0; r < height; r++) {
        const begin = at + (row + r) * stride + col
        tile.set(from.subarray(begin, begin + width), r * across)
      }
      arena.exports.transpose(source, target, padded, across, factor)
      for (let c = 0; c < width; c++)
        out.set(turned.subarray(c * padded, c * padded + height), outAt + (col + c) * outStride + row)
    }
  }
}
