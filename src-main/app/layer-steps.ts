import { createHash } from 'node:crypto'
import { isWeighted, type Option, type Recipe } from '../../src-preload/contract/plan.ts'
import { canonicalJson } from '../store/recipes.ts'
import { versionOfQuantizer } from './method.ts'
import { isCalibrated, matchingOf, methodsOfRecipe, prepareIdentity } from './recipe-methods.ts'

export interface LayerStep {
  layer: string
  option: Option
  key: string
}

/** Whether layers are compressed piece by piece, each seeing what the compressed ones before it give. */
export const isSequential = (recipe: Recipe): boolean => recipe.layers.some(({ option }) => isCalibrated(option))

/** All that the bytes of a sequential recipe's layers depend on: every layer's option counts for those behind it. */
export const recipeIdentity = (recipe: Recipe): unknown => ({
  checkpoint: recipe.checkpoint.fingerprint,
  seed: recipe.seed,
  data: recipe.data,
  samples: methodsOfRecipe(recipe).samples,
  ...prepareIdentity(recipe),
  ...(matchingOf(recipe) !== null && { matching: matchingOf(recipe) }),
  layers: recipe.layers
    .filter(({ option }) => option.method !== 'keep')
    .map(({ name, option }) => ({ name, option, version: versionOfQuantizer(option.method) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1)),
})

/** A step's key says all that its bytes depend on, so recipes that agree on a layer share its artifact. */
export function layerSteps(recipe: Recipe): LayerStep[] {
  const whole = isSequential(recipe) ? recipeIdentity(recipe) : null
  return recipe.layers.flatMap(({ name, option }) => {
    if (option.method === 'keep') return []
    const identity =
      whole === null
        ? {
            task: 'compressLayer',
            checkpoint: recipe.checkpoint.fingerprint,
            layer: name,
            option,
            version: versionOfQuantizer(option.method),
            seed: recipe.seed,
            data: isWeighted(option) ? recipe.data : undefined,
            ...prepareIdentity(recipe),
          }
        : { task: 'compressPiece', layer: name, whole }
    return [
      { layer: name, option, key: `compress-${createHash('sha256').update(canonicalJson(identity)).digest('hex')}` },
    ]
  })
}
