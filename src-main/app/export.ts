import { randomUUID } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import { formatsFor, type MethodSummary } from '../../src-preload/contract/methods.ts'
import type { Recipe } from '../../src-preload/contract/plan.ts'
import type { Variant } from '../../src-preload/contract/results.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare, Unit, Work } from '../jobs/work.ts'
import { saveExport } from '../store/exports.ts'
import { artifactsOf, compressUnits } from './compress-units.ts'
import type { AppContext } from './context.ts'
import { methodsOf } from './method.ts'
import { loadCandidates, planFormat } from './candidates.ts'
import { dataReference, type OpenProject, type Subject, subjectOf } from './projects.ts'
import { announce } from './snapshot.ts'
import { requireVariant } from './variant.ts'
import { startJob, verifiedSubject } from './work.ts'

const exportArgs = z.object({
  variant: z.string(),
  format: z.string(),
  path: z.string(),
  overwrite: z.boolean(),
  askedAtMs: z.number(),
})

/** The format asked for, or the one plans are made for. Faults where there is none of that name, or it does not fit. */
async function formatOf(context: AppContext, subject: Subject, wanted: string | undefined): Promise<MethodSummary> {
  if (wanted === undefined) return planFormat(context, subject)
  const { methods } = await methodsOf(context)
  const { summary } = subject.checkpoint
  const fitting = formatsFor(methods, summary).map(({ id }) => id)
  const format = methods.find(({ family, id }) => family === 'export' && id === wanted)
  const data = { field: 'format', found: wanted }
  if (!format)
    throw new Fault('bad-arguments', `There is no export format "${wanted}".`, {
      hint: `For this checkpoint: ${fitting.join(', ')}.`,
      data,
    })
  if (fitting.includes(wanted)) return format
  const why = summary.exports.find((each) => each.format === wanted)?.reason ?? 'it does not fit'
  throw new Fault('unsupported', `${summary.name} cannot be exported as ${format.title}: ${why}.`, {
    hint: `For this checkpoint: ${fitting.join(', ')}.`,
    data,
  })
}

/** The file that will be written: a path with the format's extension is that file, any other is a folder for it. A path
 *  with another format's extension is a mistake. */
async function targetOf(context: AppContext, path: string, { title, file }: MethodSummary): Promise<string> {
  const whole = resolve(path)
  const own = file?.extension ?? ''
  const found = extname(whole).toLowerCase()
  if (found === own) return whole
  const { methods } = await methodsOf(context)
  if (methods.some((method) => method.file?.extension === found))
    throw new Fault('bad-arguments', `${path}: a file of ${title} ends in ${own}, not in ${found}.`, {
      hint: `Name it ${own}, name a folder, or choose another format.`,
      data: { field: 'path', expected: own, found },
    })
  return join(whole, `model${own}`)
}

const refuseExisting = (path: string): Fault =>
  new Fault('conflict', `${path} already exists.`, {
    hint: 'Choose another name, or allow overwriting.',
    data: { file: path },
  })

export const exportHandlers = (context: AppContext): Pick<Handlers, 'export.start'> => ({
  'export.start': async ({ project, variant, format, path, overwrite }) => {
    const open = context.projects.get(project)
    const { variant: found } = requireVariant(open, variant)
    const chosen = await formatOf(context, subjectOf(open), format)
    const target = await targetOf(context, path, chosen)
    if (!overwrite && existsSync(target)) throw refuseExisting(target)
    const args = { variant, format: chosen.id, path: resolve(path), overwrite, askedAtMs: Date.now() }
    return startJob(context, { project, kind: 'export', title: `Export ${found.name}`, args })
  },
})

/** Size of the variant in this format, by the exporter's own byte model. */
async function plannedBytesOf(
  context: AppContext,
  project: OpenProject,
  { recipe, variant, format }: { recipe: Recipe; variant: Variant; format: string },
): Promise<number> {
  if (format === (await planFormat(context, subjectOf(project))).id) return variant.bytes
  const chosen = new Map(recipe.layers.map(({ name, option }) => [name, option.id]))
  const { baseBytes, layers } = await loadCandidates(context, project, format)
  return layers.reduce((sum, { name, options }) => {
    const option = options.find(({ id }) => id === (chosen.get(name) ?? 'keep'))
    return sum + (option?.bytes ?? 0)
  }, baseBytes)
}

/** True when the target appeared after the job was asked for: an earlier attempt of this very job had already put the
 *  finished file in its place when it was killed. */
const isOwnLeftover = (path: string, askedAtMs: number): boolean => {
  const stat = existsSync(path) ? statSync(path, { throwIfNoEntry: false }) : undefined // a name too long does not exist either
  return stat !== undefined && stat.ctimeMs >= askedAtMs
}

export const prepareExport =
  (context: AppContext): Prepare =>
  async (order, unitContext): Promise<Work> => {
    const args = exportArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path: checkpoint } = await verifiedSubject(project, unitContext)
    const { variant, recipe } = requireVariant(project, args.variant)
    const parameters = new Map(subject.checkpoint.summary.layers.map((layer) => [layer.name, layer.parameters]))
    const layers = compressUnits(project, recipe, { checkpoint, run: null, parameters })
    const id = `export-${randomUUID()}`
    const target = await targetOf(context, args.path, await formatOf(context, subject, args.format))
    const plannedBytes = await plannedBytesOf(context, project, { recipe, variant, format: args.format })
    const write: Unit = {
      key: id,
      kind: 'export',
      step: `writing ${args.path}`,
      weight: subject.checkpoint.summary.parameters,
      isDone: () => false,
      async run({ engine, hooks }) {
        const leftover = !args.overwrite && isOwnLeftover(target, args.askedAtMs)
        if (!args.overwrite && !leftover && existsSync(target)) throw refuseExisting(target)
        const task = {
          checkpoint,
          artifacts: artifactsOf(project, recipe),
          format: args.format,
          path: args.path,
          data: dataReference(project, subject),
          overwrite: args.overwrite || leftover,
          plannedBytes,
          parameters: {},
          card: [],
        }
        const result = await engine.run('export', task, hooks)
        saveExport(project.store.write, { result: { ...result, id, variant: variant.id } })
        announce(context, project)
      },
    }
    return { units: [...layers, write], finish: () => id }
  }
