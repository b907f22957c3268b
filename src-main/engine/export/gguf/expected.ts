// What rows of the variant are, in the checkpoint's own order: the reference of the check.
import { fromFloat32, toFloat32 } from '../../checkpoint/convert.ts'
import { decodeBlocks } from '../../kernels/ggml/decode.ts'
import { encodeRows } from '../../kernels/ggml/encode.ts'
import { rowBytes } from '../../kernels/ggml/types.ts'
import { contextFor } from '../../quantize/weighted.ts'
import type { ChosenPart, ChosenTensor } from './choose.ts'
import { artifactBlocks, type Contents, weightSource } from './content.ts'
import { floatTypes, isFloat } from './types.ts'

export function expectedRows(
  tensor: ChosenTensor['tensor'],
  type: ChosenTensor['type'],
  { part, artifact, option }: ChosenPart,
  rows: readonly number[],
  { network, importance }: Contents,
): Float32Array[] {
  const { cols } = tensor
  if (artifact) {
    const blocks = artifactBlocks(artifact.path, part.info, { type, rows: part.rows, cols })
    const width = rowBytes(type, cols)
    return rows.map((row) => decodeBlocks(type, blocks.subarray(row * width, (row + 1) * width)))
  }
  const { dtype, read } = weightSource(network, tensor, part)
  const plain = rows.map((row) => toFloat32(read(row, row + 1).slice(), dtype))
  if (!option && !isFloat(type)) return plain // decoded from the same blocks
  if (isFloat(type)) return plain.map((row) => toFloat32(fromFloat32(row, floatTypes[type]), floatTypes[type]))
  const weights = part.layer && option ? contextFor(part.layer, option, importance).importance : undefined
  return plain.map((row) =>
    decodeBlocks(
      type,
      encodeRows(type, { rows: 1, cols, weights: row }, { importance: weights, threads: 1, layer: part.info.name }),
    ),
  )
}
