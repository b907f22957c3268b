import { z } from 'zod'
import { budgetSchema, methodUseSchema, recipeSchema } from './plan.ts'

/** What is about to be started; the same words as the channel that starts it takes. */
export const preflightJobSchema = z.discriminatedUnion('kind', [
  /** Recipes carried out and, where the project has data, evaluated. */
  z.object({
    kind: z.literal('run'),
    recipes: z.array(recipeSchema).min(1).max(128),
    evaluate: z.boolean().default(true),
  }),
  z.object({
    kind: z.literal('front'),
    budgets: z.array(budgetSchema).min(1).max(64),
    uniform: z.boolean().default(true),
  }),
  z.object({
    kind: z.literal('sensitivity'),
    samples: z.number().int().positive().optional(),
    every: z.boolean().optional(),
    pairs: z.boolean().default(false),
    latency: z.boolean().default(false),
  }),
  z.object({ kind: z.literal('score'), uses: z.array(methodUseSchema).min(1).max(64) }),
  z.object({ kind: z.literal('evaluate'), variant: z.string().nullable().default(null) }),
  z.object({ kind: z.literal('export'), bytes: z.number().nonnegative(), path: z.string().max(4096).optional() }),
])
export type PreflightJob = z.output<typeof preflightJobSchema>

/** Before something long is started: what it will take of this machine, and why. It advises and refuses nothing. */
export const preflightSchema = z.object({
  memory: z.object({
    peakBytes: z.number(), // of Lathe's processes together
    availableBytes: z.number(), // what the machine, or the container around us, can still give
    fits: z.boolean(),
    reason: z.string(), // 'weights 19 MB x 2 + activations 12 MB + Hessians 40 MB + programs 0.3 GB'
  }),
  disk: z.object({
    bytes: z.number(), // that will be written and stay
    freeBytes: z.number(), // where it is written
    fits: z.boolean(),
    reason: z.string(),
  }),
  time: z.object({
    seconds: z.number(),
    lowSeconds: z.number(), // about 95 of 100 lie between
    highSeconds: z.number(),
    from: z.string(), // 'timed in this project: compressing layers (12 times); a first guess: evaluating'
  }),
  done: z.number().min(0).max(1), // share of the work that an earlier job has done already
  fits: z.boolean(),
  alternatives: z.array(z.string()), // what to do when it does not fit, best first
  notices: z.array(z.string()), // 'asked for 512 samples, the data has 128: all of them are used'
})
/** How fast this machine does what jobs are made of: the first estimates come from it. */
export const ratesSchema = z.object({
  gflops: z.number(), // of float32 matrix products on the CPU
  weightsPerSecond: z.number(), // rounded to nearest, 4 bits
  openMs: z.number(), // of a session
  machine: z.string(), // processor, threads, runtime of the programs
  at: z.string(), // the newest probe; each figure is the best of the last days
})

export type Preflight = z.infer<typeof preflightSchema>
