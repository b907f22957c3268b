// "Lose at most x", found by measuring: bisection along the predicted curve (allocate/bisect.ts), each step a plan that is run
// and evaluated. What was measured stays, whatever becomes of the job: a search goes on where it was stopped.
import { z } from 'zod'
import { constraintsSchema, floorMeasured, methodsSchema, type Recipe } from '../../src-preload/contract/plan.ts'
import type { Evaluation } from '../../src-preload/contract/results.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { type Measured, nextPoint, type Order, outcome } from '../engine/allocate/bisect.ts'
import type { DataReference } from '../engine/protocol.ts'
import type { Prepare, Unit, UnitContext, Work } from '../jobs/work.ts'
import { readEvaluation } from '../store/evaluations.ts'
import type { AppContext } from './context.ts'
import { evaluateUnit, evaluationId, original } from './evaluate-units.ts'
import { endsOf, orderUnit, type Point, pointsAlong, pointSchema } from './floor-points.ts'
import { planFormat } from './plan-format.ts'
import { planModel } from './plan-model.ts'
import { type OpenProject, requireData, type Subject, subjectOf } from './projects.ts'
import { checkRecipe, variantId, variantUnits } from './run.ts'
import { startJob, verifiedSubject } from './work.ts'

// `format` and `methods` are fixed when the search is asked for: the project may plan for others meanwhile.
const floorArgs = z.object({
  lose: z.number().positive(),
  /** Of a search that an older Lathe began. */
  points: z.array(pointSchema).optional(),
  ends: z.object({ least: z.number(), most: z.number() }).optional(),
  format: z.string().optional(),
  methods: methodsSchema.optional(),
  locked: z.record(z.string(), z.string()).default({}),
  constraints: constraintsSchema.prefault({}),
  allocator: z.string().nullable().default(null),
})

export const floorHandlers = (context: AppContext): Pick<Handlers, 'floor.start'> => ({
  'floor.start': async ({ project, lose, locked, constraints, allocator }) => {
    const open = context.projects.get(project)
    const subject = subjectOf(open)
    requireData(open, subject)
    const asked = { locked, constraints, allocator }
    const ends = await endsOf(await planModel(context, open), asked)
    const args = { lose, ends, format: planFormat(subject), methods: subject.row.methods, ...asked }
    const title = `Find the smallest that loses at most ${(100 * lose).toPrecision(2)} %`
    return startJob(context, { project, kind: 'floor', title, args })
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
    const { lose, points: given, ends, format, methods, ...asked } = floorArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path: checkpoint } = await verifiedSubject(project, unitContext)
    const data = requireData(project, subject)
    const made = orderUnit(project, order.id, async (seen) => {
      if (given || !ends) return given ?? []
      const fixed = { ...(format !== undefined && { format }), ...(methods && { methods }) }
      return pointsAlong(await planModel(context, project, fixed), asked, ends, seen)
    })
    const points = (): Point[] => made.points() ?? []
    const along = (): Order => ({
      points: points().length,
      floor: floorOf(lose, subject),
      predicted: points().map((p) => p.predicted),
    })
    const measured = (): Measured[] =>
      points().flatMap(({ recipe }, index) => {
        const id = evaluationId(subject, variantId(recipe), subject.row.device)
        const evaluation = readEvaluation(project.store.read, { id })
        const quality = evaluation && qualityOf(evaluation)
        return quality ? [{ ...quality, index }] : []
      })
    const steps = floorMeasured(given?.length)
    const first = evaluateUnit(context, project, { subject, checkpoint, data, candidate: original(subject) })
    const units = Array.from({ length: steps }, (_, step): Unit => ({
      key: `floor-step-${step}`,
      kind: 'evaluate',
      step: `step ${step + 1} of at most ${steps}`,
      weight: subject.checkpoint.summary.parameters * (subject.dataSet?.summary.evaluate ?? 1),
      isDone: () => made.isDone() === true && nextPoint(along(), measured()) === null,
      async run(work) {
        const index = nextPoint(along(), measured())
        const point = index === null ? undefined : points()[index]
        if (point)
          await measurePoint(context, project, point.recipe, { job: order.id, subject, checkpoint, data, work })
      },
    }))
    return {
      units: [made, first, ...units],
      finish() {
        const { index, unclear, exceptions } = outcome(along(), measured())
        const { hooks } = unitContext
        if (unclear.length > 0) hooks.notify(`${unclear.length} plans might do, too: their intervals hold the floor. More samples would tell.`) // prettier-ignore
        if (exceptions.length > 0) hooks.notify(`${exceptions.length} larger plans were measured to lose more: the order is noisy here.`) // prettier-ignore
        return variantId(points()[index]?.recipe as Recipe)
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
