import { z } from 'zod'
import { type Budget, noConstraints, type Recipe, recipeSchema } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare, Unit, Work } from '../jobs/work.ts'
import { recipeId } from '../store/recipes.ts'
import type { AppContext } from './context.ts'
import { original } from './evaluate-units.ts'
import { frontExportHandlers } from './front-export.ts'
import { frontImportHandlers } from './front-import.ts'
import { frontOf } from './front-points.ts'
import { frontSuggestHandlers } from './front-suggest.ts'
import { planHandlers } from './plan.ts'
import { planModel } from './plan-model.ts'
import { canEvaluate, requireData } from './projects.ts'
import { measureUnits } from './running-unit.ts'
import { checkRecipe, noteNoEvaluation, variantUnits } from './run.ts'
import { startJob, verifiedSubject } from './work.ts'

const frontArgs = z.object({ recipes: z.array(recipeSchema), minutes: z.number().nullable().default(null) })

type FrontChannels =
  'front.get' | 'front.start' | 'front.suggest' | 'front.compare' | 'front.import' | 'front.forget' | 'front.export'

export const frontHandlers = (context: AppContext): Pick<Handlers, FrontChannels> => ({
  ...frontSuggestHandlers(context),
  ...frontImportHandlers(context),
  ...frontExportHandlers(context),
  'front.get': async ({ project }) => {
    const open = context.projects.get(project)
    return frontOf(open, await planModel(context, open))
  },
  'front.start': async ({ project, budgets, uniform, minutes }) => {
    const recipes = await recipesOf(context, project, budgets, uniform)
    const within = minutes === null ? '' : ` within ${minutes} minutes`
    const title = `Measure ${recipes.length} points of the front${within}`
    // The recipes are fixed now: measurements on the way must not change what a resumed job makes.
    return startJob(context, { project, kind: 'front', title, args: { recipes, minutes } })
  },
})

/** One recipe per budget and, when asked, its uniform twin; the same recipe only once. Where a range of widths begins below
 *  the format's narrowest, it begins there. */
async function recipesOf(
  context: AppContext,
  project: string,
  budgets: readonly Budget[],
  uniform: boolean,
): Promise<Recipe[]> {
  const recipes = new Map<string, Recipe>()
  const solve = planHandlers(context)['plan.solve']
  const caller = { door: context.door, trusted: true }
  const [narrowest = 1] = (await planModel(context, context.projects.get(project))).widths
  for (const asked of budgets) {
    const budget = 'bits' in asked ? { bits: Math.max(asked.bits, narrowest) } : asked
    const bounds = { locked: {}, constraints: noConstraints, allocator: null }
    for (const flat of uniform ? [false, true] : [false])
      try {
        const { recipe } = await solve({ project, budget, uniform: flat, ...bounds }, caller)
        recipes.set(recipeId(recipe), recipe)
      } catch (error) {
        // Zeros, low ranks and blocks left out fit where no single width does.
        if (!flat || !(error instanceof Fault) || error.code !== 'infeasible') throw error
      }
  }
  return [...recipes.values()]
}

/** Whether what comes `at` that place may still begin: the time is looked at once for each, when its turn comes. */
export function deadline(minutes: number | null, now: () => number) {
  const endsAt = minutes === null ? Infinity : now() + minutes * 60_000
  const decided = new Map<number, boolean>()
  return {
    isOver(at: number): boolean {
      const known = decided.get(at) ?? now() >= endsAt
      decided.set(at, known)
      return known
    },
    left: (): number => [...decided.values()].filter((over) => over).length,
  }
}

export const prepareFront =
  (context: AppContext, now: () => number = () => performance.now()): Prepare =>
  async (order, unitContext): Promise<Work> => {
    const { recipes, minutes } = frontArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path } = await verifiedSubject(project, unitContext)
    const evaluates = canEvaluate(subject)
    if (!evaluates) noteNoEvaluation(unitContext)
    const data = evaluates ? requireData(project, subject) : null
    const units = new Map<string, Unit>()
    const time = deadline(minutes, now)
    const add = (unit: Unit, at: number): void => {
      if (units.has(unit.key)) return
      units.set(unit.key, { ...unit, isDone: async () => time.isOver(at) || (await unit.isDone()) })
    }
    if (data) {
      const common = { subject, checkpoint: path, data, candidate: original(subject) }
      for (const unit of measureUnits(context, project, common)) units.set(unit.key, unit)
    }
    for (const [at, recipe] of recipes.entries()) {
      const model = await checkRecipe(context, project, recipe)
      const made = await variantUnits(context, project, {
        ...{ recipe, name: null, job: order.id, checkpoint: path, model },
        work: unitContext,
      })
      for (const unit of made.units) add(unit, at)
      if (!data) continue
      const candidate = { variant: { id: made.id, recipe }, bytes: made.bytes, name: made.name }
      for (const unit of measureUnits(context, project, { subject, checkpoint: path, data, candidate })) add(unit, at)
    }
    const finish = (): null => {
      const left = time.left()
      if (left > 0) unitContext.hooks.notify(`The time was up: ${left} of ${recipes.length} points were not begun.`)
      return null
    }
    return { units: [...units.values()], finish }
  }
