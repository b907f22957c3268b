import { statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { isWeighted, type Recipe } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Artifact } from '../engine/protocol.ts'
import type { Unit, UnitContext } from '../jobs/work.ts'
import { readStep, saveStep } from '../store/steps.ts'
import { hasArtifact } from './artifact-step.ts'
import { importanceUnit } from './importance-unit.ts'
import { isSequential, type LayerStep, layerSteps } from './layer-steps.ts'
import { pieceUnits } from './piece-units.ts'
import { finishUnits, prepareKeys, preparedOf, prepareUnits } from './prepare-units.ts'
import type { OpenProject, Subject } from './projects.ts'
import { dataOfRecipe } from './recipe-data.ts'
import { rewritingsOf } from './recipe-methods.ts'

const resultSchema = z.object({ relativeError: z.number() })

/** Steps whose files a recipe's variant is made of. */
export const stepKeys = (recipe: Recipe): string[] => [
  ...layerSteps(recipe).map(({ key }) => key),
  ...prepareKeys(recipe),
]

/** Units that make a recipe's layers: what has to be measured first, then one unit a layer, or one a piece of the network
 *  where layers are compressed in sequence, then what finishes them. */
export async function compressUnits(
  project: OpenProject,
  recipe: Recipe,
  args: { subject: Subject; checkpoint: string; run: string | null; work: UnitContext },
): Promise<Unit[]> {
  const { subject, checkpoint } = args
  const steps = layerSteps(recipe)
  const weighted = steps.filter(({ option }) => isWeighted(option))
  const importance =
    weighted.length === 0 ? null : importanceUnit(project, { subject, checkpoint, data: dataOfRecipe(recipe), recipe })
  const { engine, hooks } = args.work
  const first = prepareUnits(project, recipe, { subject, checkpoint })
  let layers: Unit[]
  if (isSequential(recipe)) {
    // How the network is cut does not depend on what the rewritings measure.
    const prepared = rewritingsOf(recipe).before.map((use) => ({ ...use, seed: recipe.seed, file: null }))
    const { pieces } = await engine.run('pieces', { checkpoint, prepared }, hooks)
    layers = pieceUnits(project, recipe, { ...args, pieces, importance: () => importance?.file() ?? null })
  } else layers = steps.map((step) => layerUnit(project, recipe, step, args, importance))
  const last = finishUnits(project, recipe, { subject, checkpoint, artifacts: () => artifactsOf(project, recipe) })
  if (!importance) return [...first, ...layers, ...last]
  // Where all that wants it is there, it need not be. A piece holds layers of both kinds.
  const wanting = isSequential(recipe)
    ? layers
    : layers.filter((_, index) => weighted.includes(steps[index] as LayerStep))
  const stand = async (): Promise<boolean> => {
    for (const unit of wanting) if (!(await unit.isDone())) return false
    return true
  }
  return [
    ...first, // an export or evaluation reads these again
    { ...importance, isDone: async () => (await importance.isDone()) || (await stand()) },
    ...layers,
    ...last,
  ]
}

function layerUnit(
  project: OpenProject,
  recipe: Recipe,
  { layer, option, key }: LayerStep,
  args: { subject: Subject; checkpoint: string; run: string | null },
  importance: { file(): string } | null,
): Unit {
  const { store } = project
  const { summary } = args.subject.checkpoint
  return {
    key,
    kind: 'compress',
    step: `${layer} → ${option.id}`,
    weight: summary.layers.find(({ name }) => name === layer)?.parameters ?? 1,
    isDone: () => hasArtifact(store, key),
    async run({ engine, hooks }) {
      const task = {
        checkpoint: args.checkpoint,
        prepared: preparedOf(project, recipe),
        layer,
        option,
        seed: recipe.seed,
        folder: store.artifacts,
        importance: isWeighted(option) ? (importance?.file() ?? null) : null,
      }
      const artifact = await engine.run('compressLayer', task, hooks)
      if (dirname(resolve(artifact.path)) !== store.artifacts)
        throw new Fault('internal', `The artifact of ${layer} lies outside the project: ${artifact.path}.`)
      saveStep(store.write, {
        key,
        run: args.run,
        task: 'compressLayer',
        file: basename(artifact.path),
        sha256: artifact.sha256,
        bytes: artifact.bytes,
        result: { relativeError: artifact.relativeError },
      })
    },
  }
}

/** The artifacts of a recipe whose units are done. Throws when one is missing. */
export function artifactsOf(project: OpenProject, recipe: Recipe): Artifact[] {
  const { store } = project
  return layerSteps(recipe).map(({ layer, option, key }) => {
    const step = readStep(store.read, { key })
    const path = step?.file ? join(store.artifacts, step.file) : null
    const stat = path ? statSync(path, { throwIfNoEntry: false }) : undefined
    if (!step?.sha256 || !path || !stat)
      throw new Fault('not-found', `The compressed weights of ${layer} are missing.`, {
        hint: 'Run the recipe again: finished layers are kept.',
        data: { tensor: layer, ...(path ? { file: path } : {}) },
      })
    const { relativeError } = resultSchema.parse(step.result)
    return { layer, option, sha256: step.sha256, path, bytes: stat.size, relativeError }
  })
}
