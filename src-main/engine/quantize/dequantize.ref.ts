import type { QuantizedMatrix } from './types.ts'

/** Plain twin of dequantize.ts: (code - zero) * scale, rounded once to float32. */
export function dequantizeReference(q: QuantizedMatrix): Float32Array {
  return Float32Array.from(q.codes, (code, i) => {
    const group = Math.floor(i / q.cols) * q.groups + Math.floor((i % q.cols) / q.groupSize)
    const grid = q.granularity === 'tensor' ? 0 : group
    return (code - (q.zeros[grid] ?? 0)) * (q.scales[grid] ?? 0)
  })
}
