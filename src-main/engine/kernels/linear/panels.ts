// Triangular matrices in column panels, so that every block and every run of blocks within a panel is one piece of memory:
// products take them as they lie.
export const BLOCK = 256

export interface Panel {
  begin: number // first column
  width: number
  top: number // first row
  data: Float32Array // [rows, width]
}

const panelAt = (size: number, begin: number, top: number, rows: number): Panel => {
  const width = Math.min(BLOCK, size - begin)
  return { begin, width, top, data: new Float32Array(rows * width) }
}
const begins = (size: number) => Array.from({ length: Math.ceil(size / BLOCK) }, (_, i) => i * BLOCK)

/** Panels that hold rows from 0 to the diagonal block. */
export const upperPanels = (size: number): Panel[] =>
  begins(size).map((begin) => panelAt(size, begin, 0, Math.min(begin + BLOCK, size)))

/** Panels that hold rows from the diagonal block to the end. */
export const lowerPanels = (size: number): Panel[] =>
  begins(size).map((begin) => panelAt(size, begin, begin, size - begin))

/** Rows [from, to) of a panel: shares memory. */
export const rowsOfPanel = ({ data, width, top }: Panel, from: number, to: number): Float32Array =>
  data.subarray((from - top) * width, (to - top) * width)
