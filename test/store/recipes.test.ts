import { expect, test } from 'vitest'
import { recipeId } from '../../src-main/store/recipes.ts'
import type { Recipe } from '../../src-preload/contract/plan.ts'

const option = { id: 'gguf-q4_k-w', method: 'ggml', bits: 4.5, parameters: { type: 'Q4_K', weighted: true } }
const keep = { id: 'keep', method: 'keep', bits: 32, parameters: {} }
const recipe: Recipe = {
  lathe: 1,
  checkpoint: { name: 'm', fingerprint: 'abc' },
  seed: 0,
  layers: [
    { name: 'a', option },
    { name: 'b', option: keep },
  ],
}

const rotate = { method: 'rotate', parameters: {} }

test('a recipe is the same whatever its order, its name, the format it was planned for and the layers it keeps', () => {
  const id = recipeId(recipe)
  expect(recipeId({ ...recipe, layers: [...recipe.layers].reverse() })).toBe(id)
  expect(recipeId({ ...recipe, layers: recipe.layers.slice(0, 1) })).toBe(id)
  expect(recipeId({ ...recipe, format: 'gguf' })).toBe(id)
  expect(recipeId({ ...recipe, checkpoint: { name: 'other', fingerprint: 'abc' } })).toBe(id)
})

test('other importance, another seed, another rewriting or another option is another recipe', () => {
  const ids = [
    recipe,
    { ...recipe, data: 'd1' },
    { ...recipe, data: 'd2' },
    { ...recipe, seed: 1 },
    { ...recipe, layers: [{ name: 'a', option: { ...option, id: 'gguf-q4_k', parameters: { type: 'Q4_K' } } }] },
    { ...recipe, methods: { quantizer: null, prepare: [rotate], samples: null } },
    { ...recipe, methods: { quantizer: null, prepare: [{ ...rotate, parameters: { heads: true } }], samples: null } },
    { ...recipe, methods: { quantizer: null, prepare: [], samples: 16 } },
  ].map(recipeId)
  expect(new Set(ids).size).toBe(ids.length)
})
