import { z } from 'zod'
import { readProbes, saveProbe } from '../store/probes.ts'
import type { OpenProject } from './projects.ts'

/** What an option was seen to do to a layer's weights and outputs, and by which version of its method. */
const triedSchema = z.object({
  method: z.string(),
  version: z.number().int(),
  samples: z.number().int(),
  error: z.number(),
  outputError: z.number().nullable(),
  broken: z.boolean(), // the network's answers are not finite with it
})
export type TriedOption = z.infer<typeof triedSchema>
const layerSchema = z.record(z.string(), triedSchema)

const placeOf = (checkpoint: string, data: string) => ({ checkpoint, data, kind: 'option-errors', version: 1 })

/** Layer -> option id -> what was seen. */
export const readTried = (
  project: OpenProject,
  checkpoint: string,
  data: string,
): Map<string, Record<string, TriedOption>> => readProbes(project.store.read, placeOf(checkpoint, data), layerSchema)

/** Adds to what is known of a layer. */
export function saveTried(
  project: OpenProject,
  { checkpoint, data, layer }: { checkpoint: string; data: string; layer: string },
  tried: Record<string, TriedOption>,
): void {
  const before = readProbes(project.store.write, placeOf(checkpoint, data), layerSchema).get(layer)
  saveProbe(project.store.write, { ...placeOf(checkpoint, data), key: layer, value: { ...before, ...tried } })
}
