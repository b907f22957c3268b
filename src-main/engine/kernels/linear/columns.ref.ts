import { roundEven } from '../float16.ts'
import type { GridColumns } from './columns.ts'

const f = Math.fround
type Grid = Pick<GridColumns, 'rows' | 'cols' | 'groupSize' | 'settings' | 'codes' | 'scales' | 'zeros'>

const nearest = ({ settings: { bits } }: Grid, v: number, z: number) =>
  roundEven(Math.min(2 ** bits - 1 - z, Math.max(-z, v)))

/** Plain twin of `feed` in assembly/linear-columns.ts for one block that is the whole matrix: fills the grid's codes.
 *  w [cols, rows] is changed; u [cols, cols]. */
export function feedColumnsReference(grid: Grid, w: Float32Array, u: Float32Array): void {
  const { rows, cols, groupSize } = grid
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < cols; i++) {
      const group = Math.floor(i / groupSize) * rows + r
      const [s, z] = [grid.scales[group] ?? 1, grid.zeros[group] ?? 0]
      const value = w[i * rows + r] ?? 0
      const code = nearest(grid, f(value / s), z)
      grid.codes[i * rows + r] = code + z
      const e = f(f(value - f(code * s)) * f(1 / (u[i * cols + i] ?? 1)))
      for (let j = i + 1; j < cols; j++) w[j * rows + r] = f((w[j * rows + r] ?? 0) - f((u[i * cols + j] ?? 0) * e))
    }
}

/** The same of `refine` without scales: g [cols, rows] = columns of (W - Q) H, changed; h [cols, cols]. */
export function refineColumnsReference(grid: Grid, g: Float32Array, h: Float32Array): void {
  const { rows, cols, groupSize } = grid
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < cols; i++) {
      const group = Math.floor(i / groupSize) * rows + r
      const [s, z] = [grid.scales[group] ?? 1, grid.zeros[group] ?? 0]
      const old = (grid.codes[i * rows + r] ?? 0) - z
      const pivot = h[i * cols + i] ?? 0
      const inverse = pivot > 0 ? f(1 / pivot) : 0
      const code = nearest(grid, f(old + f(f((g[i * rows + r] ?? 0) * inverse) / s)), z)
      grid.codes[i * rows + r] = code + z
      const change = f((code - old) * s)
      for (let j = i + 1; j < cols; j++)
        g[j * rows + r] = f((g[j * rows + r] ?? 0) - f((h[i * cols + j] ?? 0) * change))
    }
}
