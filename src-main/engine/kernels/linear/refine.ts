// Coordinate descent on tr((W - Q) H (W - Q)^T) over the values Q of a grid: with all others fixed, the best value of a
// weight is the grid's nearest to q_i + g_i / H_ii, g = (W - Q) H. A block of columns gets its g by one product.
//   Zhang et al. 2024, "COMQ: A Backpropagation-Free Algorithm for Post-Training Quantization";
//   Chee et al. 2023, "QuIP" (greedy updates)
// Cost O(rows cols^2) a sweep, 2 copies of the weights in memory.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../../src-preload/contract/project.ts'
import { sharedFloats } from '../pool.ts'
import { multiply } from './multiply.ts'
import { transposeInto } from './transpose.ts'
import type { Hessian } from './types.ts'

export interface RefineShape {
  weights: Float32Array // W [rows, cols]
  values: Float32Array // Q [rows, cols], updated
  hessian: Hessian
  rows: number
  cols: number
  blockSize: number
  sweeps: number
  device?: DeviceId
  threads?: number
  notify?: (notice: string) => void // hears when the device gives way to the CPU
  progress?: (fraction: number) => void // throws to stop
}

/** Improves a block: g [size, rows] = columns of (W - Q) H, h [size, size] its diagonal block of H; d [size, rows] = W - Q,
 *  to be updated with the values. g and d are shared memory; g is scratch. */
export type RefineColumnInner = (block: RefineBlock) => void | Promise<void>
export interface RefineBlock {
  begin: number
  size: number
  g: Float32Array
  h: Float32Array
  d: Float32Array
}

/** As `refine` over D = W - Q that lies column by column, for kernels of that layout: d [cols, rows], shared memory. */
export async function refineColumns({
  difference,
  inner,
  ...shape
}: Omit<RefineShape, 'weights' | 'values'> & { difference: Float32Array; inner: RefineColumnInner }) {
  const { hessian, rows, cols, blockSize, sweeps, device, threads, notify, progress } = shape
  if (difference.length !== rows * cols || hessian.size !== cols)
    throw new Fault('bad-arguments', `Refinement of ${rows} x ${cols}: values or Hessian are of another size.`)
  const widest = Math.min(blockSize, cols)
  const g = sharedFloats(widest * rows)
  for (let sweep = 0; sweep < sweeps; sweep++)
    for (let begin = 0; begin < cols; begin += blockSize) {
      const size = Math.min(blockSize, cols - begin)
      const a = new Float32Array(cols * size)
      for (let r = 0; r < cols; r++) a.set(hessian.data.subarray(r * cols + begin, r * cols + begin + size), r * size)
      const out = g.subarray(0, size * rows)
      await multiply({ a, b: difference, out, m: size, n: rows, k: cols, transA: true }, { device, threads, notify })
      const h = a.slice(begin * size, (begin + size) * size)
      await inner({ begin, size, g: out, h, d: difference.subarray(begin * rows, (begin + size) * rows) })
      progress?.((sweep + (begin + size) / cols) / sweeps)
    }
}

/** Calls `inner(block, begin, g, h, w, q)` for each block of columns, `sweeps` times over: all [rows, size] but h [size,
 *  size]. It changes q where that lowers the error: for a change t of column i, by t^2 H_ii - 2 t g_i, after which
 *  g_j -= t H_ij for the columns j of the block that are still to come. */
export async function refine({
  inner,
  ...shape
}: RefineShape & {
  inner: (
    block: number,
    begin: number,
    g: Float32Array,
    h: Float32Array,
    w: Float32Array,
    q: Float32Array,
  ) => void | Promise<void>
}): Promise<void> {
  const { weights, values, rows, cols, blockSize } = shape
  const difference = sharedFloats(rows * cols) // [cols, rows]
  const full = { rows, cols, stride: cols }
  transposeInto(
    weights.map((w, i) => w - (values[i] ?? 0)),
    full,
    difference,
    { outStride: rows },
  )
  await refineColumns({
    ...shape,
    difference,
    async inner({ begin, size, g, h, d }) {
      const turned = new Float32Array(rows * size)
      transposeInto(g, { rows: size, cols: rows, stride: rows }, turned, { outStride: size })
      const [w, q] = [weights, values].map((matrix) => columns(matrix, { rows, cols, begin, size }))
      if (!w || !q) return
      await inner(begin / blockSize, begin, turned, h, w, q)
      for (let r = 0; r < rows; r++) values.set(q.subarray(r * size, (r + 1) * size), r * cols + begin)
      for (let i = 0; i < q.length; i++) w[i] = (w[i] ?? 0) - (q[i] ?? 0)
      transposeInto(w, { rows, cols: size, stride: size }, d, { outStride: rows })
    },
  })
}

function columns(
  matrix: Float32Array,
  { rows, cols, begin, size }: { rows: number; cols: number; begin: number; size: number },
): Float32Array {
  const part = new Float32Array(rows * size)
  for (let r = 0; r < rows; r++) part.set(matrix.subarray(r * cols + begin, r * cols + begin + size), r * size)
  return part
}
