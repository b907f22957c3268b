import type { Arena } from '../../kernels/arena.ts'
import { openKernel } from '../../kernels/load.ts'
import { groupsIn } from '../sidecar/forms.ts'

interface DequantizeExports {
  dequantizeRows(...values: number[]): void
}
let kernel: Arena<DequantizeExports> | null = null

/** (code - zero) * scale for rows on a grid: codes [rows, cols] one a byte, scales and zeros [rows, groups]; groupSize 0: one
 *  scale a row; zeros null: all 2^(bits - 1). */
export function gridValues(
  grid: { codes: Uint8Array; scales: Float32Array; zeros: Uint8Array | null; bits: number },
  { rows, cols, groupSize }: { rows: number; cols: number; groupSize: number },
): Float32Array {
  const count = rows * groupsIn(cols, groupSize)
  const arena = (kernel ??= openKernel<DequantizeExports>('dequantize'))
  const [codes = 0, scales = 0, zeros = 0, out = 0] = arena.lay(rows * cols, count * 4, count, rows * cols * 4)
  arena.bytes(codes, rows * cols).set(grid.codes)
  arena.floats(scales, count).set(grid.scales)
  if (grid.zeros) arena.bytes(zeros, count).set(grid.zeros)
  else arena.bytes(zeros, count).fill(2 ** (grid.bits - 1))
  const size = groupSize === 0 ? cols : Math.min(groupSize, cols)
  arena.exports.dequantizeRows(codes, scales, zeros, out, rows, cols, size)
  return arena.floats(out, rows * cols).slice()
}
