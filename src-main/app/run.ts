import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { type Recipe, recipeSchema } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare, Unit, UnitContext, Work } from '../jobs/work.ts'
import { recipeId, saveRecipe } from '../store/recipes.ts'
import { finishRun, startRun } from '../store/runs.ts'
import { readVariant, renameVariant, saveVariant } from '../store/variants.ts'
import { compressUnits } from './compress-units.ts'
import type { AppContext } from './context.ts'
import { original } from './evaluate-units.ts'
import { measureUnits } from './running-unit.ts'
import { choiceOf, recipeModel, type PlanModel, total } from './plan-model.ts'
import { canEvaluate, type OpenProject, requireData } from './projects.ts'
import { isUniform, plainOption } from './solve.ts'
import { announce } from './snapshot.ts'
import { startJob, verifiedSubject } from './work.ts'

const runArgs = z.object({ recipe: recipeSchema, name: z.string().nullable(), evaluate: z.boolean() })

export const variantId = (recipe: Recipe): string => `variant-${recipeId(recipe)}`

const defaultName = (averageBits: number, uniform: boolean): string => {
  const bits = Number(averageBits.toFixed(2))
  return uniform ? `uniform ${bits} bits` : `${bits} bits`
}

/** A recipe of another checkpoint, or with options this Lathe does not offer, is refused before anything is queued. */
export async function checkRecipe(context: AppContext, project: OpenProject, recipe: Recipe): Promise<PlanModel> {
  const model = await recipeModel(context, project, recipe)
  if (recipe.checkpoint.fingerprint !== model.subject.row.checkpoint)
    throw new Fault('bad-arguments', `This recipe is for another checkpoint (${recipe.checkpoint.name}).`, {
      hint: 'Plan again on this checkpoint.',
      data: { field: 'checkpoint', expected: model.subject.row.checkpoint, found: recipe.checkpoint.fingerprint },
    })
  choiceOf(model, recipe)
  checkOptions(model, recipe)
  return model
}

/** An option's id promises its bytes: what the recipe says beside it must be what that id stands for, once a layer. */
function checkOptions(model: PlanModel, recipe: Recipe): void {
  const offered = new Map(model.layers.map(({ name, options }) => [name, options]))
  const named = new Set<string>()
  for (const { name, option } of recipe.layers) {
    if (named.has(name)) throw new Fault('bad-arguments', `The recipe names ${name} twice.`, { data: { tensor: name } })
    named.add(name)
    if (option.id === 'keep') continue // its bits only tell how the file holds it
    const known = offered.get(name)?.find(({ id }) => id === option.id)
    if (!known || isDeepStrictEqual(plainOption(known), plainOption(option))) continue
    throw new Fault('bad-arguments', `The recipe's "${option.id}" for ${name} is not what this Lathe calls so.`, {
      hint: 'Make the recipe from this checkpoint with this Lathe.',
      data: { tensor: name, expected: JSON.stringify(plainOption(known)), found: JSON.stringify(option) },
    })
  }
}

/** Units that make a recipe's variant: its layers, and the row that says all are there. */
export async function variantUnits(
  context: AppContext,
  project: OpenProject,
  args: {
    recipe: Recipe
    name: string | null
    job: string
    checkpoint: string
    model: PlanModel
    work: UnitContext
  },
): Promise<{ id: string; bytes: number; name: string; units: Unit[] }> {
  const { recipe, model } = args
  const { format, subject } = model
  const { store } = project
  const sums = total(model, choiceOf(model, recipe))
  const uniform = isUniform(model, choiceOf(model, recipe))
  const prediction = model.calibration.predict(sums.loss, sums.standardError)
  const id = variantId(recipe)
  const name = args.name ?? readVariant(store.read, { id })?.name ?? defaultName(sums.averageBits, uniform)
  const saved = saveRecipe(store.write, { recipe })
  const run = startRun(store.write, { recipe: saved, job: args.job })
  const { checkpoint, work } = args
  const layers = await compressUnits(project, recipe, { subject, checkpoint, run, work })
  const row: Unit = {
    key: `variant-${saved}`,
    kind: 'variant',
    step: `keeping ${name}`,
    weight: 0,
    isDone: () => {
      const kept = readVariant(store.read, { id })
      return kept?.name === name && kept.format === format
    },
    run: async () => {
      const { bytes, averageBits } = sums
      saveVariant(store.write, {
        id,
        run,
        recipe: saved,
        name,
        format,
        bytes,
        averageBits,
        predictedLoss: prediction.loss,
        uniform,
      })
      if (args.name !== null) renameVariant(store.write, { id, name: args.name })
      finishRun(store.write, { id: run })
      announce(context, project)
    },
  }
  return { id, bytes: sums.bytes, name, units: [...layers, row] }
}

export const runHandlers = (context: AppContext): Pick<Handlers, 'run.start'> => ({
  'run.start': async ({ project, recipe, name, evaluate }) => {
    await checkRecipe(context, context.projects.get(project), recipe)
    return startJob(context, {
      project,
      kind: 'run',
      title: name === undefined ? 'Compress' : `Compress: ${name}`,
      args: { recipe, name: name ?? null, evaluate },
    })
  },
})

export const prepareRun =
  (context: AppContext): Prepare =>
  async (order, unitContext): Promise<Work> => {
    const args = runArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path } = await verifiedSubject(project, unitContext)
    const model = await checkRecipe(context, project, args.recipe)
    const made = await variantUnits(context, project, {
      ...{ ...args, job: order.id, checkpoint: path, model },
      work: unitContext,
    })
    const units = [...made.units]
    if (args.evaluate && canEvaluate(subject)) {
      const common = { subject, checkpoint: path, data: requireData(project, subject) }
      const variant = { id: made.id, recipe: args.recipe }
      units.push(
        ...measureUnits(context, project, { ...common, candidate: original(subject) }),
        ...measureUnits(context, project, { ...common, candidate: { variant, bytes: made.bytes, name: made.name } }),
      )
    } else if (args.evaluate) noteNoEvaluation(unitContext)
    return { units, finish: () => made.id }
  }

export const noteNoEvaluation = ({ hooks }: UnitContext): void =>
  hooks.notify('Not measured: the project has no data, or the checkpoint has no graph to run.')
