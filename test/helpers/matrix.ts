import { type CompressedMatrix, isBlocks, isCoded, type QuantizedMatrix } from '../../src-main/engine/quantize/types.ts'

/** A result that must be codes on a grid. */
export function gridOf(matrix: CompressedMatrix): QuantizedMatrix {
  if (isBlocks(matrix)) throw new Error(`blocks of ${matrix.type} where a grid was expected`)
  if (isCoded(matrix)) throw new Error(`a coding ${matrix.coding} where a grid was expected`)
  return matrix
}
