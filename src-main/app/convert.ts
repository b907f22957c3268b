import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { CheckpointSummary } from '../../src-preload/contract/model.ts'
import type { MethodSummary } from '../../src-preload/contract/methods.ts'
import { conversionSchema } from '../../src-preload/contract/results.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { DataReference } from '../engine/protocol.ts'
import type { Prepare, Unit, Work } from '../jobs/work.ts'
import { saveDataSet } from '../store/data-sets.ts'
import { readStep, saveStep } from '../store/steps.ts'
import { inspectCheckpoint } from './checkpoint.ts'
import { type AppContext, ask } from './context.ts'
import { describeData } from './data.ts'
import { exportMethod, isOwnLeftover, refuseTaken, targetOf } from './export-target.ts'
import { importanceUnit } from './importance-unit.ts'
import { dataIdentity } from './recipe-data.ts'
import { scratchOf } from './scratch.ts'
import { startJob, verifiedSubject } from './work.ts'

const convertArgs = z.object({
  format: z.string(),
  parameters: z.record(z.string(), z.json()),
  path: z.string(),
  overwrite: z.boolean(),
  importance: z.string().nullable(), // an imatrix file
  data: z.string().nullable(), // identity of the data set to measure such a file on
  askedAtMs: z.number(),
})

/** The format, where the checkpoint can be converted to it. */
async function conversionMethod(
  context: AppContext,
  summary: CheckpointSummary,
  format: string,
): Promise<MethodSummary> {
  const method = await exportMethod(context, format)
  const reason = method.file?.converts
    ? summary.exports.find((each) => each.format === format)?.reason
    : 'this format only holds compressed variants'
  if (reason === null || reason === undefined) return method
  throw new Fault('unsupported', `${summary.name} cannot be converted to ${method.title}: ${reason}.`, {
    data: { file: summary.path, field: 'format', found: format },
  })
}

/** The data's row in the scratch project, which need not work with it otherwise. */
async function keepData(
  context: AppContext,
  { path: checkpoint, task, name }: CheckpointSummary,
  folder: string,
  data: DataReference,
): Promise<string> {
  if (task === 'none')
    throw new Fault('unsupported', `${name} holds tensors only: nothing can be measured on data.`, {
      hint: 'Give an imatrix file, or convert without weights.',
      data: { file: checkpoint },
    })
  const summary = await describeData(context, checkpoint, data)
  const { write } = context.projects.get(folder).store
  saveDataSet(write, { folder, path: data.path, split: data.split, summary })
  return dataIdentity({ ...data, summary })
}

export const convertHandlers = (
  context: AppContext,
): Pick<Handlers, 'convert.plan' | 'convert.start' | 'convert.get'> => ({
  'convert.plan': ({ checkpoint, format, parameters }) =>
    ask(context, 'convertPlan', { checkpoint: resolve(checkpoint), format, parameters }),
  'convert.start': async ({ checkpoint, format, parameters, path, overwrite, importance, data }) => {
    const summary = await inspectCheckpoint(context, checkpoint)
    const method = await conversionMethod(context, summary, format)
    // Faults in the parameters are told now, not by the job.
    await ask(context, 'convertPlan', { checkpoint: summary.path, format, parameters })
    if (!overwrite) refuseTaken(await targetOf(context, path, method))
    if (importance !== null && data !== null)
      throw new Fault('bad-arguments', 'Give an imatrix file or data to measure one on, not both.')
    const folder = scratchOf(context, summary)
    const reference = data === null ? null : { path: resolve(data.path), split: data.split }
    const args = {
      format,
      parameters,
      path: resolve(path),
      overwrite,
      importance: importance === null ? null : resolve(importance),
      data: reference === null ? null : await keepData(context, summary, folder, reference),
      askedAtMs: Date.now(),
    }
    const title = `Convert ${summary.name} to ${method.title}`
    return startJob(context, { project: folder, kind: 'convert', title, args })
  },
  'convert.get': ({ job }) => {
    const found = context.queue.list().find(({ id, kind }) => id === job && kind === 'convert')
    const step = found && readStep(context.projects.get(found.project).store.read, { key: keyOf(job) })
    if (step) return conversionSchema.parse(step.result)
    throw new Fault('not-found', `There is no finished conversion ${job}.`, { data: { field: 'job', found: job } })
  },
})

const keyOf = (job: string): string => `convert-${job}`

export const prepareConvert =
  (context: AppContext): Prepare =>
  async (order, unitContext): Promise<Work> => {
    const args = convertArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path: checkpoint } = await verifiedSubject(project, unitContext)
    const measured = args.data === null ? null : importanceUnit(project, { subject, checkpoint, data: args.data })
    const target = await targetOf(context, args.path, await exportMethod(context, args.format))
    const write: Unit = {
      key: keyOf(order.id),
      kind: 'convert',
      step: `writing ${args.path}`,
      weight: subject.checkpoint.summary.parameters,
      isDone: () => readStep(project.store.read, { key: keyOf(order.id) }) !== null,
      async run({ engine, hooks }) {
        const leftover = !args.overwrite && existsSync(target) && isOwnLeftover(target, args.askedAtMs)
        if (!args.overwrite && !leftover) refuseTaken(target)
        const { format, parameters, path } = args
        const overwrite = args.overwrite || leftover
        const importance = measured?.file() ?? args.importance
        const task = { checkpoint, format, parameters, path, overwrite, importance }
        const result = await engine.run('convert', task, hooks)
        const nothing = { run: null, file: null, sha256: null, bytes: null }
        saveStep(project.store.write, { key: keyOf(order.id), task: 'convert', ...nothing, result })
      },
    }
    return { units: measured ? [measured, write] : [write], finish: () => order.id }
  }
