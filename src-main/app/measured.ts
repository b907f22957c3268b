// What measured variants tell of predictions: sums of layer losses against measured ones, and what a divergence costs.
import { isDeepStrictEqual } from 'node:util'
import type { Methods } from '../../src-preload/contract/plan.ts'
import { pairLoss } from '../engine/allocate/limits.ts'
import { listEvaluationsOn } from '../store/evaluations.ts'
import { readRecipe } from '../store/recipes.ts'
import { listVariants } from '../store/variants.ts'
import type { CoupledPoint } from './calibrate.ts'
import { removalLosses } from './depth-loss.ts'
import type { Losses } from './losses.ts'
import type { OpenProject, Subject } from './projects.ts'
import { methodsOfRecipe, REMOVE_BLOCKS } from './recipe-methods.ts'

/** Measured KL divergence of each variant on the project's data. */
export function measuredLosses(project: OpenProject, subject: Subject): Map<string, number> {
  const found = new Map<string, number>()
  for (const { variant, part, metrics } of evaluationsOf(project, subject)) {
    const loss = metrics.klDivergence
    if (variant !== null && part === 'evaluate' && loss) found.set(variant, loss.value)
  }
  return found
}

const evaluationsOf = (project: OpenProject, { row: { checkpoint }, data }: Subject) =>
  data === '' ? [] : listEvaluationsOn(project.store.read, { checkpoint, data })

/** KL divergence against ln perplexity ratio, or against points of accuracy. */
export const measuredQualities = (project: OpenProject, subject: Subject): { loss: number; lost: number }[] =>
  evaluationsOf(project, subject).flatMap(({ variant, part, metrics }) => {
    const { klDivergence: loss, logPerplexityRatio, top1Difference } = metrics
    const lost = logPerplexityRatio?.value ?? (top1Difference ? -top1Difference.value : undefined)
    return variant !== null && part === 'evaluate' && loss && lost !== undefined ? [{ loss: loss.value, lost }] : []
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

/** Of every format: what a layer's option costs does not depend on the file around it. */
export function measuredPoints(
  project: OpenProject,
  subject: Subject,
  given: { losses: Losses; methods: Methods; pairs: readonly { a: string; b: string; rho: number }[] },
): CoupledPoint[] {
  const { losses, methods, pairs } = given
  const measured = measuredLosses(project, subject)
  const removal = removalLosses(project, subject)
  const own = roundingOf(methods)
  const points = listVariants(project.store.read).flatMap((variant) => {
    const loss = measured.get(variant.id)
    const recipe = loss === undefined ? null : readRecipe(project.store.read, { id: variant.recipeId })
    if (loss === undefined || !recipe || recipe.checkpoint.fingerprint !== subject.row.checkpoint) return []
    const costs = new Map(recipe.layers.map(({ name, option }) => [name, losses.of(name, option).loss]))
    const gone = removal(removedBy(methodsOfRecipe(recipe))).loss
    const predicted = [...costs.values()].reduce((sum, cost) => sum + cost, gone)
    const cross = pairs.reduce((sum, { a, b, rho }) => sum + pairLoss(rho, costs.get(a) ?? 0, costs.get(b) ?? 0), 0)
    const alike = isDeepStrictEqual(roundingOf(methodsOfRecipe(recipe)), own)
    return [{ predicted, cross, measured: loss, alike }]
  })
  // Another quantizer is off by another factor: its points count only while there are none of this one.
  const alike = points.filter((point) => point.alike)
  return alike.length > 0 ? alike : points
}
