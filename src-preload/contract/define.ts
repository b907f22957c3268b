import type { z } from 'zod'

export interface Channel<A extends z.ZodType, R extends z.ZodType> {
  args: A
  result: R
}

/** One row of the contract: what goes in, what comes out. */
export const channel = <A extends z.ZodType, R extends z.ZodType>(args: A, result: R): Channel<A, R> => ({
  args,
  result,
})
