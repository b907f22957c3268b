import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { isWeighted, type Option, type Recipe } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Artifact } from '../engine/protocol.ts'
import type { Unit } from '../jobs/work.ts'
import { canonicalJson } from '../store/recipes.ts'
import { readStep, saveStep } from '../store/steps.ts'
import { hasArtifact } from './artifact-step.ts'
import { importanceUnit } from './importance-unit.ts'
import type { OpenProject, Subject } from './projects.ts'
import { versionOfQuantizer } from './method.ts'

const resultSchema = z.object({ relativeError: z.number() })

interface Step {
  layer: string
  option: Option
  key: string
}

/** A step's key says all that its bytes depend on, so recipes that agree on a layer share its artifact. */
function stepsOf(recipe: Recipe): Step[] {
  const steps: Step[] = []
  for (const { name, option } of recipe.layers) {
    if (option.method === 'keep') continue
    const identity = {
      task: 'compressLayer',
      checkpoint: recipe.checkpoint.fingerprint,
      layer: name,
      option,
      version: versionOfQuantizer(option.method),
      seed: recipe.seed,
      data: isWeighted(option) ? recipe.data : undefined,
    }
    const key = `compress-${createHash('sha256').update(canonicalJson(identity)).digest('hex')}`
    steps.push({ layer: name, option, key })
  }
  return steps
}

export const stepKeys = (recipe: Recipe): string[] => stepsOf(recipe).map(({ key }) => key)

/** One unit per layer the recipe changes, after the one that measures what weighted options need. */
export function compressUnits(
  project: OpenProject,
  recipe: Recipe,
  args: { subject: Subject; checkpoint: string; run: string | null },
): Unit[] {
  const { store } = project
  const { subject, checkpoint } = args
  const parameters = new Map(subject.checkpoint.summary.layers.map((layer) => [layer.name, layer.parameters]))
  const steps = stepsOf(recipe)
  const weighted = steps.filter(({ option }) => isWeighted(option))
  const importance =
    weighted.length === 0 ? null : importanceUnit(project, { subject, checkpoint, data: dataOf(recipe) })
  const layers = steps.map(({ layer, option, key }): Unit => ({
    key,
    kind: 'compress',
    step: `${layer} → ${option.id}`,
    weight: parameters.get(layer) ?? 1,
    isDone: () => hasArtifact(store, key),
    async run({ engine, hooks }) {
      const task = {
        checkpoint,
        prepared: [],
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
  }))
  if (!importance) return layers
  // Where every layer that wants it is there, it need not be.
  const isNeeded = async (): Promise<boolean> => {
    const wanting = layers.filter((_, index) => isWeighted(steps[index]?.option ?? { parameters: {} }))
    for (const unit of wanting) if (!(await unit.isDone())) return true
    return false
  }
  return [{ ...importance, isDone: async () => (await importance.isDone()) || !(await isNeeded()) }, ...layers]
}

function dataOf(recipe: Recipe): string {
  if (recipe.data !== undefined) return recipe.data
  throw new Fault('bad-input', 'This recipe has weighted options, but does not say on which data.', {
    hint: 'Plan again: Lathe writes it into the recipe.',
    data: { field: 'data' },
  })
}

/** The artifacts of a recipe whose units are done. Throws when one is missing. */
export function artifactsOf(project: OpenProject, recipe: Recipe): Artifact[] {
  const { store } = project
  return stepsOf(recipe).map(({ layer, option, key }) => {
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
