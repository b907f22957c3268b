import { z } from 'zod'
import { budgetSchema, recipeSchema } from './plan.ts'

const interval = z.object({ loss: z.number(), low: z.number(), high: z.number() })

/** One plan made with a score in place of measured losses. */
export const scorePlanPointSchema = z.object({
  budget: budgetSchema,
  bytes: z.number(), // of the exported file
  averageBits: z.number(),
  judged: interval, // what the measured sensitivities say of it, nats of KL divergence per prediction
  measured: interval.nullable(), // of its variant, where that was run and evaluated
  recipe: recipeSchema,
  recipeId: z.string(),
})
export type ScorePlanPoint = z.infer<typeof scorePlanPointSchema>

/** What a row of plans was made with: a score times the weight error; the weight error alone; the measured losses themselves
 *  (nothing here can be judged better); one width for all. */
export const planBases = ['score', 'error', 'sensitivity', 'uniform'] as const
export const scorePlansSchema = z.object({
  judge: z.string(), // where the losses that judge come from, in words
  unmeasured: z.number().int(), // (layer, option) pairs whose loss had to be guessed
  rows: z.array(
    z.object({
      basis: z.enum(planBases),
      method: z.string().nullable(), // the score
      notes: z.array(z.string()),
      points: z.array(scorePlanPointSchema),
    }),
  ),
})
export type ScorePlans = z.infer<typeof scorePlansSchema>
export type ScorePlanRow = ScorePlans['rows'][number]

/** How a score becomes a weight of a layer's error: by its rank (any scale), or by its value. */
export const weighings = ['rank', 'value'] as const
export type Weighing = (typeof weighings)[number]

const channelSchema = z.object({
  index: z.number().int(),
  norm: z.number(), // Euclidean
  ratio: z.number(), // to the median norm
  kurtosis: z.number(), // fourth standardized moment; 3 for a normal distribution
})
const sideSchema = z.object({
  count: z.number().int(),
  medianNorm: z.number(),
  medianKurtosis: z.number(),
  largest: z.array(channelSchema), // by norm, the largest first
  heaviest: z.array(channelSchema), // by kurtosis
})
export type XrayChannel = z.infer<typeof channelSchema>

/** Everything known of one layer's numbers. */
export const xraySchema = z.object({
  layer: z.string(),
  rows: sideSchema, // output channels
  cols: sideSchema, // input channels (of a convolution: its kernel places together)
  kurtosis: z.number(), // over all weights
  spectrum: z
    .object({
      values: z.array(z.number()), // singular values, falling
      energy: z.array(z.number()), // share of the squared norm in the first 1, 2, ... of them
      full: z.number().int(), // how many there are
      effectiveRank: z.number().nullable(), // exp of the entropy of the values' shares (Roy and Vetterli 2007); null where not all are known
      method: z.string(), // how it was computed, in words
    })
    .nullable(),
  inputs: z
    .object({
      min: z.array(z.number()), // of each input channel
      max: z.array(z.number()),
      mean: z.array(z.number()),
      deviation: z.array(z.number()),
      entropy: z.array(z.number()), // bits, of a histogram of 64 bins over the channel's own range
      source: z.string(),
    })
    .nullable(),
  notes: z.array(z.string()),
})
export type Xray = z.infer<typeof xraySchema>
