// What running an exported file takes on this machine, kept for each variant and format: measured once.
import { z } from 'zod'
import { canRun } from '../engine/latency/names.ts'
import type { DataReference } from '../engine/protocol.ts'
import type { Unit } from '../jobs/work.ts'
import { readProbe, readProbes, saveProbe } from '../store/probes.ts'
import { artifactsOf } from './compress-units.ts'
import type { AppContext } from './context.ts'
import { type Candidate, evaluateUnit } from './evaluate-units.ts'
import { planFormat } from './plan-format.ts'
import { finishedOf } from './prepare-units.ts'
import type { OpenProject, Subject } from './projects.ts'
import { announce } from './snapshot.ts'

const runningSchema = z.object({
  fileBytes: z.number(),
  openBytes: z.number(),
  peakBytes: z.number(),
  sample: z.string(), // dimensions of what entered
  seconds: z.number(), // median of one image, or one token
  low: z.number(),
  high: z.number(),
  runs: z.number().int(),
})
export type RunningFigures = z.infer<typeof runningSchema>

/** What could not be measured is kept, too, and not tried again. */
const keptSchema = z.object({ variant: z.string().nullable(), found: runningSchema.nullable() })

const place = (subject: Subject, format: string) => ({
  ...{ checkpoint: subject.row.checkpoint, data: subject.data, kind: `running:${format}`, version: 1 },
})
const keyOf = (variant: string | null): string => variant ?? 'original'

/** Of the original (null) and of variants, as files of `format`, on samples of the project's data. */
export const readRunning = (
  project: OpenProject,
  subject: Subject,
  format: string,
): Map<string | null, RunningFigures> =>
  new Map(
    [...readProbes(project.store.read, place(subject, format), keptSchema).values()].flatMap(({ variant, found }) =>
      found ? [[variant, found] as const] : [],
    ),
  )

interface Measured {
  subject: Subject
  checkpoint: string
  data: DataReference
  candidate: Candidate
}

/** Quality first, then what its exported file takes to run. */
export const measureUnits = (context: AppContext, project: OpenProject, args: Measured): Unit[] => [
  evaluateUnit(context, project, args),
  ...runningUnits(context, project, args),
]

/** One unit, or none where nothing here runs the format. */
export function runningUnits(
  context: AppContext,
  project: OpenProject,
  { subject, checkpoint, data, candidate }: Measured,
): Unit[] {
  const { variant } = candidate
  const format = variant?.recipe.format ?? planFormat(subject)
  if (!canRun(format)) return []
  const { store } = project
  const probe = { ...place(subject, format), key: keyOf(variant?.id ?? null) }
  return [
    {
      key: `running-${format}-${probe.key}`,
      kind: 'running',
      step: `running the file of ${candidate.name}`,
      weight: subject.checkpoint.summary.parameters,
      isDone: () => readProbe(store.read, probe, keptSchema) !== null,
      async run({ engine, hooks }) {
        const task = {
          ...{ checkpoint, data, format },
          prepared: variant ? finishedOf(project, variant.recipe) : [],
          artifacts: variant ? artifactsOf(project, variant.recipe) : null,
        }
        const found = await engine.run('running', task, hooks)
        saveProbe(store.write, { ...probe, value: { variant: variant?.id ?? null, found } })
        announce(context, project)
      },
    },
  ]
}
