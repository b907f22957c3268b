import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import type { Recipe } from '../../src-preload/contract/plan.ts'
import type { Variant } from '../../src-preload/contract/results.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare, Unit, Work } from '../jobs/work.ts'
import { saveExport } from '../store/exports.ts'
import { methodsOfRecipe } from './recipe-methods.ts'
import { finishedOf } from './prepare-units.ts'
import { loadCandidates } from './candidates.ts'
import { cardRows } from './card.ts'
import { artifactsOf, compressUnits } from './compress-units.ts'
import type { AppContext } from './context.ts'
import { exportMethod, isOwnLeftover, refuseTaken, targetOf } from './export-target.ts'
import { requireFormat } from './plan-format.ts'
import { dataReference, type OpenProject, subjectOf } from './projects.ts'
import { announce } from './snapshot.ts'
import { requireVariant } from './variant.ts'
import { startJob, verifiedSubject } from './work.ts'

const exportArgs = z.object({
  variant: z.string(),
  format: z.string(),
  parameters: z.record(z.string(), z.json()).default({}),
  path: z.string(),
  overwrite: z.boolean(),
  askedAtMs: z.number(),
})

export const exportHandlers = (context: AppContext): Pick<Handlers, 'export.start'> => ({
  'export.start': async ({ project, variant, format, parameters, path, overwrite }) => {
    const open = context.projects.get(project)
    const { variant: found } = requireVariant(open, variant)
    const chosen = await exportMethod(context, requireFormat(subjectOf(open), format ?? found.format))
    const target = await targetOf(context, path, chosen)
    if (!overwrite) refuseTaken(target)
    const args = { variant, format: chosen.id, parameters, path: resolve(path), overwrite, askedAtMs: Date.now() }
    return startJob(context, { project, kind: 'export', title: `Export ${found.name}`, args })
  },
})

/** Size of the variant in this format, by the exporter's own byte model; 0 where that format does not plan with its options. */
async function plannedBytesOf(
  context: AppContext,
  project: OpenProject,
  { recipe, variant, format }: { recipe: Recipe; variant: Variant; format: string },
): Promise<number> {
  if (format === variant.format) return variant.bytes
  const chosen = new Map(recipe.layers.map(({ name, option }) => [name, option.form ?? option.id]))
  const methods = methodsOfRecipe(recipe)
  const { baseBytes, layers } = await loadCandidates(context, project, format, methods)
  let bytes = baseBytes
  for (const { name, options } of layers) {
    const option = options.find(({ id }) => id === (chosen.get(name) ?? 'keep'))
    if (!option) return 0
    bytes += option.bytes
  }
  return bytes
}

export const prepareExport =
  (context: AppContext): Prepare =>
  async (order, unitContext): Promise<Work> => {
    const args = exportArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path: checkpoint } = await verifiedSubject(project, unitContext)
    const { variant, recipe } = requireVariant(project, args.variant)
    const layers = await compressUnits(project, recipe, { subject, checkpoint, run: null, work: unitContext })
    const id = `export-${randomUUID()}`
    const target = await targetOf(context, args.path, await exportMethod(context, args.format))
    const plannedBytes = await plannedBytesOf(context, project, { recipe, variant, format: args.format })
    const write: Unit = {
      key: id,
      kind: 'export',
      step: `writing ${args.path}`,
      weight: subject.checkpoint.summary.parameters,
      isDone: () => false,
      async run({ engine, hooks }) {
        const leftover = !args.overwrite && existsSync(target) && isOwnLeftover(target, args.askedAtMs)
        if (!args.overwrite && !leftover) refuseTaken(target)
        const task = {
          checkpoint,
          prepared: finishedOf(project, recipe),
          artifacts: artifactsOf(project, recipe),
          format: args.format,
          path: args.path,
          data: dataReference(project, subject),
          overwrite: args.overwrite || leftover,
          plannedBytes,
          parameters: args.parameters,
          card: cardRows(project, subject, variant.id),
        }
        const result = await engine.run('export', task, hooks)
        saveExport(project.store.write, { result: { ...result, id, variant: variant.id } })
        announce(context, project)
      },
    }
    return { units: [...layers, write], finish: () => id }
  }
