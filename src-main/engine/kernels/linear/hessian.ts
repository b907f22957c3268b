// H = mean of w x x^T over calibration rows. The rows are cut into column panels, and only blocks on and above the diagonal
// are computed (a little over half the arithmetic); each product adds to the sum so far in place.
// Cost O(rows size^2) time, 1.6 size^2 floats of memory while it gathers.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../../src-preload/contract/project.ts'
import { multiply } from './multiply.ts'
import { transposeInto } from './transpose.ts'
import type { Hessian } from './types.ts'

const PANEL = 512
const ROWS_AT_ONCE = 2048

export interface HessianBuilder {
  /** x [rows, size]; weights [rows], not negative: default all 1. */
  add(x: Float32Array, weights?: Float32Array): Promise<void>
  /** The mean so far; zeros before anything was added. */
  finish(): Hessian
}

/** Sums are float32, as in the published implementations. */
export function createHessian(
  size: number,
  place: { device?: DeviceId; threads?: number; notify?: (notice: string) => void } = {},
): HessianBuilder {
  const starts = Array.from({ length: Math.ceil(size / PANEL) }, (_, i) => i * PANEL)
  const width = (start: number) => Math.min(PANEL, size - start)
  const blocks = new Map<string, Float32Array>() // 'i,j' with i <= j: [width(i), width(j)]
  for (const i of starts)
    for (const j of starts) if (i <= j) blocks.set(`${i},${j}`, new Float32Array(width(i) * width(j)))
  const room = new Map<number, Float32Array>() // panels' memory, from one call to the next
  let count = 0
  let last: Promise<void> = Promise.resolve()

  const addRows = async (x: Float32Array, rows: number, weights: Float32Array | undefined) => {
    const panels = new Map(
      starts.map((start) => [start, panel(x, { rows, size, start, width: width(start) }, weights, room)]),
    )
    for (const i of starts)
      for (const j of starts) {
        const c = blocks.get(`${i},${j}`)
        const [a, b] = [panels.get(i), panels.get(j)]
        if (!c || !a || !b) continue
        await multiply({ a, b, c, out: c, m: width(i), n: width(j), k: rows, transA: true }, place)
      }
    count += rows
  }

  return {
    add(x, weights) {
      const rows = size === 0 ? 0 : x.length / size
      if (!Number.isInteger(rows) || (weights && weights.length !== rows))
        throw new Fault('bad-arguments', `Hessian of ${size} inputs: rows do not fit.`, {
          data: {
            expected: `rows of ${size}, a weight each`,
            found: `${x.length} numbers, ${weights?.length} weights`,
          },
        })
      const work = async () => {
        for (let begin = 0; begin < rows; begin += ROWS_AT_ONCE) {
          const end = Math.min(begin + ROWS_AT_ONCE, rows)
          await addRows(x.subarray(begin * size, end * size), end - begin, weights?.subarray(begin, end))
        }
      }
      last = last.then(work) // products that add to the same memory come one after the other
      return last
    },
    finish() {
      const data = new Float32Array(size * size)
      const share = count === 0 ? 0 : Math.fround(1 / count)
      for (const i of starts)
        for (const j of starts) {
          const block = blocks.get(`${i},${j}`)
          if (block) assemble(data, size, block, { i, j, rows: width(i), cols: width(j), share })
        }
      return { size, data, rows: count }
    },
  }
}

/** Columns [start, start + width) of the rows, side by side, each row times the root of its weight. */
function panel(
  x: Float32Array,
  { rows, size, start, width }: { rows: number; size: number; start: number; width: number },
  weights: Float32Array | undefined,
  room: Map<number, Float32Array>,
): Float32Array {
  if (width === size && !weights) return x
  const known = room.get(start)
  const memory = known && known.length >= rows * width ? known : new Float32Array(rows * width)
  room.set(start, memory)
  const part = memory.subarray(0, rows * width)
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * size + start, r * size + start + width)
    if (!weights) {
      part.set(row, r * width)
      continue
    }
    const root = Math.sqrt(weights[r] ?? 0)
    const at = r * width
    for (let c = 0; c < width; c++) part[at + c] = (row[c] ?? 0) * root
  }
  return part
}

/** A block times `share` to its place and, mirrored, below the diagonal. */
function assemble(
  data: Float32Array,
  size: number,
  block: Float32Array,
  { i, j, rows, cols, share }: { i: number; j: number; rows: number; cols: number; share: number },
): void {
  const mirror = { outStride: size, outAt: j * size + i, factor: share }
  transposeInto(block, { rows, cols, stride: cols }, data, mirror)
  for (let r = 0; r < rows; r++) {
    const at = (i + r) * size + j
    for (let c = 0; c < cols; c++) data[at + c] = (block[r * cols + c] ?? 0) * share
  }
}
