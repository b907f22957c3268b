import { fromHalfBits } from '../float16.ts'
import type { GgmlType } from './types.ts'

// Largest magnitudes that become finite blocks, as float32 bits. float16 scales end at 65504, and so do weights in blocks:
// beyond it some codes would overflow, and a weight of that size is a broken one.
const limits: Partial<Record<GgmlType, number>> = {
  F32: 0x7f7fffff,
  BF16: 0x7f7f7fff, // the next one rounds to infinity
  F16: 0x477fefff, // 65520 rounds to infinity
}

export const largestMagnitude = (type: GgmlType): number => limits[type] ?? 0x477fe000

/** A source element of kind 0 float32, 1 float16, 2 bfloat16 as a number. */
export function valueOf(bytes: Uint8Array, kind: number): number {
  const view = new DataView(bytes.slice().buffer)
  if (kind === 0) return view.getFloat32(0, true)
  const bits = view.getUint16(0, true)
  if (kind === 1) return fromHalfBits(bits)
  return new Float32Array(Uint32Array.of(bits * 65536).buffer)[0] ?? NaN
}
