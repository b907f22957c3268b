import type { z } from 'zod'
import type { MethodBase } from '../method.ts'

/** What can be done to one layer. Both arrays are parallel; a locked layer has one entry. */
export interface Choices {
  bytes: Float64Array // whole bytes
  loss: Float64Array // any finite unit, additive over layers
}

export interface Allocation {
  choice: Int32Array // [layers] index into each layer's options
  bytes: number
  loss: number
  optimal: boolean // proven best, to float64 rounding
  gap: number // loss - proven lower bound on it; 0 when optimal
}

export interface Allocator<P extends z.ZodObject = z.ZodObject> extends MethodBase<P> {
  family: 'allocate'
  /** Least total loss with total bytes <= budgetBytes. Fault('infeasible') names the smallest possible bytes. */
  solve(layers: readonly Choices[], budgetBytes: number): Allocation
}

export const defineAllocator = <P extends z.ZodObject>(method: Omit<Allocator<P>, 'family'>): Allocator<P> => ({
  ...method,
  family: 'allocate',
})
