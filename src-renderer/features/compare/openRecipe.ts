import type { Methods, Recipe } from '../../../src-preload/contract/plan.ts'
import type { Draft } from '../../stores/plan.ts'

/** A plan as its recipe says it: the bytes it took as the budget, and every layer locked to its option. Its methods come with
 *  it; levers stay as the project has them, because a recipe names options and no levers. */
export function draftOf(recipe: Recipe, bytes: number, kept: Methods): Draft {
  const methods = recipe.methods ?? { quantizer: null, prepare: [], samples: null }
  return {
    budget: { bytes: Math.ceil(bytes) },
    locked: Object.fromEntries(recipe.layers.map(({ name, option }) => [name, option.id])),
    methods: { ...methods, ...(kept.levers && { levers: kept.levers }) },
  }
}
