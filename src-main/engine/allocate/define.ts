import type { z } from 'zod'
import type { MethodBase } from '../method.ts'

/** What can be done to one layer. The arrays are parallel; a locked layer has one entry. */
export interface Choices {
  bytes: Float64Array // whole bytes
  loss: Float64Array // any finite unit, additive over layers
  seconds?: Float64Array // time of one sample, additive over layers; absent: not known
}

/** Two layers whose errors meet. A loss is about quadratic in the error, so that of both together is
 *  loss_a + loss_b + 2 rho sqrt(loss_a loss_b); rho = 0 is additivity. */
export interface Pair {
  a: number // index of a layer
  b: number
  rho: number // -1 .. 1 from measurements, a little outside by their noise
}

/** A recipe that was measured. */
export interface Sample {
  choice: readonly number[] // [layers] option
  loss: number // in the problem's unit
}

/** One choice to make. Bounds that are absent do not bind. */
export interface Problem {
  layers: readonly Choices[]
  /** Least loss, or fewest bytes. */
  objective: 'loss' | 'bytes'
  maxBytes?: number
  maxLoss?: number
  maxSeconds?: number
  pairs?: readonly Pair[]
  measured?: readonly Sample[] // what allocators with a predictor of their own learn from
  seed?: number // of allocators that draw
}

export interface Allocation {
  choice: Int32Array // [layers] index into each layer's options
  bytes: number
  loss: number // pairs counted, where the problem has them
  seconds: number | null
  optimal: boolean // proven best, to float64 rounding
  gap: number // objective - proven lower bound on it; 0 when optimal, Infinity where nothing is proven
  judged?: string // by what `loss` is told and what measured recipes taught of it, in words; absent: by the problem's own sum
}

export interface Allocator<P extends z.ZodObject = z.ZodObject> extends MethodBase<P> {
  family: 'allocate'
  /** Which parts of a problem it takes into account beside bytes and loss; others are refused by name. */
  knows: readonly ('objective-bytes' | 'maxLoss' | 'maxSeconds' | 'pairs')[]
  /** Prepares once and then answers in milliseconds; others take up to seconds for each plan. */
  isSwift: boolean
  /** Fault('infeasible') names the bounds that contradict each other and the nearest that can be had, in `data`. */
  solve(problem: Problem, parameters: z.output<P>): Allocation | Promise<Allocation>
}

export const defineAllocator = <P extends z.ZodObject>(method: Omit<Allocator<P>, 'family'>): Allocator<P> => ({
  ...method,
  family: 'allocate',
})
