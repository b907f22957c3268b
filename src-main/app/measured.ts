// What measured variants tell of predictions: sums of layer losses against measured ones, and what a divergence costs.
import { isDeepStrictEqual } from 'node:util'
import type { Methods, Recipe } from '../../src-preload/contract/plan.ts'
import type { Evaluation, Variant } from '../../src-preload/contract/results.ts'
import { pairLoss } from '../engine/allocate/limits.ts'
import { listEvaluationsOn } from '../store/evaluations.ts'
import { readRecipe } from '../store/recipes.ts'
import { listVariants } from '../store/variants.ts'
import type { CoupledPoint } from './calibrate.ts'
import { removalLosses } from './depth-loss.ts'
import type { Losses } from './losses.ts'
import type { OpenProject, Subject } from './projects.ts'
import { methodsOfRecipe, REMOVE_BLOCKS } from './recipe-methods.ts'

/** The newest measurement of the original (null) or of a variant. */
export interface MeasuredVariant {
  variant: Variant | null
  evaluation: Evaluation
  loss: { value: number; low: number; high: number } // KL divergence, nats; of the original none
}

export interface MeasuredRecipe {
  options: ReadonlyMap<string, string> // layer -> option id
  loss: number // KL divergence, nats
}

/** Everything that was measured on the project's evaluation data, once for each variant, in the order in which they were first
 *  measured. The only reader of these rows: curves, calibration and dots all begin here. */
export function measuredVariants(project: OpenProject, { row: { checkpoint }, data }: Subject): MeasuredVariant[] {
  if (data === '') return []
  const variants = new Map(listVariants(project.store.read).map((variant) => [variant.id, variant]))
  const newest = new Map<string, MeasuredVariant>()
  for (const evaluation of listEvaluationsOn(project.store.read, { checkpoint, data })) {
    const { variant: id, part, metrics } = evaluation
    const variant = id === null ? null : variants.get(id)
    const found = variant === null ? { value: 0, low: 0, high: 0 } : metrics.klDivergence
    if (part !== 'evaluate' || variant === undefined || !found) continue
    const { value, low, high } = found
    newest.set(id ?? '', { variant, evaluation, loss: { value, low: low ?? value, high: high ?? value } })
  }
  return [...newest.values()]
}

/** KL divergence against ln perplexity ratio, or against points of accuracy. */
export const qualitiesOf = (measured: readonly MeasuredVariant[]): { loss: number; lost: number }[] =>
  measured.flatMap(({ variant, evaluation: { metrics }, loss }) => {
    const { logPerplexityRatio, top1Difference } = metrics
    const lost = logPerplexityRatio?.value ?? (top1Difference ? -top1Difference.value : undefined)
    return variant !== null && lost !== undefined ? [{ loss: loss.value, lost }] : []
  })

/** Blocks that a recipe leaves out. */
export const removedBy = ({ prepare }: Methods): number[] =>
  prepare.flatMap(({ method, parameters }) =>
    method === REMOVE_BLOCKS && Array.isArray(parameters.blocks) ? parameters.blocks.map(Number) : [],
  )

/** How weights are rounded, whatever is left out. */
const roundingOf = ({ quantizer, prepare }: Methods): unknown => ({
  quantizer,
  prepare: prepare.filter(({ method }) => method !== REMOVE_BLOCKS),
})

/** Recipes of measured variants of this checkpoint, each read once for all that is told from them. */
export const recipesOf = (
  project: OpenProject,
  { row: { checkpoint } }: Subject,
  measured: readonly MeasuredVariant[],
): { recipe: Recipe; loss: number }[] =>
  measured.flatMap(({ variant, loss }) => {
    const recipe = variant && readRecipe(project.store.read, { id: variant.recipeId })
    return recipe?.checkpoint.fingerprint === checkpoint ? [{ recipe, loss: loss.value }] : []
  })

/** What measured variants under these methods chose for each layer, with the same blocks left out. */
export function measuredRecipes(made: ReturnType<typeof recipesOf>, methods: Methods): MeasuredRecipe[] {
  const identity = (of: Methods): unknown => [roundingOf(of), [...removedBy(of)].sort()]
  const own = identity(methods)
  return made
    .filter(({ recipe }) => isDeepStrictEqual(identity(methodsOfRecipe(recipe)), own))
    .map(({ recipe, loss }) => ({ options: new Map(recipe.layers.map(({ name, option }) => [name, option.id])), loss }))
}

/** Of every format: what a layer's option costs does not depend on the file around it. */
export function measuredPoints(
  project: OpenProject,
  subject: Subject,
  given: {
    made: ReturnType<typeof recipesOf>
    losses: Losses
    methods: Methods
    pairs: readonly { a: string; b: string; rho: number }[]
  },
): CoupledPoint[] {
  const { losses, methods, pairs } = given
  const removal = removalLosses(project, subject)
  const own = roundingOf(methods)
  const points = given.made.map(({ recipe, loss }) => {
    const costs = new Map(recipe.layers.map(({ name, option }) => [name, losses.of(name, option).loss]))
    const used = methodsOfRecipe(recipe)
    const gone = removal(removedBy(used)).loss
    const predicted = [...costs.values()].reduce((sum, cost) => sum + cost, gone)
    const cross = pairs.reduce((sum, { a, b, rho }) => sum + pairLoss(rho, costs.get(a) ?? 0, costs.get(b) ?? 0), 0)
    return { predicted, cross, measured: loss, alike: isDeepStrictEqual(roundingOf(used), own) }
  })
  // Another quantizer is off by another factor: its points count only while there are none of this one.
  const alike = points.filter((point) => point.alike)
  return alike.length > 0 ? alike : points
}
