import { z } from 'zod'
import { scoreResultSchema } from './methods.ts'
import { checkpointSummarySchema, dataSummarySchema } from './model.ts'
import { methodsSchema } from './plan.ts'
import { evaluationSchema, exportResultSchema, variantSchema } from './results.ts'

export const deviceSchema = z.object({
  id: z.enum(['cpu', 'webgpu', 'cuda', 'dml', 'coreml']),
  title: z.string(),
  available: z.boolean(),
  reason: z.string(), // why not, or what it is
  gflops: z.number().nullable(), // quick measured speed of a float32 matrix product
})
export type Device = z.infer<typeof deviceSchema>
export type DeviceId = Device['id']

export const recentProjectSchema = z.object({
  folder: z.string(),
  name: z.string(),
  checkpoint: z.string(),
  openedAt: z.string(),
  exists: z.boolean(),
})
export type RecentProject = z.infer<typeof recentProjectSchema>

export const sensitivityStateSchema = z.object({
  measured: z.number().int(), // (layer, option) pairs whose loss is known by measurement of the layer
  told: z.number().int().optional(), // of these: not run themselves, but told from others of their layer that were
  total: z.number().int(),
  samples: z.number().int(),
  source: z.string(),
})

/** Everything the window shows of one project. */
export const projectSchema = z.object({
  folder: z.string(),
  name: z.string(),
  device: deviceSchema.shape.id,
  format: z.string().nullable(), // export format that plans are made for; null: none fits the checkpoint
  methods: methodsSchema, // that plans and runs are made with
  checkpoint: checkpointSummarySchema,
  data: dataSummarySchema.nullable(),
  scores: z.array(scoreResultSchema),
  sensitivity: sensitivityStateSchema,
  variants: z.array(variantSchema),
  evaluations: z.array(evaluationSchema),
  exports: z.array(exportResultSchema),
})
export type Project = z.infer<typeof projectSchema>
