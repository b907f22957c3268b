// Rows of a tensor in the order of the file, a bounded piece at a time.
import type { Part } from './layout.ts'
import { sourceRow } from '../../checkpoint/gguf/architectures/rows.ts'

export const CHUNK_BYTES = 4 << 20

/** Bytes of rows [begin, end) of the part, in its own order. Valid until the next call. */
export type ReadRows = (begin: number, end: number) => Uint8Array

/** All rows in the file's order. `rowBytes` of what `read` gives. A yielded array is the caller's until the next is asked for. */
export function* rowsInOrder(
  { order, rows }: Pick<Part, 'order' | 'rows'>,
  rowBytes: number,
  read: ReadRows,
  chunkBytes = CHUNK_BYTES,
): Generator<Uint8Array> {
  // Whole heads at a time: within one, the rotary order only trades places.
  const head = order?.kind === 'rotary' ? rows / order.heads : 1
  const step = Math.max(1, Math.floor(chunkBytes / rowBytes / head)) * head
  for (let begin = 0; begin < rows; begin += step) {
    const end = Math.min(begin + step, rows)
    if (!order) yield read(begin, end)
    else yield gather(begin, end, (row) => sourceRow(order, rows, row), rowBytes, read)
  }
}

/** Rows begin .. end of the file, where row r is the part's own row source(r). */
function gather(
  begin: number,
  end: number,
  source: (row: number) => number,
  rowBytes: number,
  read: ReadRows,
): Uint8Array {
  const wanted = Array.from({ length: end - begin }, (_, i) => source(begin + i))
  const out = new Uint8Array(wanted.length * rowBytes)
  const lowest = wanted.reduce((least, row) => Math.min(least, row), Infinity)
  const highest = wanted.reduce((most, row) => Math.max(most, row), 0)
  if (highest - lowest + 1 === wanted.length) {
    const bytes = read(lowest, highest + 1)
    for (const [i, row] of wanted.entries())
      out.set(bytes.subarray((row - lowest) * rowBytes, (row - lowest + 1) * rowBytes), i * rowBytes)
    return out
  }
  for (let i = 0; i < wanted.length;) {
    let run = 1
    while (wanted[i + run] === (wanted[i] as number) + run) run++
    out.set(read(wanted[i] as number, (wanted[i] as number) + run), i * rowBytes)
    i += run
  }
  return out
}
