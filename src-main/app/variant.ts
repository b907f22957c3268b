import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Recipe } from '../../src-preload/contract/plan.ts'
import type { Variant } from '../../src-preload/contract/results.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { transaction } from '../store/query.ts'
import { readRecipe } from '../store/recipes.ts'
import { listStepFiles, readStep, removeStep } from '../store/steps.ts'
import { listVariants, pinVariant, readVariant, removeVariant, renameVariant } from '../store/variants.ts'
import { stepKeys } from './compress-units.ts'
import type { AppContext } from './context.ts'
import type { OpenProject } from './projects.ts'
import { announce } from './snapshot.ts'

export function requireVariant(project: OpenProject, id: string): { variant: Variant; recipe: Recipe } {
  const variant = readVariant(project.store.read, { id })
  const recipe = variant && readRecipe(project.store.read, { id: variant.recipeId })
  if (variant && recipe) return { variant, recipe }
  throw new Fault('not-found', `This project has no variant ${JSON.stringify(id)}.`, {
    data: { field: 'variant', found: id },
  })
}

/** Removes what only this variant needed; artifacts that other variants share stay. */
function discard(project: OpenProject, id: string, recipe: Recipe): void {
  const { store } = project
  const others = listVariants(store.read).filter((variant) => variant.id !== id)
  const needed = new Set<string>()
  for (const other of others) {
    const kept = readRecipe(store.read, { id: other.recipeId })
    if (kept) for (const key of stepKeys(kept)) needed.add(key)
  }
  const orphans = stepKeys(recipe).filter((key) => !needed.has(key))
  const files = orphans.flatMap((key) => readStep(store.read, { key })?.file ?? [])
  // Rows first: a crash in between leaves a file nobody names, never a row without its file.
  transaction(store.write, () => {
    removeVariant(store.write, { id })
    for (const key of orphans) removeStep(store.write, { key })
  })
  const named = listStepFiles(store.read)
  for (const file of files) if (!named.has(file)) rmSync(join(store.artifacts, file), { force: true })
}

export const variantHandlers = (
  context: AppContext,
): Pick<Handlers, 'variant.pin' | 'variant.rename' | 'variant.remove' | 'variant.recipe'> => ({
  'variant.pin': ({ project, variant, pinned }) => {
    const open = context.projects.get(project)
    requireVariant(open, variant)
    pinVariant(open.store.write, { id: variant, pinned })
    return announce(context, open)
  },
  'variant.rename': ({ project, variant, name }) => {
    const open = context.projects.get(project)
    requireVariant(open, variant)
    renameVariant(open.store.write, { id: variant, name })
    return announce(context, open)
  },
  'variant.remove': async ({ project, variant }) => {
    const open = context.projects.get(project)
    const { recipe } = requireVariant(open, variant)
    if (context.queue.busy(open.folder))
      throw new Fault('conflict', 'A job of this project is at work.', { hint: 'Wait for it, or cancel it first.' })
    const release = await open.lock.acquire()
    try {
      discard(open, variant, recipe)
    } finally {
      release()
    }
    return announce(context, open)
  },
  'variant.recipe': ({ project, variant }) => requireVariant(context.projects.get(project), variant).recipe,
})
