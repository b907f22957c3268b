import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { type Shootout, type ShootoutRow, shootoutRowSchema } from '../../src-preload/contract/shootout.ts'
import type { DataReference, TaskProgress } from '../engine/protocol.ts'
import type { Quantizer } from '../engine/quantize/define.ts'
import { quantizers } from '../engine/quantize/registry.ts'
import type { Prepare, Unit } from '../jobs/work.ts'
import { readProbes, saveProbe } from '../store/probes.ts'
import { canonicalJson } from '../store/recipes.ts'
import { readStep, saveStep } from '../store/steps.ts'
import type { AppContext } from './context.ts'
import { quantizerVersions, versionOfQuantizer } from './method.ts'
import { canEvaluate, dataReference, type OpenProject, requireData, type Subject, subjectOf } from './projects.ts'
import { startJob, verifiedSubject } from './work.ts'

const shootoutArgs = z.object({ layer: z.string(), methods: z.array(z.string()) })

const seed = 0
/** Enough rows for a steady Hessian of a few thousand inputs; windows of text hold hundreds of them. */
const mostSamples = { text: 32, 'image-classification': 128, noise: 16 } as const

const needsData = ({ needs }: Pick<Quantizer, 'needs'>): boolean => needs.some((need) => need !== 'weights')

/** What a shoot-out measures on: nothing where the network cannot be run, or has no data. */
function measuredOn(subject: Subject): { data: string; samples: number } {
  const { dataSet } = subject
  if (!dataSet || !canEvaluate(subject)) return { data: '', samples: 0 }
  const { kind, calibrate } = dataSet.summary
  return { data: subject.data, samples: Math.min(mostSamples[kind], Math.max(1, calibrate)) }
}

/** The quantizers asked for; without a list, all that can do something here. */
function chosen(project: OpenProject, subject: Subject, wanted: readonly string[] | null): Quantizer[] {
  if (wanted === null) return quantizers.filter((quantizer) => !needsData(quantizer) || canEvaluate(subject))
  const found = wanted.map((id) => {
    const quantizer = quantizers.find((candidate) => candidate.id === id)
    if (quantizer) return quantizer
    throw new Fault('bad-arguments', `There is no quantizer "${id}".`, {
      hint: `Known: ${quantizers.map((known) => known.id).join(', ')}.`,
      data: { field: 'methods', found: id },
    })
  })
  const needing = found.find(needsData)
  if (needing && !canEvaluate(subject)) {
    requireData(project, subject)
    throw new Fault('unsupported', `${needing.title} needs activations, and this checkpoint holds tensors only.`, {
      hint: 'Try the quantizers that need weights alone.',
      data: { field: 'methods', found: needing.id },
    })
  }
  return found
}

function requireLayer({ checkpoint: { summary } }: Subject, name: string): number {
  const layer = summary.layers.find((candidate) => candidate.name === name)
  const more = { data: { file: summary.path, tensor: name } }
  if (!layer) throw new Fault('not-found', `${summary.name} has no layer "${name}".`, more)
  if (layer.compressible) return layer.parameters
  throw new Fault('unsupported', `${name} is not compressed by any method: too small, or no matrix.`, more)
}

/** Where the rows of a layer are kept. */
function placeOf(subject: Subject, layer: string) {
  const { data, samples } = measuredOn(subject)
  const told = createHash('sha256').update(canonicalJson({ layer, samples, seed })).digest('hex')
  const version = 2 // since calibration rows are weighed as the option says
  return { checkpoint: subject.row.checkpoint, data, kind: `shootout ${told.slice(0, 16)}`, version }
}

/** Names a row with the versions of the methods that made it: what an older one measured is measured again. */
const keyOf = ({ method, option }: Pick<ShootoutRow, 'method' | 'option'>): string =>
  `${method}@${versionOfQuantizer(method)} ${option.method}@${versionOfQuantizer(option.method)} ${option.id}`

function rowsOf(project: OpenProject, subject: Subject, layer: string): ShootoutRow[] {
  const stored = readProbes(project.store.read, placeOf(subject, layer), shootoutRowSchema)
  return [...stored].flatMap(([key, row]) => (key === keyOf(row) ? [row] : []))
}

/** A defect is no result: it is tried again next time. */
const stands = ({ fault }: ShootoutRow): boolean => fault?.code !== 'internal'

function stepKey(subject: Subject, layer: string, method: string): string {
  const identity = { task: 'shootout', ...placeOf(subject, layer), layer, method, versions: quantizerVersions() }
  return `shootout-${createHash('sha256').update(canonicalJson(identity)).digest('hex')}`
}

function isTried(project: OpenProject, subject: Subject, layer: string, method: string): boolean {
  return readStep(project.store.read, { key: stepKey(subject, layer, method) }) !== null
}

export const shootoutHandlers = (context: AppContext): Pick<Handlers, 'shootout.start' | 'shootout.get'> => ({
  'shootout.start': ({ project, layer, methods }) => {
    const open = context.projects.get(project)
    const subject = subjectOf(open)
    requireLayer(subject, layer)
    const args = { layer, methods: [...new Set(chosen(open, subject, methods).map(({ id }) => id))] }
    return startJob(context, { project, kind: 'shootout', title: `Shoot-out on ${layer}`, args })
  },
  'shootout.get': ({ project, layer }): Shootout => {
    const open = context.projects.get(project)
    const subject = subjectOf(open)
    requireLayer(subject, layer)
    const done = quantizers.filter(({ id }) => isTried(open, subject, layer, id)).map(({ id }) => id)
    return { layer, rows: rowsOf(open, subject, layer), done }
  },
})

export const prepareShootout =
  (context: AppContext): Prepare =>
  async (order, unitContext) => {
    const { layer, methods } = shootoutArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { store } = project
    const { subject, path: checkpoint } = await verifiedSubject(project, unitContext)
    const weight = requireLayer(subject, layer)
    const { samples } = measuredOn(subject)
    const data: DataReference | null = samples > 0 ? dataReference(project, subject) : null
    const units = chosen(project, subject, methods).map(({ id, title, prepare = [] }): Unit => ({
      key: stepKey(subject, layer, id),
      kind: 'shootout',
      step: title,
      weight,
      isDone: () => isTried(project, subject, layer, id),
      async run({ engine, hooks }) {
        const place = placeOf(subject, layer)
        // Kept one by one: a layer of millions of weights takes minutes for each, and the engine may be told to stop.
        const progress = (update: TaskProgress): void => {
          if (update.row) saveProbe(store.write, { ...place, key: keyOf(update.row), value: update.row })
          hooks.progress(update)
        }
        const tried = rowsOf(project, subject, layer).filter((row) => row.method === id && stands(row))
        const task = {
          ...{ checkpoint, data, layer, samples, seed },
          prepared: prepare.map((use) => ({ ...use, seed, file: null })),
          device: subject.row.device,
          methods: [id],
          skip: tried.map(({ option }) => option.id),
        }
        const { rows } = await engine.run('shootout', task, { ...hooks, progress })
        if (!rows.every(stands)) return
        const nothing = { run: null, file: null, sha256: null, bytes: null }
        const result = { rows: rows.length + tried.length }
        saveStep(store.write, { key: stepKey(subject, layer, id), task: 'shootout', ...nothing, result })
      },
    }))
    return { units, finish: () => layer }
  }
