import { z } from 'zod'
import {
  everyOptionBelow,
  isWeighted,
  type Methods,
  methodsSchema,
  type Option,
} from '../../src-preload/contract/plan.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare, Unit } from '../jobs/work.ts'
import { listOptions, saveOption } from '../store/options.ts'
import { transaction } from '../store/query.ts'
import type { TaskArguments, TaskResult } from '../engine/protocol.ts'
import { loadCandidates } from './candidates.ts'
import type { AppContext } from './context.ts'
import { depthUnits } from './depth-units.ts'
import { importanceUnit } from './importance-unit.ts'
import { latencyUnits } from './latency-units.ts'
import { dataIdentity } from './recipe-data.ts'
import { versionOfQuantizer } from './method.ts'
import { triedOptions } from './offered.ts'
import { readTried, saveTried } from './option-errors.ts'
import { pairUnits } from './pair-units.ts'
import { canWeigh, planFormat, requireFormat } from './plan-format.ts'
import { depthOf } from './plan-model.ts'
import { checkpointPath, dataReference, type OpenProject, type Subject, subjectOf } from './projects.ts'
import { announce } from './snapshot.ts'
import { startJob, verifiedSubject } from './work.ts'

// `format` and `methods` are fixed when the job is asked for: the project may plan for others meanwhile.
const sensitivityArgs = z.object({
  samples: z.number().int().positive().nullish(),
  format: z.string().optional(),
  methods: methodsSchema.optional(),
  every: z.boolean().optional(),
  pairs: z.boolean().default(false),
  latency: z.boolean().default(false),
})
export type SensitivityArgs = z.input<typeof sensitivityArgs>

/** Windows of text hold hundreds of predictions each, images one: enough of either for a stable mean. */
const defaultSamples = (subject: Subject): number => (subject.dataSet?.summary.kind === 'text' ? 16 : 256)

export const sensitivityHandlers = (context: AppContext): Pick<Handlers, 'sensitivity.start'> => ({
  'sensitivity.start': ({ project, samples, ...more }) => {
    const subject = subjectOf(context.projects.get(project))
    const args = { samples: samples ?? null, format: planFormat(subject), methods: subject.row.methods, ...more }
    return startJob(context, { project, kind: 'sensitivity', title: 'Measure every layer', args })
  },
})

export const prepareSensitivity =
  (context: AppContext): Prepare =>
  async (order, unitContext) => {
    const project = context.projects.get(order.project)
    await verifiedSubject(project, unitContext)
    const { units, notices } = await sensitivityUnits(context, project, sensitivityArgs.parse(order.args))
    for (const notice of notices) unitContext.hooks.notify(notice)
    return { units, finish: () => null }
  }

/** What a sensitivity job measures, and on what. */
export interface Measurement {
  subject: Subject
  checkpoint: string // path
  data: string // fingerprint, '' for weights alone
  reference: ReturnType<typeof dataReference>
  samples: number
  layers: { name: string; options: Option[] }[] // all that can be planned with, keep aside
}

/** What a sensitivity job does, and what a person should know about it. */
export async function sensitivityUnits(
  context: AppContext,
  project: OpenProject,
  asked: SensitivityArgs,
): Promise<{ units: Unit[]; notices: string[] }> {
  const args = sensitivityArgs.parse(asked)
  const { measurement, format, notices } = await measurementOf(context, project, args)
  const { subject, checkpoint } = measurement
  const every = args.every ?? subject.checkpoint.summary.parameters < everyOptionBelow
  const weighs = measurement.layers.some(({ options }) => options.some(isWeighted))
  const importance =
    weighs && subject.dataSet
      ? importanceUnit(project, { subject, checkpoint, data: dataIdentity(subject.dataSet) })
      : null
  const blocks = [
    ...blockUnits(context, project, measurement, { every, importance }),
    ...(args.pairs ? pairUnits(project, measurement, importance) : []),
    ...(args.latency ? latencyUnits(project, measurement, format) : []),
    ...removalUnits(project, measurement, args.methods ?? subject.row.methods),
  ]
  // The importance is only wanted where something is left to be measured with it.
  const first = importance && {
    ...importance,
    async isDone() {
      if (await importance.isDone()) return true
      for (const unit of blocks) if (!(await unit.isDone())) return false
      return true
    },
  }
  return { units: [...(first ? [first] : []), ...blocks], notices }
}

/** Where depth is a lever: what leaving blocks out costs. */
function removalUnits(project: OpenProject, measurement: Measurement, methods: Methods): Unit[] {
  const { subject, checkpoint, reference: data, samples } = measurement
  return data === null ? [] : depthUnits(project, { subject, checkpoint, data, samples, most: depthOf(methods) })
}

async function measurementOf(
  context: AppContext,
  project: OpenProject,
  args: z.output<typeof sensitivityArgs>,
): Promise<{ measurement: Measurement; format: string; notices: string[] }> {
  const subject = subjectOf(project)
  const reference = subject.checkpoint.summary.task === 'none' ? null : dataReference(project, subject)
  const wanted = args.samples ?? defaultSamples(subject)
  const there = Math.max(1, subject.dataSet?.summary.calibrate ?? wanted)
  const notices: string[] = []
  if (reference && args.samples && args.samples > there)
    notices.push(`Asked for ${args.samples} calibration samples, the data has ${there}: all of them are used.`)
  const format = args.format === undefined ? planFormat(subject) : requireFormat(subject, args.format)
  const methods = args.methods ?? subject.row.methods
  const { layers } = await loadCandidates(context, project, format, methods)
  const measurement: Measurement = {
    subject,
    checkpoint: checkpointPath(project, subject),
    data: reference ? subject.data : '',
    reference,
    samples: reference ? Math.min(wanted, there) : 0,
    layers: layers.map(({ name, options }) => ({
      name,
      options: triedOptions(options, methods, canWeigh(subject)).map(({ bytes: _, ...option }) => option),
    })),
  }
  return { measurement, format, notices }
}

