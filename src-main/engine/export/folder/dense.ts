import { Fault } from '../../../../src-preload/contract/fault.ts'
import { asGrid } from '../../quantize/as-grid.ts'
import { type CompressedMatrix, isBlocks, isCoded, type QuantizedMatrix } from '../../quantize/types.ts'

/** A weight on a grid, with one scale at least an output. Faults 'unsupported' for blocks of a GGUF type that are none. */
export function gridOf(matrix: CompressedMatrix, layer: string, format: string): QuantizedMatrix {
  const grid = isBlocks(matrix) ? asGrid(matrix) : isCoded(matrix) ? null : matrix
  if (grid === null)
    throw new Fault('unsupported', `${layer} is in ${typeOf(matrix)} blocks, which ${format} does not know.`, {
      hint: 'Plan for this format, or export as GGUF.',
      data: { tensor: layer, found: typeOf(matrix) },
    })
  if (grid.granularity !== 'tensor') return grid
  const scales = new Float32Array(grid.rows).fill(grid.scales[0] ?? 1)
  const zeros = new Uint8Array(grid.rows).fill(grid.zeros[0] ?? 0)
  return { ...grid, granularity: 'channel', scales, zeros }
}

const typeOf = (matrix: CompressedMatrix): string =>
  isBlocks(matrix) ? matrix.type : isCoded(matrix) ? matrix.coding : ''
