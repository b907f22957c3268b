// Orders of rows. Rows are moved whole, so the same maps serve plain and packed matrices.
//   rotary   Hugging Face turns feature i of a head with feature i + d/2 (half-split), the "llama" architecture of ggml
//            neighbours 2i and 2i + 1. HF row (h, half, i) is GGUF row (h, i, half).       Su et al. 2021, section 3.4.2
//   grouped  NeoX lays query, key and value rows out head by head, ggml all queries, all keys, all values.
//            HF row (h, which, i) is GGUF row (which, h, i).

export type RowOrder =
  | { kind: 'rotary'; heads: number } // rows = heads x even head size
  | { kind: 'grouped'; heads: number } // rows = heads x 3 x head size

/** HF row that GGUF row `row` of `rows` is. */
export function sourceRow(order: RowOrder | undefined, rows: number, row: number): number {
  if (!order) return row
  const { heads } = order
  if (order.kind === 'rotary') {
    const size = rows / heads
    const within = row % size
    return row - within + (within % 2) * (size / 2) + Math.floor(within / 2)
  }
  const size = rows / heads / 3
  const [which, head, i] = [Math.floor(row / (heads * size)), Math.floor(row / size) % heads, row % size]
  return (head * 3 + which) * size + i
}

/** GGUF row that HF row `row` of `rows` is: the inverse of `sourceRow`. */
export function targetRow(order: RowOrder | undefined, rows: number, row: number): number {
  if (!order) return row
  const { heads } = order
  if (order.kind === 'rotary') {
    const size = rows / heads
    const within = row % size
    return row - within + (within % (size / 2)) * 2 + Math.floor(within / (size / 2))
  }
  const size = rows / heads / 3
  const [head, which, i] = [Math.floor(row / (3 * size)), Math.floor(row / size) % 3, row % size]
  return (which * heads + head) * size + i
}

/** Whether the rows can be cut up so: a head of odd size has no halves. */
export const orderFits = (order: RowOrder | undefined, rows: number): boolean =>
  !order || rows % (order.heads * (order.kind === 'rotary' ? 2 : 3)) === 0
