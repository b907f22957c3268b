import { createHash } from 'node:crypto'
import { z } from 'zod'
import { isWeighted } from '../../src-preload/contract/plan.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare, Unit } from '../jobs/work.ts'
import { saveOption } from '../store/options.ts'
import { canonicalJson } from '../store/recipes.ts'
import { transaction } from '../store/query.ts'
import { readStep, saveStep } from '../store/steps.ts'
import { offeredOptions } from '../engine/quantize/offered.ts'
import { loadCandidates } from './candidates.ts'
import type { AppContext } from './context.ts'
import { importanceUnit } from './importance-unit.ts'
import { dataIdentity } from './recipe-data.ts'
import { quantizerVersions } from './method.ts'
import { canWeigh, planFormat, requireFormat } from './plan-format.ts'
import { checkpointPath, dataReference, type OpenProject, type Subject, subjectOf } from './projects.ts'
import { announce } from './snapshot.ts'
import { startJob, verifiedSubject } from './work.ts'

// `format` is fixed when the job is asked for: the project may plan for another one meanwhile.
const sensitivityArgs = z.object({
  samples: z.number().int().positive().nullish(),
  format: z.string().optional(),
  every: z.boolean().default(false),
  pairs: z.boolean().default(false),
  latency: z.boolean().default(false),
})

/** Windows of text hold hundreds of predictions each, images one: enough of either for a stable mean. */
const defaultSamples = (subject: Subject): number => (subject.dataSet?.summary.kind === 'text' ? 16 : 256)

export const sensitivityHandlers = (context: AppContext): Pick<Handlers, 'sensitivity.start'> => ({
  'sensitivity.start': ({ project, samples, every, pairs, latency }) =>
    startJob(context, {
      project,
      kind: 'sensitivity',
      title: 'Measure every layer',
      args: {
        samples: samples ?? null,
        format: planFormat(subjectOf(context.projects.get(project))),
        every,
        pairs,
        latency,
      },
    }),
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

export type SensitivityArgs = z.input<typeof sensitivityArgs>

/** What a sensitivity job does, and what a person should know about it. */
export async function sensitivityUnits(
  context: AppContext,
  project: OpenProject,
  asked: SensitivityArgs,
): Promise<{ units: Unit[]; notices: string[] }> {
  const args = sensitivityArgs.parse(asked)
  const { store } = project
  const subject = subjectOf(project)
  const path = checkpointPath(project, subject)
  const reference = subject.checkpoint.summary.task === 'none' ? null : dataReference(project, subject)
  const data = reference ? subject.data : ''
  const wanted = args.samples ?? defaultSamples(subject)
  const there = Math.max(1, subject.dataSet?.summary.calibrate ?? wanted)
  const samples = reference ? Math.min(wanted, there) : 0
  const notices: string[] = []
  if (reference && args.samples && args.samples > there)
    notices.push(`Asked for ${args.samples} calibration samples, the data has ${there}: all of them are used.`)
  const format = args.format === undefined ? planFormat(subject) : requireFormat(subject, args.format)
  const { layers: compressible } = await loadCandidates(context, project, format)
  const choices = compressible.map(({ name, options }) => ({
    name,
    options: offeredOptions(options, canWeigh(subject)),
  }))
  const weighs = choices.some(({ options }) => options.some(isWeighted))
  const importance =
    weighs && subject.dataSet
      ? importanceUnit(project, { subject, checkpoint: path, data: dataIdentity(subject.dataSet) })
      : null
  const offered = new Map(choices.map(({ name, options }) => [name, options.map(({ id }) => id)]))
  const versions = quantizerVersions()

  const blocks = new Map<number, { parameters: number; options: string[] }>()
  for (const layer of subject.checkpoint.summary.layers) {
    const options = offered.get(layer.name)
    if (!options || options.every((id) => id === 'keep')) continue
    const block = blocks.get(layer.block ?? -1) ?? { parameters: 0, options: [] }
    block.parameters += layer.parameters
    block.options.push(`${layer.name}: ${options.join(' ')}`)
    blocks.set(layer.block ?? -1, block)
  }
  const units = [...blocks].map(([block, { parameters, options }]): Unit => {
    const identity = { checkpoint: subject.row.checkpoint, data, block, samples, options, versions }
    const key = `sensitivity-${createHash('sha256').update(canonicalJson(identity)).digest('hex')}`
    return {
      key,
      kind: 'sensitivity',
      step: block < 0 ? 'layers outside the blocks' : `block ${block + 1} of ${subject.checkpoint.summary.blocks}`,
      weight: parameters * options.length,
      isDone: () => readStep(store.read, { key }) !== null,
      async run({ engine, hooks }) {
        const task = {
          checkpoint: path,
          data: reference,
          block,
          samples,
          device: subject.row.device,
          format,
          importance: importance?.file() ?? null,
        }
        const result = await engine.run('sensitivity', task, hooks)
        for (const notice of result.notices) hooks.notify(notice)
        transaction(store.write, () => {
          for (const { name, losses } of result.layers)
            for (const { option, loss, error, standardError } of losses.filter((each) => each.option !== 'keep'))
              saveOption(store.write, {
                checkpoint: subject.row.checkpoint,
                data,
                layer: name,
                option,
                samples: result.samples,
                loss,
                error,
                standardError: standardError ?? null,
                source: result.source,
              })
          const { samples: used, source } = result
          saveStep(store.write, {
            key,
            run: null,
            task: 'sensitivity',
            file: null,
            sha256: null,
            bytes: null,
            result: { samples: used, source },
          })
        })
        announce(context, project)
      },
    }
  })
  return { units: importance ? [importance, ...units] : units, notices }
}
