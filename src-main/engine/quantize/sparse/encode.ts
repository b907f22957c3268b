import { fromFloat32 } from '../../checkpoint/convert.ts'
import { packBits } from '../../kernels/bits.ts'
import { encodeScales } from '../../kernels/float16.ts'
import { compactCodes, compactFloats } from '../../kernels/sparse/sparse.ts'
import type { CodedMatrix, CodedPart } from '../codings/define.ts'
import { type SparseShape, sparseForm } from './forms.ts'
import { encodePlaces } from './places.ts'

/** What is kept: numbers, or codes on a grid. Entries that the mask leaves out are not looked at. */
export type KeptValues =
  | { values: Float32Array } // [rows, cols]
  | { codes: Uint8Array; scales: Float32Array } // [rows, cols], 2^(width - 1) is 0; [rows, groups], float16 values

/** The coded weight; everything over `unit`. The mask [rows, cols] keeps as many entries as the shape says. */
export function encodeSparse(
  kept: KeptValues,
  mask: Uint8Array,
  shape: SparseShape,
  { rows, cols, unit }: { rows: number; cols: number; unit: number },
): CodedMatrix {
  const { parts, ...form } = sparseForm(shape, { rows, cols })
  const data: Record<string, Uint8Array> = {
    ...encodePlaces(mask, shape, cols),
    values:
      'codes' in kept
        ? packBits(compactCodes(kept.codes, mask), shape.width)
        : fromFloat32(compactFloats(kept.values, mask), shape.width === 16 ? 'float16' : 'float32'),
    unit: encodeScales(Float32Array.of(unit), 'float32'),
  }
  if ('scales' in kept) data.scales = encodeScales(kept.scales, 'float16')
  const named = Object.entries(parts).map(([name, part]): [string, CodedPart] => [
    name,
    { ...part, data: data[name] ?? new Uint8Array() },
  ])
  return { ...form, parts: Object.fromEntries(named) }
}
