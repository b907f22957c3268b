import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Methods, type Option, optionSchema, plainMethods } from '../../src-preload/contract/plan.ts'
import { quantizers } from '../engine/quantize/registry.ts'
import { readProbe, saveProbe } from '../store/probes.ts'
import { canonicalJson } from '../store/recipes.ts'
import { layerLevers, recipeSeed } from './recipe-methods.ts'
import { type AppContext, ask } from './context.ts'
import { checkpointPath, type OpenProject, subjectOf } from './projects.ts'
import { latheVersion } from './info.ts'
import { leverVersions, quantizerVersions } from './method.ts'

const candidatesSchema = z.object({
  baseBytes: z.number(),
  running: z.object({ cachePerToken: z.number(), activations: z.number(), attentionPerToken: z.number() }).nullable(),
  layers: z.array(z.object({ name: z.string(), options: z.array(optionSchema.extend({ bytes: z.number() })).min(1) })),
})
/** What can be done to each layer, and the bytes it then takes in the exported file. */
export type Candidates = z.infer<typeof candidatesSchema>

/** An option that a recipe names for a layer. */
export interface Named {
  layer: string
  option: Option
}

const known = new WeakMap<OpenProject, Map<string, Candidates>>()
const asked = new WeakMap<OpenProject, Map<string, Promise<Candidates>>>()

/** What of the methods changes which options there are, and their bytes: rewritings that add or remove tensors, a quantizer
 *  with forms of its own, levers beside it. '' for plain ones. */
export const shapeOf = (methods: Methods, also: readonly Named[]): string => {
  const { quantizer, prepare } = methods
  const levers = layerLevers(methods)
  const own = quantizer !== null && quantizers.some(({ id, options }) => id === quantizer.method && options)
  const more = also.length === 0 ? '' : createHash('sha256').update(canonicalJson(also)).digest('hex')
  const versions = levers.length + also.length > 0 ? leverVersions() : ''
  if (!own && prepare.length + levers.length + also.length === 0) return ''
  return canonicalJson({
    ...{ quantizer: own ? quantizer : null, prepare },
    ...(versions !== '' && { levers, more, versions }),
  })
}
const keyOf = (checkpoint: string, format: string, shape: string): string => `${format} ${checkpoint} ${shape}`
const mapOf = <V>(maps: WeakMap<OpenProject, Map<string, V>>, project: OpenProject): Map<string, V> => {
  const found = maps.get(project) ?? new Map<string, V>()
  maps.set(project, found)
  return found
}

const probeOf = (checkpoint: string, format: string, shape: string) => ({
  checkpoint,
  data: '',
  kind: `candidates:${format}`,
  key: `${latheVersion()} ${quantizerVersions()}${shape === '' ? '' : ` ${shape}`}`,
  version: 2,
})

/** From memory or from the store; null until `loadCandidates` was called once for this checkpoint and format. */
export function knownCandidates(
  project: OpenProject,
  checkpoint: string,
  format: string,
  shape = '',
): Candidates | null {
  const memory = mapOf(known, project)
  const key = keyOf(checkpoint, format, shape)
  const found = memory.get(key) ?? readProbe(project.store.read, probeOf(checkpoint, format, shape), candidatesSchema)
  if (found) memory.set(key, found)
  return found
}

/** From memory, from the store, or from the engine; kept in both. */
export async function loadCandidates(
  context: AppContext,
  project: OpenProject,
  format: string,
  methods: Methods = plainMethods,
  also: readonly Named[] = [],
): Promise<Candidates> {
  const subject = subjectOf(project)
  const { checkpoint } = subject.row
  const shape = shapeOf(methods, also)
  const key = keyOf(checkpoint, format, shape)
  const running = mapOf(asked, project)
  const found = knownCandidates(project, checkpoint, format, shape) ?? running.get(key)
  if (found) return found
  const load = async (): Promise<Candidates> => {
    const candidates = await ask(context, 'options', {
      checkpoint: checkpointPath(project, subject),
      format,
      prepared: methods.prepare.map((use) => ({ ...use, seed: recipeSeed, file: null })), // bytes need no measurements
      quantizer: shape === '' ? null : methods.quantizer,
      levers: layerLevers(methods),
      also: [...also],
    })
    saveProbe(project.store.write, { ...probeOf(checkpoint, format, shape), value: candidates })
    mapOf(known, project).set(key, candidates)
    return candidates
  }
  const promise = load().finally(() => running.delete(key))
  running.set(key, promise)
  return promise
}
