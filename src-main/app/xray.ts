import { Fault } from '../../src-preload/contract/fault.ts'
import { type Xray, xraySchema } from '../../src-preload/contract/scores.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { readProbe, saveProbe } from '../store/probes.ts'
import { type AppContext, ask } from './context.ts'
import { canEvaluate, checkpointPath, dataReference, type OpenProject, subjectOf } from './projects.ts'

/** Enough for the range of a channel; the outermost values of more samples lie further out still. */
const mostSamples = { text: 8, 'image-classification': 64, noise: 8 } as const

const version = 2 // of what is kept: effective rank of the values themselves since 2
const asked = new WeakMap<OpenProject, Map<string, Promise<Xray>>>()

export const xrayHandlers = (context: AppContext): Pick<Handlers, 'layer.xray'> => ({
  'layer.xray': ({ project, layer }) => {
    const open = context.projects.get(project)
    const subject = subjectOf(open)
    const { summary } = subject.checkpoint
    if (!summary.layers.some(({ name }) => name === layer))
      throw new Fault('not-found', `${summary.name} has no layer "${layer}".`, {
        data: { file: summary.path, tensor: layer },
      })
    const kind = canEvaluate(subject) ? (subject.dataSet?.summary.kind ?? null) : null
    const data = kind === null ? '' : subject.data
    const place = { checkpoint: subject.row.checkpoint, data, kind: 'xray', key: layer, version }
    const known = readProbe(open.store.read, place, xraySchema)
    if (known) return known
    const running = asked.get(open) ?? new Map<string, Promise<Xray>>()
    asked.set(open, running)
    const key = JSON.stringify(place)
    const look = async (): Promise<Xray> => {
      const found = await ask(context, 'xray', {
        checkpoint: checkpointPath(open, subject),
        data: kind === null ? null : dataReference(open, subject),
        layer,
        samples: kind === null ? 0 : Math.min(mostSamples[kind], Math.max(1, subject.dataSet?.summary.calibrate ?? 1)),
        device: subject.row.device,
      })
      saveProbe(open.store.write, { ...place, value: found })
      return found
    }
    const promise = running.get(key) ?? look().finally(() => running.delete(key))
    running.set(key, promise)
    return promise
  },
})
