// The data.yaml format. Keys are as a person writes them; unknown keys are refused, so that a typing error is never silent.
import { z } from 'zod'

const path = z
  .string()
  .min(1)
  .max(4096)
  .refine((name) => !name.includes('\0'), 'a path holds no NUL')
const count = z.number().int().positive().max(1e9)
const seed = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

/** How one part becomes two: `calibrate` samples, drawn by seed, calibrate; the others evaluate. */
const split = z.strictObject({ calibrate: count, seed: seed.default(0) })
export type Split = z.infer<typeof split>

const textPart = z.strictObject({ text: path })
export const textSchema = z.strictObject({
  kind: z.literal('text'),
  text: path.optional(), // one part, split by Lathe
  evaluate: textPart.optional(),
  calibrate: textPart.optional(),
  split: split.optional(),
  context: z.number().int().min(2).max(1_048_576).optional(), // tokens of a window, the first of which begins it
  'document-separator': z.string().min(1).max(1000).optional(),
  tokenizer: path.optional(), // default: tokenizer.json beside the checkpoint
  'begin-token': z.number().int().min(0).nullable().optional(), // default: the checkpoint's own
})

const perChannel = z.union([z.number(), z.array(z.number()).min(1).max(4)])
const side = z.number().int().min(1).max(8192)

/** In this order: shorter side to `size`, centre `crop`, `resize` to a square; then (pixel - mean) / scale. */
export const preprocessSchema = z.strictObject({
  size: side.optional(),
  crop: side.optional(),
  resize: side.optional(),
  channels: z.enum(['RGB', 'BGR', 'GRAY']).default('RGB'),
  mean: perChannel.default(0),
  scale: perChannel
    .refine((scale) => [scale].flat().every((value) => value !== 0), 'a scale of 0 divides by zero')
    .default(1),
})
export type Preprocess = z.infer<typeof preprocessSchema>

const imagePart = z.strictObject({ images: path, labels: path.optional() })
export const imageSchema = z.strictObject({
  kind: z.literal('image-classification'),
  images: path.optional(), // one part, split by Lathe
  labels: path.optional(),
  evaluate: imagePart.optional(),
  calibrate: imagePart.optional(),
  split: split.optional(),
  'label-offset': z.number().int().min(-1_000_000).max(1_000_000).default(0),
  preprocess: preprocessSchema.optional(),
})

const noiseInput = z.strictObject({
  shape: z.array(z.number().int().min(0).max(1e9)).max(8).optional(), // default: the graph's, unknown sizes from `dims`
  distribution: z.enum(['normal', 'uniform']).default('normal'),
  mean: z.number().default(0), // normal
  deviation: z.number().positive().default(1),
  low: z.number().default(0), // uniform, and whole numbers
  high: z.number().default(1),
  value: z.number().optional(), // the same number everywhere
})
export type NoiseInput = z.infer<typeof noiseInput>
export const noiseSchema = z.strictObject({
  kind: z.literal('noise'),
  samples: count.max(100_000).default(32),
  seed: seed.default(0),
  split: split.optional(),
  dims: z.record(z.string(), z.number().int().min(0).max(1e9)).default({}), // symbolic sizes of the graph's inputs
  inputs: z.record(z.string(), noiseInput).default({}),
})

export const descriptionSchema = z.discriminatedUnion('kind', [textSchema, imageSchema, noiseSchema])
export type Description = z.infer<typeof descriptionSchema>
export type TextDescription = z.infer<typeof textSchema>
export type ImageDescription = z.infer<typeof imageSchema>
export type NoiseDescription = z.infer<typeof noiseSchema>
