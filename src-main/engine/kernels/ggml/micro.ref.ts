// Plain twin of assembly/shared/ggml/micro.ts.
import { roundEven } from '../float16.ts'
import { microscalingValues } from './layout.ts'

const f = Math.fround
const magnitudes = [...microscalingValues.subarray(0, 8)]

/** |x| / s to the nearest of 0 1 2 3 4 6 8 12. */
function nearest(size: number): number {
  const step = size > 8 ? 4 : size > 4 ? 2 : 1
  return roundEven(Math.min(12, size) / step) * step
}

export function microReference(x: Float32Array, h: Float32Array, trials: number): { d: number; codes: Uint8Array } {
  const most = Math.max(...x.map(Math.abs))
  if (most === 0) return { d: 0, codes: new Uint8Array(x.length) }
  const biased = (new Uint32Array(Float32Array.of(most).buffer)[0] ?? 0) >>> 23
  let best = { exponent: 0, error: Infinity }
  for (let t = 0; t < trials; t++) {
    const exponent = Math.max(2, biased - 1 - t)
    const scale = 2 ** (exponent - 128)
    let error = 0
    x.forEach((value, i) => {
      const size = Math.abs(value)
      const e = f(size - f(scale * nearest(f(size * f(1 / scale)))))
      error = f(error + f(f((h[i] ?? 0) * e) * e))
    })
    if (error < best.error) best = { exponent, error }
  }
  const inverse = f(1 / 2 ** (best.exponent - 128))
  const codes = Uint8Array.from(x, (value) => {
    const code = magnitudes.indexOf(nearest(f(Math.abs(value) * inverse)))
    return code > 0 && value < 0 ? code + 8 : code
  })
  return { d: best.exponent, codes }
}
