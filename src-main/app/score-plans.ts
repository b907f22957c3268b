// "Which score would have planned best here": plans made with a score times the weight error of each option in place of
// measured losses, judged by the measured ones.
//   cost(layer, option) = weight(layer) share(layer) ||w - q(w)||^2 / ||w||^2
//   weight by rank: 4^(spread (1/2 - place)), place 0 of the highest score .. 1 of the lowest
// A bit divides the error of rounding by about four, so a spread of 1 takes half a bit more to the highest layer and half a
// bit from the lowest, whatever scale the score has. (On a small Llama at 2.5 to 4 bits the scores' plans then lost 1.2 to
// 1.6 times as much as plans from measured losses; 1.4 to 2.5 with a spread of 2, 1.2 with the weight error alone.) By value: the score itself, shifted above zero where it has values below.
import type { Budget, Recipe } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { layerScores, ranksOf } from '../../src-preload/contract/layer-scores.ts'
import type { ScoreResult } from '../../src-preload/contract/methods.ts'
import type { ScorePlanPoint, ScorePlanRow, ScorePlans, Weighing } from '../../src-preload/contract/scores.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { solve } from '../engine/allocate/knapsack.ts'
import { listOptions } from '../store/options.ts'
import { recipeId } from '../store/recipes.ts'
import type { AppContext } from './context.ts'
import { keyOf, readLosses } from './losses.ts'
import { measuredVariants } from './measured.ts'
import { bytesAtBits, planModel, type PlanModel, total, uniformChoice } from './plan-model.ts'
import type { OpenProject } from './projects.ts'
import { scoreMethod, storedScore } from './score.ts'
import { recipeOf } from './solve.ts'
import { variantId } from './run.ts'

const SPREAD = 1 // bits between the highest layer and the lowest
const LEAST = 0.01 // of the range: weight of the lowest layer, by value

/** What a score makes of each layer's error, 1 in the middle. `null` for layers it says nothing of: the caller's middle. */
export function weightsOf(
  names: readonly string[],
  scores: ReadonlyMap<string, number>,
  weighing: Weighing,
): Map<string, number> {
  const known = names.filter((name) => scores.has(name))
  const values = known.map((name) => scores.get(name) ?? 0)
  const lowest = Math.min(...values)
  const span = Math.max(...values) - lowest
  if (weighing === 'value') {
    const shift = lowest > 0 ? 0 : LEAST * (span || 1) - lowest
    return new Map(known.map((name, at) => [name, (values[at] ?? 0) + shift]))
  }
  const last = Math.max(1, known.length - 1)
  return new Map(ranksOf(values).map((rank, at) => [known[at] ?? '', 4 ** (SPREAD * (0.5 - (rank - 1) / last))]))
}

const assumedError = (bits: number): number => Math.min(1, 3 * 4 ** -bits) // see losses.ts

/** [layers][options] relative squared weight errors: measured where they were, else assumed. */
function weightErrors(project: OpenProject, model: PlanModel): Float64Array[] {
  const errors = new Map<string, number>()
  const { checkpoint } = model.subject.row
  for (const data of new Set(['', model.subject.data]))
    for (const row of listOptions(project.store.read, { checkpoint, data }))
      errors.set(keyOf(row.layer, row.option), row.error)
  return model.layers.map(({ name, options }) =>
    Float64Array.from(options, ({ id, bits, method, form }) =>
      method === 'keep'
        ? 0
        : (errors.get(keyOf(name, id)) ?? errors.get(keyOf(name, form ?? id)) ?? assumedError(bits)),
    ),
  )
}

function budgetBytes(model: PlanModel, budget: Budget): number {
  if ('bits' in budget) return bytesAtBits(model, budget.bits)
  if ('bytes' in budget) return budget.bytes
  throw new Fault('bad-arguments', 'Scores are compared at budgets of bits or bytes.', { data: { field: 'budgets' } })
}

/** The measured losses of variants on the project's data, by id. */
const measuredOf = (project: OpenProject, { subject }: PlanModel): Map<string, ScorePlanPoint['measured']> =>
  new Map(
    measuredVariants(project, subject).flatMap(({ variant, loss: { value, low, high } }) =>
      variant === null ? [] : [[variant.id, { loss: value, low, high }]],
    ),
  )

