// "Lose at most x", found by measuring: bisection along the predicted curve (allocate/bisect.ts), each step a plan that is run
// and evaluated. What was measured stays, whatever becomes of the job: a search goes on where it was stopped.
import { z } from 'zod'
import { type Recipe, recipeSchema } from '../../src-preload/contract/plan.ts'
import type { Evaluation } from '../../src-preload/contract/results.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { type Measured, nextPoint, type Order, outcome } from '../engine/allocate/bisect.ts'
import type { DataReference } from '../engine/protocol.ts'
import type { Prepare, Unit, UnitContext, Work } from '../jobs/work.ts'
import { readEvaluation } from '../store/evaluations.ts'
import { recipeId } from '../store/recipes.ts'
import type { AppContext } from './context.ts'
import { evaluateUnit, evaluationId, original } from './evaluate-units.ts'
import { planModel } from './plan-model.ts'
import { type OpenProject, requireData, type Subject, subjectOf } from './projects.ts'
import { checkRecipe, variantId, variantUnits } from './run.ts'
import { planFor } from './solve.ts'
import { startJob, verifiedSubject } from './work.ts'

const floorArgs = z.object({
  lose: z.number().positive(),
  points: z.array(z.object({ recipe: recipeSchema, predicted: z.number() })),
})

/** Plans along the curve that the search can stop at: 2 ^ 6, so that six or seven are measured. */
const mostPoints = 64

export const floorHandlers = (context: AppContext): Pick<Handlers, 'floor.start'> => ({
  'floor.start': async ({ project, lose, locked, constraints }) => {
    const open = context.projects.get(project)
    requireData(open, subjectOf(open))
    const model = await planModel(context, open)
    const request = { uniform: false, locked, constraints }
    const least = (await planFor(model, { ...request, budget: { loss: Number.MAX_VALUE } })).predicted.bytes
    const most = (await planFor(model, { ...request, budget: { bytes: Number.MAX_SAFE_INTEGER } })).predicted.bytes
    const points = new Map<string, { recipe: Recipe; predicted: number }>()
    for (let k = 0; k < mostPoints; k += 1) {
      const bytes = Math.ceil(least * (most / least) ** (k / (mostPoints - 1)))
      const { recipe, predicted } = await planFor(model, { ...request, budget: { bytes } })
      points.set(recipeId(recipe), { recipe, predicted: -predicted.loss })
    }
    const title = `Find the smallest that loses at most ${(100 * lose).toPrecision(2)} %`
    return startJob(context, { project, kind: 'floor', title, args: { lose, points: [...points.values()] } })
  },
})

/** ln of the perplexity ratio or points of accuracy, turned so that more is better; null where neither was measured. */
function qualityOf({ metrics }: Evaluation): Omit<Measured, 'index'> | null {
  const { logPerplexityRatio: ratio, top1Difference: difference } = metrics
  if (ratio) return { quality: -ratio.value, low: -(ratio.high ?? ratio.value), high: -(ratio.low ?? ratio.value) }
  if (!difference) return null
  return {
    quality: difference.value,
    low: difference.low ?? difference.value,
    high: difference.high ?? difference.value,
  }
}

export const floorOf = (lose: number, { checkpoint }: Pick<Subject, 'checkpoint'>): number =>
  checkpoint.summary.task === 'causal-lm' ? -Math.log1p(lose) : -lose

export const prepareFloor =
  (context: AppContext): Prepare =>
  async (order, unitContext): Promise<Work> => {
    const { lose, points } = floorArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path: checkpoint } = await verifiedSubject(project, unitContext)
    const data = requireData(project, subject)
    const along: Order = {
      points: points.length,
      floor: floorOf(lose, subject),
      predicted: points.map((p) => p.predicted),
    }
    const measured = (): Measured[] =>
      points.flatMap(({ recipe }, index) => {
        const id = evaluationId(subject, variantId(recipe), subject.row.device)
        const evaluation = readEvaluation(project.store.read, { id })
        const quality = evaluation && qualityOf(evaluation)
        return quality ? [{ ...quality, index }] : []
      })
    const steps = Math.ceil(Math.log2(points.length + 1)) + 3
    const first = evaluateUnit(context, project, { subject, checkpoint, data, candidate: original(subject) })
    const units = Array.from({ length: steps }, (_, step): Unit => ({
      key: `floor-step-${step}`,
      kind: 'evaluate',
      step: `step ${step + 1} of at most ${steps}`,
      weight: subject.checkpoint.summary.parameters * (subject.dataSet?.summary.evaluate ?? 1),
      isDone: () => nextPoint(along, measured()) === null,
      async run(work) {
        const index = nextPoint(along, measured())
        const point = index === null ? undefined : points[index]
        if (point)
          await measurePoint(context, project, point.recipe, { job: order.id, subject, checkpoint, data, work })
      },
    }))
    return {
      units: [first, ...units],
      finish() {
        const { index, unclear, exceptions } = outcome(along, measured())
        const { hooks } = unitContext
        if (unclear.length > 0) hooks.notify(`${unclear.length} plans might do, too: their intervals hold the floor. More samples would tell.`) // prettier-ignore
        if (exceptions.length > 0) hooks.notify(`${exceptions.length} larger plans were measured to lose more: the order is noisy here.`) // prettier-ignore
        return variantId(points[index]?.recipe as Recipe)
      },
    }
  }

/** Runs and evaluates one plan, unit by unit: those that are done are passed over. */
async function measurePoint(
  context: AppContext,
  project: OpenProject,
  recipe: Recipe,
  given: { job: string; subject: Subject; checkpoint: string; data: DataReference; work: UnitContext },
): Promise<void> {
  const { job, subject, checkpoint, data, work } = given
  const model = await checkRecipe(context, project, recipe)
  const made = await variantUnits(context, project, { recipe, name: null, job, checkpoint, model, work })
  const candidate = { variant: { id: made.id, recipe }, bytes: made.bytes, name: made.name }
  const all = [...made.units, evaluateUnit(context, project, { subject, checkpoint, data, candidate })]
  const weights = all.reduce((sum, { weight }) => sum + weight, 0)
  let done = 0
  for (const unit of all) {
    const before = done
    const progress: UnitContext['hooks']['progress'] = (update) =>
      work.hooks.progress({ ...update, step: unit.step, fraction: (before + unit.weight * update.fraction) / weights })
    if (!(await unit.isDone())) await unit.run({ ...work, hooks: { ...work.hooks, progress } })
    done += unit.weight
  }
}
