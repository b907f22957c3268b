import { Fault } from '../../../src-preload/contract/fault.ts'
import { someOfEach, topOfRows } from '../kernels/select/select.ts'
import { columnEnergies } from '../kernels/sparse/sparse.ts'
import { keptOf, neighboursOf, type Pattern, type Size } from '../quantize/sparse/forms.ts'

export interface Choice {
  pattern: Pattern
  sparsity: number
  unit: number
  per: 'row' | 'layer'
}

/** Faults where the pattern does not fit the layer. */
export function checkPattern({ pattern, unit }: Pick<Choice, 'pattern' | 'unit'>, cols: number, layer: string): void {
  const neighbours = neighboursOf(pattern)
  const size = pattern === 'columns' ? unit : (neighbours?.m ?? 1)
  if (cols % size === 0) return
  throw new Fault('bad-arguments', `Layer ${layer}: rows of ${cols} weights do not hold the pattern ${pattern}.`, {
    hint: 'Choose another pattern for this layer; "unstructured" fits all.',
    data: { tensor: layer, expected: `a multiple of ${size}`, found: `${cols}` },
  })
}

/** Which entries stay, [rows, cols] of 0 and 1: those with the largest |score|, as many as the pattern says. Of columns, those
 *  whose scores have the largest sum of squares. Faults where the pattern does not fit the layer. */
export function chooseMask(
  scores: Float32Array, // [rows, cols]
  choice: Choice,
  { rows, cols }: Size,
  { layer, threads }: { layer: string; threads?: number },
): Uint8Array {
  const { pattern, unit, per } = choice
  const neighbours = neighboursOf(pattern)
  checkPattern(choice, cols, layer)
  const kept = keptOf(choice, { rows, cols })
  if (neighbours) return someOfEach(scores, rows, cols, neighbours, threads)
  if (pattern === 'columns') return keepColumns(scores, kept / rows, unit, { rows, cols }, threads)
  if (per === 'row') return topOfRows(scores, rows, cols, kept / rows, threads)
  return topOfRows(scores, 1, rows * cols, kept, threads)
}

function keepColumns(
  scores: Float32Array,
  keep: number, // columns
  unit: number,
  { rows, cols }: Size,
  threads?: number,
): Uint8Array {
  const energies = new Float32Array(cols / unit)
  columnEnergies(scores, cols).forEach((energy, c) => {
    const u = Math.floor(c / unit)
    energies[u] = (energies[u] ?? 0) + energy
  })
  const chosen = topOfRows(energies, 1, cols / unit, keep / unit, threads)
  const mask = new Uint8Array(rows * cols)
  for (let c = 0; c < cols; c++) mask[c] = chosen[Math.floor(c / unit)] ?? 0
  for (let r = 1; r < rows; r++) mask.copyWithin(r * cols, 0, cols)
  return mask
}
