import { z } from 'zod'
import { type Budget, type Recipe, recipeSchema } from '../../src-preload/contract/plan.ts'
import type { Front, FrontPoint, MeasuredPoint } from '../../src-preload/contract/results.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { curve } from '../engine/allocate/knapsack.ts'
import type { Prepare, Unit, Work } from '../jobs/work.ts'
import { listEvaluationsOn } from '../store/evaluations.ts'
import { recipeId } from '../store/recipes.ts'
import { listVariants } from '../store/variants.ts'
import type { AppContext } from './context.ts'
import { evaluateUnit, original } from './evaluate-units.ts'
import { planModel, type PlanModel, total, type Total, uniformChoice } from './plan-model.ts'
import { canEvaluate, type OpenProject, requireData } from './projects.ts'
import { checkRecipe, noteNoEvaluation, variantUnits } from './run.ts'
import { solvePlan } from './solve.ts'
import { startJob, verifiedSubject } from './work.ts'

const frontArgs = z.object({ recipes: z.array(recipeSchema) })

/** More points than a chart can show differently. */
const maximumPoints = 200

function pointOf(model: PlanModel, sums: Omit<Total, 'bitsPerWeight'>): FrontPoint {
  const prediction = model.calibration.predict(sums.loss, sums.standardError)
  return {
    bytes: sums.bytes,
    averageBits: sums.averageBits,
    loss: prediction.loss,
    lossLow: prediction.low,
    lossHigh: prediction.high,
  }
}

/** The lower convex hull of size against predicted loss, thinned for drawing: from the smallest choice, one layer at a
 *  time gets the option that saves most loss per byte. */
function predictedCurve(model: PlanModel): FrontPoint[] {
  const { layer, option } = curve(model.layers)
  const choice = smallestChoice(model)
  const every = Math.max(1, Math.ceil((layer.length + 1) / maximumPoints))
  const points = [pointOf(model, total(model, choice))]
  for (let step = 0; step < layer.length; step += 1) {
    choice[layer[step] ?? 0] = option[step] ?? 0
    if ((step + 1) % every === 0 || step === layer.length - 1) points.push(pointOf(model, total(model, choice)))
  }
  return points
}

/** The fewest bytes everywhere; of equal ones the least loss. */
const smallestChoice = (model: PlanModel): Int32Array =>
  Int32Array.from(model.layers, ({ bytes, loss }) => {
    let best = 0
    for (let index = 1; index < bytes.length; index += 1) {
      const [size = 0, least = 0] = [bytes[index], bytes[best]]
      if (size < least || (size === least && (loss[index] ?? 0) < (loss[best] ?? 0))) best = index
    }
    return best
  })

function measuredDots(project: OpenProject, model: PlanModel): MeasuredPoint[] {
  const { subject } = model
  if (subject.data === '') return []
  const variants = new Map(listVariants(project.store.read).map((variant) => [variant.id, variant]))
  const dots = new Map<string, MeasuredPoint>() // the newest measurement of each
  const found = listEvaluationsOn(project.store.read, { checkpoint: subject.row.checkpoint, data: subject.data })
  for (const { variant: id, part, metrics, bytes } of found) {
    if (part !== 'evaluate') continue
    const variant = id === null ? null : variants.get(id)
    if (variant === undefined) continue
    const loss = variant === null ? { value: 0, low: 0, high: 0 } : metrics.klDivergence
    if (!loss) continue
    dots.set(id ?? '', {
      variant: id,
      format: variant?.format ?? null,
      label: variant?.name ?? 'original',
      kind: variant === null ? 'original' : variant.uniform ? 'uniform' : 'planned',
      bytes: variant?.bytes ?? bytes,
      averageBits: variant?.averageBits ?? storedBits(model),
      loss: loss.value,
      lossLow: loss.low ?? loss.value,
      lossHigh: loss.high ?? loss.value,
      predictedLoss: variant?.predictedLoss ?? null,
      metrics,
      pinned: variant?.pinned ?? false,
    })
  }
  return [...dots.values()]
}

/** Bits a compressible weight takes in the checkpoint as it is. */
function storedBits(model: PlanModel): number {
  const names = new Set(model.layers.map(({ name }) => name))
  const layers = model.subject.checkpoint.summary.layers.filter(({ name }) => names.has(name))
  const weights = layers.reduce((sum, layer) => sum + layer.parameters, 0)
  return weights === 0 ? 0 : (8 * layers.reduce((sum, layer) => sum + layer.bytes, 0)) / weights
}

function frontOf(project: OpenProject, model: PlanModel): Front {
  const { factor, spearman, points } = model.calibration
  const widths = model.widths.filter((width) => width < 32)
  return {
    predicted: predictedCurve(model),
    measured: measuredDots(project, model),
    uniform: widths.map((width) => pointOf(model, total(model, uniformChoice(model, width)))),
    calibration: { factor, spearman, points },
  }
}

export const frontHandlers = (context: AppContext): Pick<Handlers, 'front.get' | 'front.start'> => ({
  'front.get': async ({ project }) => {
    const open = context.projects.get(project)
    return frontOf(open, await planModel(context, open))
  },
  'front.start': async ({ project, budgets, uniform }) => {
    const open = context.projects.get(project)
    const recipes = recipesOf(await planModel(context, open), budgets, uniform)
    const title = `Measure ${recipes.length} points of the front`
    // The recipes are fixed now: measurements on the way must not change what a resumed job makes.
    return startJob(context, { project, kind: 'front', title, args: { recipes } })
  },
})

/** One recipe per budget and, when asked, its uniform twin; the same recipe only once. Where a range of widths begins below
 *  the format's narrowest, it begins there. */
function recipesOf(model: PlanModel, budgets: readonly Budget[], uniform: boolean): Recipe[] {
  const recipes = new Map<string, Recipe>()
  const [narrowest = 1] = model.widths
  for (const asked of budgets) {
    const budget = 'bits' in asked ? { bits: Math.max(asked.bits, narrowest) } : asked
    for (const flat of uniform ? [false, true] : [false]) {
      const { recipe } = solvePlan(model, { budget, uniform: flat, locked: {} })
      recipes.set(recipeId(recipe), recipe)
    }
  }
  return [...recipes.values()]
}

export const prepareFront =
  (context: AppContext): Prepare =>
  async (order, unitContext): Promise<Work> => {
    const { recipes } = frontArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path } = await verifiedSubject(project, unitContext)
    const evaluates = canEvaluate(subject)
    if (!evaluates) noteNoEvaluation(unitContext)
    const data = evaluates ? requireData(project, subject) : null
    const units = new Map<string, Unit>()
    const add = (unit: Unit): void => void (units.has(unit.key) || units.set(unit.key, unit))
    if (data) add(evaluateUnit(context, project, { subject, checkpoint: path, data, candidate: original(subject) }))
    for (const recipe of recipes) {
      const model = await checkRecipe(context, project, recipe)
      const made = await variantUnits(context, project, {
        ...{ recipe, name: null, job: order.id, checkpoint: path, model },
        work: unitContext,
      })
      for (const unit of made.units) add(unit)
      if (!data) continue
      const candidate = { variant: { id: made.id, recipe }, bytes: made.bytes, name: made.name }
      add(evaluateUnit(context, project, { subject, checkpoint: path, data, candidate }))
    }
    return { units: [...units.values()], finish: () => null }
  }
