import { Fault } from '../../../../src-preload/contract/fault.ts'
import { decodeBlocks } from '../../kernels/ggml/decode.ts'
import { rowBytes } from '../../kernels/ggml/types.ts'
import { dequantizeRows } from '../../quantize/dequantize.ts'
import { type CompressedMatrix, isBlocks, type QuantizedMatrix } from '../../quantize/types.ts'

/** Rows [begin, end) of a compressed weight as the numbers they stand for. */
export function denseRows(matrix: CompressedMatrix, begin: number, end: number): Float32Array {
  if (!isBlocks(matrix)) return dequantizeRows(matrix, begin, end)
  const bytes = rowBytes(matrix.type, matrix.cols)
  return decodeBlocks(matrix.type, matrix.blocks.subarray(begin * bytes, end * bytes))
}

/** A weight on a grid, with one scale at least an output. Faults 'unsupported' for blocks of a GGUF type. */
export function gridOf(matrix: CompressedMatrix, layer: string, format: string): QuantizedMatrix {
  if (isBlocks(matrix))
    throw new Fault('unsupported', `${layer} is compressed as ${matrix.type}, which ${format} does not know.`, {
      hint: 'Plan for this format, or export as GGUF.',
      data: { tensor: layer, found: matrix.type },
    })
  if (matrix.granularity !== 'tensor') return matrix
  const { rows } = matrix
  const scales = new Float32Array(rows).fill(matrix.scales[0] ?? 1)
  const zeros = new Uint8Array(rows).fill(matrix.zeros[0] ?? 0)
  return { ...matrix, granularity: 'channel', scales, zeros }
}
