import type { Choices } from '../../../src-main/engine/allocate/define.ts'
import { prepareKnapsack } from '../../../src-main/engine/allocate/knapsack.ts'
import { gaussian, uniform } from '../kernels/random.ts'

/** The same layers with times, and limits of size and time that both bind: a third of the bytes between the smallest and the
 *  largest, and as much time as lies half way between the fastest and what the size alone would choose. */
export function timed(
  layers: readonly Choices[],
  seed: number,
): { layers: Choices[]; limits: { maxBytes: number; maxSeconds: number } } {
  const [next, normal] = [uniform(seed + 1000), gaussian(seed + 2000)]
  const known = layers.map((layer): Choices => {
    const perByte = 1e-10 * Math.exp(normal())
    const fixed = 1e-5 * next()
    const seconds = layer.bytes.map((size) => fixed + perByte * size * Math.max(0.2, 1 + 0.15 * normal()))
    return { ...layer, seconds }
  })
  const sum = (pick: (layer: Choices) => number) => known.reduce((all, layer) => all + pick(layer), 0)
  const [smallest, largest] = [sum(({ bytes }) => Math.min(...bytes)), sum(({ bytes }) => Math.max(...bytes))]
  const maxBytes = Math.floor(smallest + 0.15 * (largest - smallest))
  const { seconds } = prepareKnapsack(known).solve(maxBytes)
  const fastest = sum((layer) => Math.min(...(layer.seconds ?? [0])))
  return { layers: known, limits: { maxBytes, maxSeconds: fastest + 0.6 * ((seconds ?? 0) - fastest) } }
}
