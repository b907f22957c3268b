import type { z } from 'zod'

/** What is known of one sequence of n tokens; fillings are left out. */
export interface Sequence {
  tokens: number // n
  ids: Int32Array | null // [n] numbers in the vocabulary
  input: Float32Array | null // [n, width] what enters the block
  output: Float32Array | null // [n, width] what leaves it
  attention: Float64Array | null // [n] attention that each token receives, see concentration.ts
  seenBy: Float64Array | null // [n] queries that can see each token: all, or in a causal model itself and those behind it
  counts: ReadonlyMap<number, number> // of each token in the calibration data
}

export type SequenceNeed = 'ids' | 'input' | 'output' | 'attention'

/** How important each token of a sequence is: RSQ's R, the diagonal that scales the rows x of a calibration batch.
 *  Sung et al. 2025, "RSQ: Learning from Important Tokens Leads to Better Quantized LLMs", section 3. */
export interface TokenStrategy<P extends z.ZodObject = z.ZodObject> {
  id: string
  title: string
  formula: string
  needs: readonly SequenceNeed[] // where one is not to be had, tokens weigh alike
  params: P
  /** [n], rMin .. 1. */
  apply(sequence: Sequence, parameters: z.output<P>): Float64Array
}

export const defineStrategy = <P extends z.ZodObject>(strategy: TokenStrategy<P>): TokenStrategy => ({
  ...strategy,
  apply: (sequence, parameters) => strategy.apply(sequence, strategy.params.parse(parameters)),
})
