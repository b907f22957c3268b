import { createHash } from 'node:crypto'
import { basename, dirname, join, resolve } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Recipe } from '../../src-preload/contract/plan.ts'
import type { Unit } from '../jobs/work.ts'
import { canonicalJson } from '../store/recipes.ts'
import { readStep, saveStep } from '../store/steps.ts'
import { hasArtifact } from './artifact-step.ts'
import { dataSetOf } from './recipe-data.ts'
import { preparedOf } from './prepare-units.ts'
import { prepareIdentity } from './recipe-methods.ts'
import { locateData, type OpenProject, type Subject } from './projects.ts'

/** Fixed, so that a recipe need not say it: more samples move the means little. */
const mostSamples = 128
/** Raised when the same data gives another file. */
const version = 1

/** Measures how much each input channel matters, once for a checkpoint and its data; the file is an artifact of the project.
 *  Always on the CPU: another device's last digits would give other bytes for the same recipe. */
export function importanceUnit(
  project: OpenProject,
  args: { subject: Subject; checkpoint: string; data: string; recipe?: Recipe }, // recipe: whose rewritings come first
): Unit & { file(): string } {
  const { store } = project
  const { subject, checkpoint } = args
  const dataSet = dataSetOf(project, subject, args.data)
  const samples = Math.min(mostSamples, Math.max(1, dataSet.summary.calibrate))
  const { recipe } = args
  const rewritten = recipe ? prepareIdentity(recipe) : {}
  const identity = {
    task: 'importance',
    checkpoint: subject.row.checkpoint,
    data: args.data,
    samples,
    version,
    ...rewritten,
  }
  const key = `importance-${createHash('sha256').update(canonicalJson(identity)).digest('hex')}`
  return {
    key,
    kind: 'importance',
    step: `importance of every channel on ${samples} samples`,
    weight: subject.checkpoint.summary.parameters * samples,
    isDone: () => hasArtifact(store, key),
    async run({ engine, hooks }) {
      const task = {
        checkpoint,
        prepared: recipe ? preparedOf(project, recipe) : [],
        data: locateData(project, dataSet),
        samples,
        device: 'cpu' as const,
        folder: store.artifacts,
      }
      const made = await engine.run('importance', task, hooks)
      if (dirname(resolve(made.path)) !== store.artifacts)
        throw new Fault('internal', `The measured importance lies outside the project: ${made.path}.`)
      const { sha256, bytes, layers } = made
      const result = { layers, samples: made.samples }
      saveStep(store.write, { key, run: null, task: 'importance', file: basename(made.path), sha256, bytes, result })
    },
    file() {
      const step = readStep(store.read, { key })
      if (step?.file) return join(store.artifacts, step.file)
      throw new Fault('not-found', 'The measured importance of the channels is missing.', {
        hint: 'Begin the job again: it is measured first.',
      })
    },
  }
}
