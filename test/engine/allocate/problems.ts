import type { Choices, Pair } from '../../../src-main/engine/allocate/define.ts'
import { uniform } from '../kernels/random.ts'

/** [bytes, loss, seconds?] of each option. */
export const choices = (options: [bytes: number, loss: number, seconds?: number][]): Choices => ({
  bytes: Float64Array.from(options, ([bytes]) => bytes),
  loss: Float64Array.from(options, ([, loss]) => loss),
  ...(options[0]?.[2] !== undefined && { seconds: Float64Array.from(options, ([, , seconds]) => seconds ?? NaN) }),
})

/** Small enough to try everything: whole bytes, real losses (some zero, some of them below zero as noise leaves them). */
export function smallProblem(
  seed: number,
  { layers = 5, options = 4, seconds = true, pairs = 0, negative = false } = {},
): { layers: Choices[]; pairs: Pair[] } {
  const next = uniform(seed)
  const made = Array.from({ length: layers }, () =>
    choices(
      Array.from({ length: 1 + Math.floor(next() * options) }, () => {
        const bytes = Math.floor(next() * 60)
        const loss = next() < 0.15 ? 0 : (3 * next()) / (1 + bytes / 10) - (negative && next() < 0.2 ? 0.5 : 0)
        return [bytes, loss, ...(seconds ? [Math.round(next() * 100) / 1000] : [])] as [number, number, number?]
      }),
    ),
  )
  const drawn = Array.from({ length: pairs }, () => {
    const a = Math.floor(next() * layers)
    return { a, b: (a + 1 + Math.floor(next() * (layers - 1))) % layers, rho: 2 * next() - 1 }
  })
  return { layers: made, pairs: drawn }
}

export const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0)
export const smallest = (layers: readonly Choices[]): number => sum(layers.map(({ bytes }) => Math.min(...bytes)))
export const largest = (layers: readonly Choices[]): number => sum(layers.map(({ bytes }) => Math.max(...bytes)))
export const leastLoss = (layers: readonly Choices[]): number => sum(layers.map(({ loss }) => Math.min(...loss)))
export const mostLoss = (layers: readonly Choices[]): number => sum(layers.map(({ loss }) => Math.max(...loss)))
