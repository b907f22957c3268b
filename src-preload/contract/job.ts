import { z } from 'zod'
import { faultSchema } from './fault.ts'

export const jobKinds = [
  'score',
  'sensitivity',
  'run',
  'evaluate',
  'front',
  'export',
  'convert',
  'importance',
  'shootout',
  'floor',
] as const
export const jobStates = ['queued', 'running', 'done', 'failed', 'cancelled', 'interrupted'] as const

/** Whole snapshot of one job: what it does, how far it is, how long it will take. */
export const jobSchema = z.object({
  id: z.string(),
  project: z.string(), // folder
  kind: z.enum(jobKinds),
  title: z.string(),
  state: z.enum(jobStates),
  unitsDone: z.number().int(),
  unitsTotal: z.number().int(),
  progress: z.number().min(0).max(1),
  step: z.string(), // what is being done now: 'model.layers.3.mlp.up_proj.weight'
  elapsedMs: z.number(),
  remainingMs: z.number().nullable(), // null until there is something to estimate from
  notices: z.array(z.string()), // 'engine was restarted: killed by SIGKILL', 'fell back to the CPU: ...'
  fault: faultSchema.nullable(),
  result: z.string().nullable(), // id of the variant, evaluation or export it made
})
export type Job = z.infer<typeof jobSchema>
export type JobKind = (typeof jobKinds)[number]
export type JobState = (typeof jobStates)[number]
