// What rows of the variant are, in the checkpoint's own order: the reference of the check.
import { fromFloat32, toFloat32 } from '../../checkpoint/convert.ts'
import { decodeBlocks } from '../../kernels/ggml/decode.ts'
import { encodeRows } from '../../kernels/ggml/encode.ts'
import { contextFor } from '../../quantize/weighted.ts'
import type { ChosenPart, ChosenTensor } from './choose.ts'
import { type Contents, sourceOf } from './content.ts'
import { floatTypes, isFloat } from './types.ts'

export function expectedRows(
  tensor: ChosenTensor['tensor'],
  type: ChosenTensor['type'],
  chosen: ChosenPart,
  rows: readonly number[],
  { network, importance }: Contents,
): Float32Array[] {
  const { cols } = tensor
  const { part, artifact, option } = chosen
  const { dtype, read } = sourceOf(network, tensor, chosen)
  const plain = rows.map((row) => toFloat32(read(row, row + 1).slice(), dtype))
  if (chosen.type === type && (artifact || (!option && !isFloat(type)))) return plain // the same blocks, decoded
  if (isFloat(type)) return plain.map((row) => toFloat32(fromFloat32(row, floatTypes[type]), floatTypes[type]))
  const weights = part.layer && option && !artifact ? contextFor(part.layer, option, importance).importance : undefined
  return plain.map((row) =>
    decodeBlocks(
      type,
      encodeRows(type, { rows: 1, cols, weights: row }, { importance: weights, threads: 1, layer: part.info.name }),
    ),
  )
}
