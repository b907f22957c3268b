import { packedBytes } from '../kernels/bits.ts'
import { codedBytes } from '../quantize/codings/define.ts'
import { type CompressedMatrix, isBlocks, isCoded } from '../quantize/types.ts'

const scaleBytes = { float16: 2, float32: 4 } as const

/** Bytes of everything that is needed to have the weights back: codes as one bit stream, a scale a group, zero points as
 *  wide as a code where they are not all the same; blocks of a GGUF type; every part of a coding. File headers do not
 *  count. */
export function storedBytes(matrix: CompressedMatrix): number {
  if (isBlocks(matrix)) return matrix.blocks.byteLength
  if (isCoded(matrix)) return codedBytes(matrix)
  const { rows, cols, bits, scales, scaleType, symmetric, zeros } = matrix
  return (
    packedBytes(rows * cols, bits) +
    scales.length * scaleBytes[scaleType] +
    (symmetric ? 0 : packedBytes(zeros.length, bits))
  )
}
