import { createHash } from 'node:crypto'
import { basename, dirname, join, resolve } from 'node:path'
import type { MethodUse, Recipe } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Artifact, Prepared } from '../engine/protocol.ts'
import type { Unit } from '../jobs/work.ts'
import { canonicalJson } from '../store/recipes.ts'
import { readStep, saveStep } from '../store/steps.ts'
import { hasArtifact } from './artifact-step.ts'
import { dataOfRecipe, dataSetOf } from './recipe-data.ts'
import { layerSteps } from './layer-steps.ts'
import {
  calibrationSamples,
  measures,
  methodsOfRecipe,
  prepareIdentity,
  rewritingsOf,
  versionOfPreparation,
} from './recipe-methods.ts'
import { locateData, type OpenProject, type Subject } from './projects.ts'

const usesOf = (recipe: Recipe): MethodUse[] => {
  const { before, after } = rewritingsOf(recipe)
  return [...before, ...after]
}

const keyOf = (recipe: Recipe, index: number): string => {
  const { before, after } = rewritingsOf(recipe)
  const finishing = after.slice(0, Math.max(0, index + 1 - before.length))
  const identity = {
    task: 'prepare',
    checkpoint: recipe.checkpoint.fingerprint,
    data: recipe.data,
    ...prepareIdentity(recipe, index + 1),
    // What finishes a variant depends on all its layers.
    ...(finishing.length > 0 && {
      finishing: finishing.map((use) => ({ ...use, version: versionOfPreparation(use.method) })),
      samples: methodsOfRecipe(recipe).samples,
      layers: layerSteps(recipe).map(({ key }) => key),
    }),
  }
  return `prepare-${createHash('sha256').update(canonicalJson(identity)).digest('hex')}`
}

/** Steps whose files this recipe's rewritings use. */
export const prepareKeys = (recipe: Recipe): string[] =>
  usesOf(recipe).flatMap(({ method }, index) => (measures(method) ? [keyOf(recipe, index)] : []))

/** The rewritings before the recipe's layers, or the first `count`, as the engine takes them. Faults where something was
 *  not measured. */
export const preparedOf = (project: OpenProject, recipe: Recipe, count = Infinity): Prepared[] =>
  firstOf(project, recipe, Math.min(count, rewritingsOf(recipe).before.length))

/** All of the recipe's rewritings, those that finish it too: what its variant is. */
export const finishedOf = (project: OpenProject, recipe: Recipe): Prepared[] => firstOf(project, recipe, Infinity)

function firstOf({ store }: OpenProject, recipe: Recipe, count: number): Prepared[] {
  return usesOf(recipe)
    .slice(0, count)
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
  args: { subject: Subject; checkpoint: string },
): Unit[] {
  return rewritingsOf(recipe).before.flatMap((use, index) => measuringUnit(project, recipe, use, index, args))
}

/** The same for those that finish the variant: behind all layers, whose artifacts they look at. */
export function finishUnits(
  project: OpenProject,
  recipe: Recipe,
  args: { subject: Subject; checkpoint: string; artifacts: () => Artifact[] },
): Unit[] {
  const { before, after } = rewritingsOf(recipe)
  return after.flatMap((use, at) => measuringUnit(project, recipe, use, before.length + at, args))
}

function measuringUnit(
  project: OpenProject,
  recipe: Recipe,
  { method, parameters }: MethodUse,
  index: number,
  { subject, checkpoint, artifacts }: { subject: Subject; checkpoint: string; artifacts?: () => Artifact[] },
): Unit[] {
  const { store } = project
  const methods = methodsOfRecipe(recipe)
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
          prepared: firstOf(project, recipe, index),
          ...(artifacts && { artifacts: artifacts() }),
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
}
