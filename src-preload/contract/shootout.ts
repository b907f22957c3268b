import { z } from 'zod'
import { faultSchema } from './fault.ts'
import { optionSchema } from './plan.ts'

/** One option tried on one layer. Errors are relative: 0 is exact, 1 as bad as all zeros. */
export const shootoutRowSchema = z.object({
  option: optionSchema,
  method: z.string(), // id of the quantizer that offered it; its option may be carried out by another
  prepared: z.array(z.string()), // preparations that belong to the quantizer and were done before, by title
  bytes: z.number().nullable(), // codes, scales, zero points, indexes, codebooks; null where it failed
  bitsPerWeight: z.number().nullable(), // 8 x bytes / weights
  weightError: z.number().nullable(), // ||W - Q||^2 / ||W||^2
  outputError: z.number().nullable(), // E ||(W - Q) x||^2 / E ||W x||^2; null without inputs to measure on
  seconds: z.number(), // that the quantizer took
  source: z.string(), // what the output error was measured on, in words
  notes: z.array(z.string()), // damping raised, a fallback taken
  fault: faultSchema.nullable(), // why it could not be done; the others go on
})
export type ShootoutRow = z.infer<typeof shootoutRowSchema>

/** What is known of a layer: every option that was tried, with this data and these preparations. */
export const shootoutSchema = z.object({
  layer: z.string(),
  rows: z.array(shootoutRowSchema),
  done: z.array(z.string()), // quantizers with nothing left to try
})
export type Shootout = z.infer<typeof shootoutSchema>
