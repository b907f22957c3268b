import { unpackBlocks } from '../kernels/ggml/decode.ts'
import type { GgmlType } from '../kernels/ggml/types.ts'
import type { BlockMatrix, QuantizedMatrix } from './types.ts'

// Types whose blocks are exactly a uniform symmetric grid. The scales of super-blocks are products of two stored numbers,
// which float32 holds and float16 does not. TQ2_0 has codes -1 .. 2: its mirror is the grid -2 .. 1.
const grids = {
  Q4_0: { bits: 4, groupSize: 32, scaleType: 'float16', mirrored: false },
  Q5_0: { bits: 5, groupSize: 32, scaleType: 'float16', mirrored: false },
  Q8_0: { bits: 8, groupSize: 32, scaleType: 'float16', mirrored: false },
  Q3_K: { bits: 3, groupSize: 16, scaleType: 'float32', mirrored: false },
  Q6_K: { bits: 6, groupSize: 16, scaleType: 'float32', mirrored: false },
  TQ2_0: { bits: 2, groupSize: 256, scaleType: 'float16', mirrored: true },
} as const satisfies Partial<Record<GgmlType, object>>

const isGrid = (type: GgmlType): type is keyof typeof grids => Object.hasOwn(grids, type)

/** Whether blocks of the type are a grid. */
export const hasGrid = (type: GgmlType): boolean => isGrid(type)

/** The same weights as codes on a uniform grid; null where the type is not one. */
export function asGrid({ rows, cols, type, blocks }: BlockMatrix): QuantizedMatrix | null {
  if (!isGrid(type)) return null
  const { bits, groupSize, scaleType, mirrored } = grids[type]
  const zero = 2 ** (bits - 1)
  const { codes, scales } = unpackBlocks(type, blocks, zero, mirrored)
  scales.forEach((scale, group) => {
    if (mirrored) scales[group] = -scale
    if (scale !== 0) return
    scales[group] = 1 // a group of zeros: any scale gives them
    codes.fill(zero, group * groupSize, (group + 1) * groupSize)
  })
  const shape = { rows, cols, bits, symmetric: true, groupSize, groups: cols / groupSize }
  const zeros = new Uint8Array(scales.length).fill(zero)
  return { ...shape, granularity: 'group', scaleType, codes, scales, zeros }
}