type TaskLayers = TaskArguments<'sensitivity'>['layers']

/** What is left to do of each layer: options that were never tried, or by an older version of their method, or on fewer
 *  samples; with `every`, also those that were only told from others. */
function openLayers(project: OpenProject, measurement: Measurement, every: boolean): Map<string, TaskLayers[number]> {
  const { subject, data, samples } = measurement
  const { checkpoint } = subject.row
  const tried = readTried(project, checkpoint, data)
  const rows = new Map<string, Set<string>>()
  for (const { layer, option, samples: used } of listOptions(project.store.read, { checkpoint, data })) {
    if (used < samples) continue
    const ids = rows.get(layer) ?? new Set()
    rows.set(layer, ids.add(option))
  }
  const open = new Map<string, TaskLayers[number]>()
  for (const { name, options } of measurement.layers) {
    const seen = tried.get(name) ?? {}
    const run = rows.get(name) ?? new Set<string>()
    const isFresh = ({ id, method }: Option): boolean =>
      seen[id]?.version === versionOfQuantizer(method) && seen[id].samples >= samples
    const isRun = (option: Option): boolean => run.has(option.id) && (seen[option.id] === undefined || isFresh(option))
    const todo = options.filter(
      (option) => !isFresh(option) || (every && data !== '' && !isRun(option) && seen[option.id]?.broken !== true),
    )
    if (todo.length === 0) continue
    const known = [
      ...Object.entries(seen)
        .filter(([id]) => run.has(id))
        .map(([id, { method, error, outputError }]) => ({ id, method, error: outputError ?? error })),
      ...todo.flatMap((option) =>
        isRun(option) && seen[option.id] === undefined ? [{ id: option.id, method: option.method, error: null }] : [],
      ),
    ]
    const stale = new Set(todo.filter((option) => !isRun(option)).map(({ id }) => id))
    open.set(name, { name, options: todo, known: known.filter(({ id }) => !stale.has(id)) })
  }
  return open
}

function blockUnits(
  context: AppContext,
  project: OpenProject,
  measurement: Measurement,
  { every, importance }: { every: boolean; importance: { file(): string } | null },
): Unit[] {
  const { subject, checkpoint, reference, samples } = measurement
  const { summary } = subject.checkpoint
  const blocks = new Map<number, { names: Set<string>; parameters: number; options: number }>()
  const options = new Map(measurement.layers.map((layer) => [layer.name, layer.options.length]))
  for (const { name, block: at, parameters } of summary.layers) {
    const count = options.get(name) ?? 0
    if (count === 0) continue
    const block = blocks.get(at ?? -1) ?? { names: new Set(), parameters: 0, options: 0 }
    block.names.add(name)
    block.parameters += parameters
    block.options += count
    blocks.set(at ?? -1, block)
  }
  return [...blocks].map(([block, { names, parameters, options: count }]): Unit => {
    const left = (): TaskLayers => {
      const own = { ...measurement, layers: measurement.layers.filter(({ name }) => names.has(name)) }
      return [...openLayers(project, own, every).values()]
    }
    const behind = block < 0 ? 1 : 1 - block / Math.max(1, summary.blocks)
    const runs = every ? count : Math.min(count, 3 * names.size)
    return {
      key: `sensitivity-${block}-${samples}-${every}`,
      kind: 'sensitivity',
      step: block < 0 ? 'layers outside the blocks' : `block ${block + 1} of ${summary.blocks}`,
      weight: runs * behind * summary.parameters * Math.max(1, samples) + count * parameters,
      isDone: () => left().length === 0,
      async run({ engine, hooks }) {
        const layers = left()
        const weighted = layers.some((layer) => layer.options.some(isWeighted))
        const task = {
          ...{ checkpoint, data: reference, block, samples, layers, every },
          device: subject.row.device,
          importance: weighted ? (importance?.file() ?? null) : null,
        }
        const result = await engine.run('sensitivity', task, hooks)
        for (const notice of result.notices) hooks.notify(notice)
        keep(project, measurement, layers, result)
        announce(context, project)
      },
    }
  })
}

/** Losses go to the options, errors beside them; without data the weight error stands for the loss. */
function keep(
  project: OpenProject,
  { subject, data, samples }: Measurement,
  asked: TaskLayers,
  { layers, source }: TaskResult<'sensitivity'>,
): void {
  const { store } = project
  const { checkpoint } = subject.row
  transaction(store.write, () => {
    for (const { name, losses } of layers) {
      const options = new Map(asked.find((layer) => layer.name === name)?.options.map((option) => [option.id, option]))
      const tried: Parameters<typeof saveTried>[2] = {}
      for (const { option, loss, standardError, error, outputError, broken } of losses) {
        const method = options.get(option)?.method ?? ''
        tried[option] = { method, version: versionOfQuantizer(method), samples, error, outputError, broken }
        const row = { checkpoint, data, layer: name, option, samples, error, standardError, source }
        if (loss !== null) saveOption(store.write, { ...row, loss })
        else if (data === '') saveOption(store.write, { ...row, loss: error })
      }
      saveTried(project, { checkpoint, data, layer: name }, tried)
    }
  })
}