export async function scorePlans(
  context: AppContext,
  project: OpenProject,
  args: { methods: readonly string[]; budgets: readonly Budget[]; weighing: Weighing },
): Promise<ScorePlans> {
  const scores: ScoreResult[] = []
  for (const id of args.methods) {
    const { title } = await scoreMethod(context, id)
    const score = storedScore(project, id)
    if (!score) throw new Fault('bad-arguments', `${title} was not measured yet.`, { hint: 'Measure it first.' })
    scores.push(score)
  }
  const offered = await planModel(context, project)
  // Widths alone: other levers have no error that a score could weigh.
  const { levers: _, ...methods } = offered.methods
  const model = offered.methods.levers ? await planModel(context, project, { methods }) : offered
  const measured = measuredOf(project, model)
  const errors = weightErrors(project, model)
  const parameters = model.layers.reduce((sum, layer) => sum + layer.parameters, 0)
  const point = (budget: Budget, choice: Int32Array): ScorePlanPoint => {
    const sums = total(model, choice)
    const judged = model.calibration.predict(sums.loss, sums.standardError)
    const recipe: Recipe = recipeOf(model, choice)
    return {
      budget,
      bytes: sums.bytes,
      averageBits: sums.averageBits,
      judged: { loss: judged.loss, low: judged.low, high: judged.high },
      measured: measured.get(variantId(recipe)) ?? null,
      recipe,
      recipeId: recipeId(recipe),
    }
  }
  const planned = (loss: (layer: number) => Float64Array): ScorePlanPoint[] => {
    const layers = model.layers.map(({ bytes }, layer) => ({ bytes, loss: loss(layer) }))
    const smallest = model.baseBytes + layers.reduce((sum, { bytes }) => sum + Math.min(...bytes), 0)
    return args.budgets.map((budget) => {
      const most = Math.max(smallest, budgetBytes(model, budget))
      return point(budget, Int32Array.from(solve(layers, most - model.baseBytes).choice))
    })
  }
  const weighed = (weight: (name: string) => number) => (layer: number) => {
    const { name, parameters: own } = model.layers[layer] as PlanModel['layers'][number]
    const factor = (weight(name) * own) / Math.max(1, parameters)
    return (errors[layer] as Float64Array).map((error) => factor * error)
  }
  const names = model.layers.map(({ name }) => name)
  const placed = model.subject.checkpoint.summary.layers
  const rows = scores.map((score): ScorePlanRow => {
    const weights = weightsOf(names, layerScores(placed, score), args.weighing)
    const sorted = [...weights.values()].sort((a, b) => a - b)
    const middle = sorted[Math.floor(sorted.length / 2)] ?? 1
    const silent = names.length - weights.size
    const notes =
      silent > 0 ? [`It says nothing of ${silent} of ${names.length} layers: they count as its middle.`] : []
    const points = planned(weighed((name) => weights.get(name) ?? middle))
    return { basis: 'score', method: score.method, notes, points }
  })
  const widest = [...model.widths].reverse()
  const uniform = args.budgets.map((budget) => {
    const most = budgetBytes(model, budget) * (1 + 1e-9)
    const choices = widest.map((width) => uniformChoice(model, width))
    return point(budget, choices.find((choice) => total(model, choice).bytes <= most) ?? uniformChoice(model, 0))
  })
  const losses = readLosses(project, model.subject)
  const pairs = model.layers.flatMap(({ name, options }) => options.map((option) => losses.of(name, option).measured))
  return {
    judge: model.source,
    unmeasured: pairs.filter((isMeasured) => !isMeasured).length,
    rows: [
      ...rows,
      { basis: 'error', method: null, notes: [], points: planned(weighed(() => 1)) },
      {
        basis: 'sensitivity',
        method: null,
        notes: [],
        points: planned((layer) => model.layers[layer]?.loss ?? new Float64Array()),
      },
      { basis: 'uniform', method: null, notes: [], points: uniform },
    ],
  }
}

export const scorePlansHandlers = (context: AppContext): Pick<Handlers, 'score.plans'> => ({
  'score.plans': ({ project, ...args }) => scorePlans(context, context.projects.get(project), args),
})
