import { z } from 'zod'
import type { CheckpointSummary } from './model.ts'
import { methodUseSchema } from './plan.ts'

export const families = ['score', 'prepare', 'activate', 'quantize', 'allocate', 'evaluate', 'export'] as const
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

export const scoreResultSchema = z.object({
  method: z.string(),
  per: z.enum(['block', 'layer']),
  /** Higher = matters more. `key` is a layer name, or a block index as text. */
  values: z.array(z.object({ key: z.string(), value: z.number() })),
  samples: z.number().int(),
  seconds: z.number(),
})
export type ScoreResult = z.infer<typeof scoreResultSchema>
