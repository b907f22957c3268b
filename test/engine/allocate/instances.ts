import type { Choices } from '../../../src-main/engine/allocate/define.ts'
import { gaussian, uniform } from '../kernels/random.ts'

/** Layers of a network: bytes = bits * weights / 8 with scales, loss falling about exponentially with bits, with noise.
 *  varied: sizes over two orders of magnitude. repeated: three sizes, as in a transformer. small: kilobytes. */
export function realisticInstance(
  kind: 'varied' | 'repeated' | 'small',
  layers: number,
  options: number,
  seed: number,
): Choices[] {
  const [next, normal] = [uniform(seed), gaussian(seed + 1)]
  const widths = Array.from({ length: options }, (_, i) => 2 + (14 * i) / Math.max(1, options - 1))
  return Array.from({ length: layers }, (_, i) => {
    const weights = {
      varied: Math.ceil(1000 * Math.exp(6 * next())),
      repeated: [1 << 20, 1 << 22, 1_441_792][i % 3] ?? 0,
      small: 16 * Math.ceil(10 * Math.exp(2 * next())),
    }[kind]
    const importance = Math.exp(2 * normal()) * Math.sqrt(weights) * 1e-6
    const rate = 1 + 0.6 * next()
    const overhead = kind === 'repeated' ? 0 : Math.floor(next() * 40)
    return {
      bytes: Float64Array.from(widths, (bits) => Math.ceil((bits * weights) / 8) + Math.ceil(weights / 32) + overhead),
      loss: Float64Array.from(widths, (bits) => importance * 2 ** (-rate * bits) * Math.max(0, 1 + 0.2 * normal())),
    }
  })
}

/** Losses that are a line in the bytes plus a hair: every choice looks alike to a bound (strongly correlated instances,
 *  Pisinger 1995 section 6). */
export function hardInstance(layers: number, options: number, seed: number): Choices[] {
  const next = uniform(seed)
  return Array.from({ length: layers }, () => {
    const bytes = Float64Array.from({ length: options }, () => 1 + Math.floor(next() * 1e7)).sort()
    return { bytes, loss: bytes.map((size) => 2e7 - size + next() * 1e3) }
  })
}
