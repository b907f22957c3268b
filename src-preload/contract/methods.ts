import { z } from 'zod'
import type { CheckpointSummary } from './model.ts'

export const families = ['score', 'quantize', 'allocate', 'evaluate', 'export'] as const
export const needs = ['weights', 'activations', 'hessian', 'attention', 'gradients', 'labels'] as const
export type MethodFamily = (typeof families)[number]
export type Need = (typeof needs)[number]

/** What an export format asks of a checkpoint: a graph that can be run, or weights in safetensors files. */
export const checkpointTraits = ['graph', 'safetensors'] as const
export type CheckpointTrait = (typeof checkpointTraits)[number]

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
  /** Of an export format: its file ending, with the dot, and what it asks of the checkpoint. */
  file: z.object({ extension: z.string(), takes: z.array(z.enum(checkpointTraits)) }).optional(),
})
export type MethodSummary = z.infer<typeof methodSummarySchema>

/** Whether an export format can hold variants of this checkpoint. */
export const fitsCheckpoint = (
  { file }: Pick<MethodSummary, 'file'>,
  { format, task }: Pick<CheckpointSummary, 'format' | 'task'>,
): boolean =>
  file !== undefined && file.takes.every((trait) => (trait === 'graph' ? task !== 'none' : format === 'safetensors'))

/** Export formats that fit this checkpoint, in the registry's order: the first is its default. */
export const formatsFor = (
  methods: readonly MethodSummary[],
  checkpoint: Pick<CheckpointSummary, 'format' | 'task'>,
): MethodSummary[] => methods.filter((method) => method.family === 'export' && fitsCheckpoint(method, checkpoint))

export const scoreResultSchema = z.object({
  method: z.string(),
  per: z.enum(['block', 'layer']),
  /** Higher = matters more. `key` is a layer name, or a block index as text. */
  values: z.array(z.object({ key: z.string(), value: z.number() })),
  samples: z.number().int(),
  seconds: z.number(),
})
export type ScoreResult = z.infer<typeof scoreResultSchema>
