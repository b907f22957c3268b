import { z } from 'zod'

/** metric name -> value with its 95 % interval where there is one. Names: perplexity, crossEntropy, top1, top5,
 *  klDivergence, agreement, logPerplexityRatio, top1Difference, sqnrDb, maxAbsDifference. Shares are 0..1. */
export const metricSchema = z.object({ value: z.number(), low: z.number().nullable(), high: z.number().nullable() })
export type Metric = z.infer<typeof metricSchema>

export const evaluationSchema = z.object({
  id: z.string(),
  variant: z.string().nullable(), // null: the original
  against: z.string().optional(), // fingerprint of another checkpoint it was compared with
  samples: z.number().int(),
  predictions: z.number().int(), // tokens or images that were predicted
  metrics: z.record(z.string(), metricSchema),
  bytes: z.number(), // of the file that was judged
  seconds: z.number(),
  samplesPerSecond: z.number(),
  /** Memory that judging took at the peak, over what the process held before anything was opened: weights as floats whatever
   *  the file holds, the original beside the variant. Absent: was not measured. */
  peakBytes: z.number().optional(),
  device: z.string(),
  data: z.string(), // fingerprint of the data set and the part used
  part: z.enum(['evaluate', 'calibrate']),
  notices: z.array(z.string()),
})
export type Evaluation = z.infer<typeof evaluationSchema>

export const variantSchema = z.object({
  id: z.string(),
  name: z.string(),
  recipeId: z.string(),
  format: z.string(), // export format it was planned for
  bytes: z.number(), // predicted bytes of its export in that format
  averageBits: z.number(),
  predictedLoss: z.number().nullable(),
  uniform: z.boolean(), // one width for all: a baseline
  pinned: z.boolean(),
  createdAt: z.string(),
})
export type Variant = z.infer<typeof variantSchema>

export const exportedFileSchema = z.object({ path: z.string(), bytes: z.number(), sha256: z.string() })
export const exportResultSchema = z.object({
  id: z.string(),
  variant: z.string(),
  format: z.string(),
  folder: z.string(),
  files: z.array(exportedFileSchema),
  verified: z.array(z.string()), // what was checked on the reopened file, in words with figures
  plannedBytes: z.number(),
})
export type ExportResult = z.infer<typeof exportResultSchema>

/** What a plain conversion wrote. */
export const conversionSchema = exportResultSchema.omit({ id: true, variant: true })
export type Conversion = z.infer<typeof conversionSchema>

/** What a plain conversion would do to each layer, and the bytes of the file. */
export const conversionPlanSchema = z.object({
  bytes: z.number(),
  weighs: z.boolean(), // measured importance would make a difference
  layers: z.array(
    z.object({ name: z.string(), option: z.string(), method: z.string(), bits: z.number(), bytes: z.number() }),
  ),
})
export type ConversionPlan = z.infer<typeof conversionPlanSchema>

export const frontPointSchema = z.object({
  bytes: z.number(),
  averageBits: z.number(),
  loss: z.number(),
  lossLow: z.number(),
  lossHigh: z.number(),
  predictedMemory: z.number().nullable(), // bytes at the peak while the exported file runs; null: nothing to tell it from
  predictedSeconds: z.number().nullable(), // of one sample, by operators timed in their exported form; null: not timed
})
export const measuredPointSchema = frontPointSchema.extend({
  variant: z.string().nullable(), // null: the original
  format: z.string().nullable(), // that its bytes are counted in; null: the original, as it is
  label: z.string(),
  kind: z.enum(['original', 'planned', 'uniform']),
  predictedLoss: z.number().nullable(),
  metrics: z.record(z.string(), metricSchema),
  pinned: z.boolean(),
  seconds: z.number().nullable(), // a sample took during the evaluation, on the device that judged it, weights as floats
  fileSeconds: z.number().nullable(), // one sample (an image, a token) took in the exported file on this machine's CPU
  memory: z.number().nullable(), // bytes at the peak while the exported file was opened and run; null: was not measured
})

/** What a plan can spend: widths of codes, zeros, rank, blocks. */
export const levers = ['bits', 'sparsity', 'rank', 'depth'] as const
export type Lever = (typeof levers)[number]

/** A front of somewhere else, to compare with: another project's, or a file's. */
export const importedPointSchema = z.object({
  label: z.string(),
  bytes: z.number(),
  averageBits: z.number().nullable(),
  kind: z.enum(['original', 'planned', 'uniform']),
  metrics: z.record(z.string(), metricSchema),
})
export const importedFrontSchema = z.object({
  id: z.string(),
  title: z.string(),
  from: z.string(), // folder or file
  checkpoint: z.string().nullable(), // fingerprint; null: not said
  data: z.string().nullable(), // likewise
  addedAt: z.string(),
  points: z.array(importedPointSchema).min(1),
  notices: z.array(z.string()), // 'another checkpoint', 'judged on other data', rows that were passed over
})
export type ImportedPoint = z.infer<typeof importedPointSchema>
export type ImportedFront = z.infer<typeof importedFrontSchema>

/** `predicted` and `measured` are never mixed. */
export const frontSchema = z.object({
  predicted: z.array(frontPointSchema),
  measured: z.array(measuredPointSchema),
  uniform: z.array(frontPointSchema), // predicted loss of uniform widths
  /** Predicted with one lever alone; only of levers that have options now, and empty where bits are the only one. */
  curves: z.array(z.object({ lever: z.enum(levers), points: z.array(frontPointSchema) })),
  imported: z.array(importedFrontSchema),
  calibration: z.object({ factor: z.number(), spearman: z.number().nullable(), points: z.number().int() }), // predicted -> measured
  source: z.string(), // how losses are predicted, in words
  memorySource: z.string(), // how memory is predicted, and what is measured, in words
})
export type Front = z.infer<typeof frontSchema>
export type MeasuredPoint = z.infer<typeof measuredPointSchema>
export type FrontPoint = z.infer<typeof frontPointSchema>

/** Budgets worth measuring next. */
export const suggestionSchema = z.object({
  points: z.array(
    frontPointSchema.extend({
      seconds: z.number(), // that compressing and measuring it will take
      why: z.string(), // 'far from what was measured', 'the curve bends here'
    }),
  ),
  seconds: z.number(), // of all, the original included where it was not measured
  secondsOfOriginal: z.number(), // 0 where it was measured
  from: z.string(), // where the times come from
  left: z.number().int(), // points that were asked for and found no time
})
export type Suggestion = z.infer<typeof suggestionSchema>
