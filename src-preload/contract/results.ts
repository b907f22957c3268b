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
})
export const measuredPointSchema = frontPointSchema.extend({
  variant: z.string().nullable(), // null: the original
  format: z.string().nullable(), // that its bytes are counted in; null: the original, as it is
  label: z.string(),
  kind: z.enum(['original', 'planned', 'uniform']),
  predictedLoss: z.number().nullable(),
  metrics: z.record(z.string(), metricSchema),
  pinned: z.boolean(),
})
/** `predicted` and `measured` are never mixed. */
export const frontSchema = z.object({
  predicted: z.array(frontPointSchema),
  measured: z.array(measuredPointSchema),
  uniform: z.array(frontPointSchema), // predicted loss of uniform widths
  calibration: z.object({ factor: z.number(), spearman: z.number().nullable(), points: z.number().int() }), // predicted -> measured
})
export type Front = z.infer<typeof frontSchema>
export type MeasuredPoint = z.infer<typeof measuredPointSchema>
export type FrontPoint = z.infer<typeof frontPointSchema>
