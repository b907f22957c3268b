import { z } from 'zod'
import type { CheckpointSummary } from './model.ts'
import { methodUseSchema } from './plan.ts'

export const families = [
  'score',
  'rewrite',
  'prepare',
  'activate',
  'quantize',
  'sparsify',
  'factorize',
  'allocate',
  'evaluate',
  'export',
] as const
export const needs = ['weights', 'activations', 'hessian', 'attention', 'gradients', 'labels'] as const
export type MethodFamily = (typeof families)[number]
export type Need = (typeof needs)[number]

/** A method as a person sees it; `parameters` is JSON Schema made from the method's own schema. */
export const methodSummarySchema = z.object({
  id: z.string(),
  family: z.enum(families),
  title: z.string(),
  summary: z.string(),
  cite: z.string(),
  formula: z.string(),
  cost: z.string(),
  needs: z.array(z.enum(needs)),
  version: z.number().int(),
  parameters: z.json(),
  /** Of a quantizer: plans can be made with it instead of rounding to nearest. */
  plans: z.boolean().optional(),
  /** Of a quantizer: what belongs before it, chosen with it. */
  prepare: z.array(methodUseSchema).optional(),
  /** Of an export format: its file ending, with the dot ('' where the result is always a folder), and whether a checkpoint
   *  can be converted to it without a plan. */
  file: z.object({ extension: z.string(), converts: z.boolean() }).optional(),
})
export type MethodSummary = z.infer<typeof methodSummarySchema>

/** Export formats that fit this checkpoint, its default first. */
export const formatsFor = (
  methods: readonly MethodSummary[],
  { exports }: Pick<CheckpointSummary, 'exports'>,
): MethodSummary[] =>
  exports.flatMap(({ format, reason }) =>
    reason === null ? methods.filter(({ family, id }) => family === 'export' && id === format) : [],
  )

/** What a score tells apart. Keys: a block index as text; a layer name; of the finer ones `<layer or block>/<index>`. */
export const scoreUnits = ['block', 'layer', 'channel', 'head', 'expert'] as const
export type ScoreUnit = (typeof scoreUnits)[number]

export const scoreValueSchema = z.object({
  key: z.string(),
  /** Higher = matters more. */
  value: z.number(),
  /** Further figures of the same thing, by name: 'variance', 'I(X;T)'. */
  parts: z.record(z.string(), z.number()).optional(),
})
export type ScoreValue = z.infer<typeof scoreValueSchema>

/** A table of figures between things, row-major, drawn as a heat map: heads against heads, blocks against blocks. */
export const scoreMapSchema = z.object({
  title: z.string(),
  rows: z.array(z.string()),
  cols: z.array(z.string()),
  values: z.array(z.number()),
})
export type ScoreMap = z.infer<typeof scoreMapSchema>

export const scoreResultSchema = z.object({
  method: z.string(),
  per: z.enum(scoreUnits),
  values: z.array(scoreValueSchema),
  maps: z.array(scoreMapSchema).optional(),
  notes: z.array(z.string()).optional(), // what a person should know: layers left out, and why; what it flags
  parameters: z.record(z.string(), z.json()).optional(), // that it was measured with
  samples: z.number().int(),
  seconds: z.number(),
  measuredAt: z.string().optional(), // ISO 8601
  /** Parameters of other results of this method that are kept, the newest first. */
  others: z.array(z.record(z.string(), z.json())).optional(),
})
export type ScoreResult = z.infer<typeof scoreResultSchema>
