import { z } from 'zod'

export const minimum = z
  .number()
  .min(0)
  .max(1)
  .default(0.3)
  .describe('Importance of the least important token; the most important one has 1')

/** Scores to rMin .. 1, linearly (RSQ, section 3.3); all alike where the scores are. */
export function normalise(scores: ArrayLike<number>, rMin: number): Float64Array {
  let [low, high] = [Infinity, -Infinity]
  for (let i = 0; i < scores.length; i++) {
    low = Math.min(low, scores[i] as number)
    high = Math.max(high, scores[i] as number)
  }
  const span = high - low
  return Float64Array.from(scores, (score) => (span > 0 ? rMin + ((score - low) / span) * (1 - rMin) : 1))
}
