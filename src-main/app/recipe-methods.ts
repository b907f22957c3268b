// What a recipe's `methods` mean for the work: which layers need calibration, and what was done to the network before.
import {
  feedsBack,
  isWeighted,
  type Methods,
  type MethodUse,
  type Option,
  plainMethods,
  type Recipe,
} from '../../src-preload/contract/plan.ts'
import { preparations } from '../engine/prepare/registry.ts'
import { compressorOf } from '../engine/quantize/compressors.ts'
import type { Subject } from './projects.ts'

/** Recipes that Lathe plans share one seed: the same plan is the same recipe. */
export const recipeSeed = 0

export const methodsOfRecipe = ({ methods }: Pick<Recipe, 'methods'>): Methods => methods ?? plainMethods

/** Whether nothing but the plain options is asked for. `samples` alone changes nothing then. */
export const isPlain = ({ quantizer, prepare, levers = [] }: Methods): boolean =>
  quantizer === null && prepare.length + levers.length === 0

/** The rewriting that depth is. */
export const REMOVE_BLOCKS = 'remove-blocks'

/** Levers that give layers options; depth is a matter of the whole network. */
export const layerLevers = ({ levers = [] }: Methods): MethodUse[] =>
  levers.filter(({ method }) => method !== REMOVE_BLOCKS)

/** Chosen with statistics of what flows into the layer: compressed piece by piece, in order. */
export const isCalibrated = (option: Pick<Option, 'method' | 'parameters'>): boolean =>
  feedsBack(option) || (compressorOf(option.method)?.needs.includes('hessian') ?? false)

/** Whether a rewriting has to look at calibration data first. */
export const measures = (method: string): boolean => preparations.find(({ id }) => id === method)?.measure !== undefined

/** The recipe's rewritings: those before its layers are compressed, and those after. */
export function rewritingsOf(recipe: Pick<Recipe, 'methods'>): { before: MethodUse[]; after: MethodUse[] } {
  const { prepare } = methodsOfRecipe(recipe)
  const finishes = ({ method }: MethodUse) => preparations.find(({ id }) => id === method)?.finishes === true
  return { before: prepare.filter((use) => !finishes(use)), after: prepare.filter(finishes) }
}

/** The version of what makes its calibrated layers match the original network; null: each keeps to its own weights. */
export const matchingOf = (recipe: Pick<Recipe, 'methods'>): number | null =>
  methodsOfRecipe(recipe).prepare.reduce<number | null>((found, use) => {
    const method = preparations.find(({ id }) => id === use.method)
    return method?.matches ? method.version : found
  }, null)

/** Whether some of it needs the project's data. */
export const needsData = (methods: Methods, options: readonly Pick<Option, 'method' | 'parameters'>[]): boolean =>
  methods.prepare.some(({ method }) => measures(method)) ||
  options.some((option) => isWeighted(option) || isCalibrated(option))

export const versionOfPreparation = (id: string): number =>
  preparations.find((method) => method.id === id)?.version ?? 0

/** Rewritings as they enter the key of whatever is made after them; those that follow the layers change none. Nothing
 *  without any, as in recipes of before. */
export function prepareIdentity(recipe: Recipe, count = Infinity): { prepare?: unknown } {
  const uses = rewritingsOf(recipe).before.slice(0, count)
  if (uses.length === 0) return {}
  const measured = uses.some(({ method }) => measures(method))
  return {
    prepare: {
      uses: uses.map(({ method, parameters }) => ({ method, parameters, version: versionOfPreparation(method) })),
      ...(measured && { data: recipe.data, samples: methodsOfRecipe(recipe).samples }),
      seed: recipe.seed,
    },
  }
}

/** Windows of text hold hundreds of rows each, images thousands of places: enough of either for a steady Hessian. */
const usualSamples = { text: 128, 'image-classification': 512, noise: 16 } as const

/** Calibration samples a recipe takes from this data. */
export function calibrationSamples({ samples }: Methods, { summary }: NonNullable<Subject['dataSet']>): number {
  return Math.min(samples ?? usualSamples[summary.kind], Math.max(1, summary.calibrate))
}
