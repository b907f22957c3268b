// What measured variants tell of predictions: sums of layer losses against measured ones, and what a divergence costs.
import { isDeepStrictEqual } from 'node:util'
import type { Methods } from '../../src-preload/contract/plan.ts'
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

/** What measured variants under these methods chose for each layer, with the same blocks left out. */
export function measuredRecipes(
  project: OpenProject,
  subject: Subject,
  measured: readonly MeasuredVariant[],
  methods: Methods,
): MeasuredRecipe[] {
  const [own, removed] = [roundingOf(methods), [...removedBy(methods)].sort()]
  return measured.flatMap(({ variant, loss }) => {
    const recipe = variant && readRecipe(project.store.read, { id: variant.recipeId })
    if (!recipe || recipe.checkpoint.fingerprint !== subject.row.checkpoint) return []
    const used = methodsOfRecipe(recipe)
    if (!isDeepStrictEqual([roundingOf(used), [...removedBy(used)].sort()], [own, removed])) return []
    return [{ options: new Map(recipe.layers.map(({ name, option }) => [name, option.id])), loss: loss.value }]
  })
}

/** Of every format: what a layer's option costs does not depend on the file around it. */
export function measuredPoints(
  project: OpenProject,
  subject: Subject,
  given: {
    measured: readonly MeasuredVariant[]
    losses: Losses
    methods: Methods
    pairs: readonly { a: string; b: string; rho: number }[]
  },
): CoupledPoint[] {
  const { losses, methods, pairs } = given
  const removal = removalLosses(project, subject)
  const own = roundingOf(methods)
  const points = given.measured.flatMap(({ variant, loss }) => {
    const recipe = variant && readRecipe(project.store.read, { id: variant.recipeId })
    if (!recipe || recipe.checkpoint.fingerprint !== subject.row.checkpoint) return []
    const costs = new Map(recipe.layers.map(({ name, option }) => [name, losses.of(name, option).loss]))
    const gone = removal(removedBy(methodsOfRecipe(recipe))).loss
    const predicted = [...costs.values()].reduce((sum, cost) => sum + cost, gone)
    const cross = pairs.reduce((sum, { a, b, rho }) => sum + pairLoss(rho, costs.get(a) ?? 0, costs.get(b) ?? 0), 0)
    const alike = isDeepStrictEqual(roundingOf(methodsOfRecipe(recipe)), own)
    return [{ predicted, cross, measured: loss.value, alike }]
  })
  // Another quantizer is off by another factor: its points count only while there are none of this one.
  const alike = points.filter((point) => point.alike)
  return alike.length > 0 ? alike : points
}
