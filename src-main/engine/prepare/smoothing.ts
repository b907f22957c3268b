// Factors of SmoothQuant (smooth.ts) for the seams of a network.
import type { TaskContext } from '../protocol.ts'
import type { MeasureArguments } from './define.ts'
import { byChannel, observe } from './observe.ts'
import { columnMaxima, readersOf } from './readers.ts'
import type { Runnable } from './rewriting.ts'
import type { Seam } from './seams.ts'

/** Factors of eq. 4 as `<seam>/scale`. */
export async function smoothing(
  args: MeasureArguments,
  network: Runnable,
  seams: readonly Seam[],
  alpha: number,
  context: TaskContext,
): Promise<Map<string, Float32Array>> {
  const observed = await observe({ ...args, network }, seams, context)
  return new Map(
    seams.flatMap((seam) => {
      const seen = observed.get(seam.name)
      if (!seen) return []
      const activations = byChannel(seam, seen.maxAbs, 'max')
      const weights = columnMaxima(readersOf(network, seam), seam.channels)
      return [[`${seam.name}/scale`, factorsOf(activations, weights, alpha)] as const]
    }),
  )
}

/** Channels that are always 0, on either side, stay as they are. */
export function factorsOf(activations: Float32Array, weights: Float32Array, alpha: number): Float32Array {
  return activations.map((x, channel) => {
    const w = weights[channel] ?? 0
    if (x < 1e-8 || w < 1e-8) return 1
    return Math.min(1e4, Math.max(1e-4, x ** alpha / w ** (1 - alpha)))
  })
}
