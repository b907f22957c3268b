import { createHash } from 'node:crypto'
import { basename, dirname, join, resolve } from 'node:path'
import type { Recipe } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Prepared } from '../engine/protocol.ts'
import type { Unit } from '../jobs/work.ts'
import { canonicalJson } from '../store/recipes.ts'
import { readStep, saveStep } from '../store/steps.ts'
import { hasArtifact } from './artifact-step.ts'
import { dataOfRecipe, dataSetOf } from './recipe-data.ts'
import { calibrationSamples, measures, methodsOfRecipe, prepareIdentity } from './recipe-methods.ts'
import { locateData, type OpenProject, type Subject } from './projects.ts'

const keyOf = (recipe: Recipe, index: number): string => {
  const identity = {
    task: 'prepare',
    checkpoint: recipe.checkpoint.fingerprint,
    data: recipe.data,
    ...prepareIdentity(recipe, index + 1),
  }
  return `prepare-${createHash('sha256').update(canonicalJson(identity)).digest('hex')}`
}

/** Steps whose files this recipe's rewritings use. */
export const prepareKeys = (recipe: Recipe): string[] =>
  methodsOfRecipe(recipe).prepare.flatMap(({ method }, index) => (measures(method) ? [keyOf(recipe, index)] : []))

/** The recipe's rewritings, or the first `count`, as the engine takes them. Faults where something was not measured. */
export function preparedOf({ store }: OpenProject, recipe: Recipe, count = Infinity): Prepared[] {
  return methodsOfRecipe(recipe)
    .prepare.slice(0, count)
    .map(({ method, parameters }, index) => {
      if (!measures(method)) return { method, parameters, seed: recipe.seed, file: null }
      const step = readStep(store.read, { key: keyOf(recipe, index) })
      if (step?.file) return { method, parameters, seed: recipe.seed, file: join(store.artifacts, step.file) }
      throw new Fault('not-found', `What "${method}" measured is missing.`, {
        hint: 'Run the recipe again: it is measured first.',
      })
    })
}

/** One unit for each rewriting that looks at data. Always on the CPU: another device's last digits would give other bytes
 *  for the same recipe. */
export function prepareUnits(
  project: OpenProject,
  recipe: Recipe,
  { subject, checkpoint }: { subject: Subject; checkpoint: string },
): Unit[] {
  const { store } = project
  const methods = methodsOfRecipe(recipe)
  return methods.prepare.flatMap(({ method, parameters }, index): Unit[] => {
    if (!measures(method)) return []
    const dataSet = dataSetOf(project, subject, dataOfRecipe(recipe))
    const samples = calibrationSamples(methods, dataSet)
    const key = keyOf(recipe, index)
    return [
      {
        key,
        kind: 'prepare',
        step: `measuring for ${method} on ${samples} samples`,
        weight: subject.checkpoint.summary.parameters * samples,
        isDone: () => hasArtifact(store, key),
        async run({ engine, hooks }) {
          const task = {
            ...{ checkpoint, method, parameters, samples },
            prepared: preparedOf(project, recipe, index),
            data: locateData(project, dataSet),
            seed: recipe.seed,
            device: 'cpu' as const,
            folder: store.artifacts,
          }
          const { path, sha256, bytes } = await engine.run('prepare', task, hooks)
          if (dirname(resolve(path)) !== store.artifacts)
            throw new Fault('internal', `What ${method} measured lies outside the project: ${path}.`)
          saveStep(store.write, { key, run: null, task: 'prepare', file: basename(path), sha256, bytes, result: null })
        },
      },
    ]
  })
}
