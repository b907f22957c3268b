import { z } from 'zod'
import { optionSchema } from '../../src-preload/contract/plan.ts'
import { readProbe, saveProbe } from '../store/probes.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { formatsFor, type MethodSummary } from '../../src-preload/contract/methods.ts'
import { type AppContext, ask } from './context.ts'
import { checkpointPath, type OpenProject, type Subject, subjectOf } from './projects.ts'
import { latheVersion } from './info.ts'
import { methodsOf, quantizerVersions } from './method.ts'

const candidatesSchema = z.object({
  baseBytes: z.number(),
  layers: z.array(z.object({ name: z.string(), options: z.array(optionSchema.extend({ bytes: z.number() })).min(1) })),
})
/** What can be done to each layer, and the bytes it then takes in the exported file. */
export type Candidates = z.infer<typeof candidatesSchema>

/** The export format plans are made for: the first that fits the checkpoint. */
export async function planFormat(context: AppContext, { checkpoint }: Subject): Promise<MethodSummary> {
  const [first] = formatsFor((await methodsOf(context)).methods, checkpoint.summary)
  if (first) return first
  throw new Fault('unsupported', `No export format holds variants of ${checkpoint.summary.name}.`, {
    data: { file: checkpoint.path },
  })
}

const known = new WeakMap<OpenProject, Map<string, Candidates>>()
const asked = new WeakMap<OpenProject, Map<string, Promise<Candidates>>>()
const keyOf = (checkpoint: string, format: string | null): string => `${format ?? ''} ${checkpoint}`
const mapOf = <V>(maps: WeakMap<OpenProject, Map<string, V>>, project: OpenProject): Map<string, V> => {
  const found = maps.get(project) ?? new Map<string, V>()
  maps.set(project, found)
  return found
}

/** null until `loadCandidates` was called once for this checkpoint in this process. */
export const knownCandidates = (project: OpenProject, checkpoint: string): Candidates | null =>
  known.get(project)?.get(keyOf(checkpoint, null)) ?? null

/** From memory, from the store, or from the engine; kept in both. `format` null: the one plans are made for. */
export async function loadCandidates(
  context: AppContext,
  project: OpenProject,
  wanted: string | null = null,
): Promise<Candidates> {
  const subject = subjectOf(project)
  const checkpoint = subject.row.checkpoint
  const key = keyOf(checkpoint, wanted)
  const memory = mapOf(known, project)
  const running = mapOf(asked, project)
  const found = memory.get(key) ?? running.get(key)
  if (found) return found
  const load = async (): Promise<Candidates> => {
    const format = wanted ?? (await planFormat(context, subject)).id
    const versions = `${latheVersion()} ${quantizerVersions()}`
    const probe = { checkpoint, data: '', kind: `candidates:${format}`, key: versions, version: 1 }
    let candidates = readProbe(project.store.read, probe, candidatesSchema)
    if (!candidates) {
      const path = checkpointPath(project, subject)
      candidates = await ask(context, 'options', { checkpoint: path, format })
      saveProbe(project.store.write, { ...probe, value: candidates })
    }
    memory.set(key, candidates)
    return candidates
  }
  const promise = load().finally(() => running.delete(key))
  running.set(key, promise)
  return promise
}
