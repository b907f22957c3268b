import { createHash } from 'node:crypto'
import { basename, dirname, join, resolve } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Unit } from '../jobs/work.ts'
import { findDataSets, type StoredDataSet } from '../store/data-sets.ts'
import { canonicalJson } from '../store/recipes.ts'
import { readStep, saveStep } from '../store/steps.ts'
import { hasArtifact } from './artifact-step.ts'
import { locateData, type OpenProject, type Subject } from './projects.ts'

/** Fixed, so that a recipe need not say it: more samples move the means little. */
const mostSamples = 128
/** Raised when the same data gives another file. */
const version = 1

/** Names a data set in recipes: its fingerprint, and how it is split where that is not the usual way. */
export const dataIdentity = ({ summary, split }: Pick<StoredDataSet, 'summary' | 'split'>): string =>
  split === 'auto' ? summary.fingerprint : `${summary.fingerprint} ${split}`

/** The data set a recipe names: the project's own, or one it used before. */
function dataSetOf(project: OpenProject, subject: Subject, identity: string): StoredDataSet {
  const { dataSet } = subject
  if (dataSet && dataIdentity(dataSet) === identity) return dataSet
  const [fingerprint = '', split] = identity.split(' ')
  const [found] = findDataSets(project.store.read, { fingerprint, split: split === 'none' ? 'none' : 'auto' })
  if (found) return found
  throw new Fault('bad-data', 'This recipe was made with calibration data that the project does not know.', {
    hint: 'Choose that data for the project, or plan again.',
    data: { expected: identity },
  })
}

/** Measures how much each input channel matters, once for a checkpoint and its data; the file is an artifact of the project.
 *  Always on the CPU: another device's last digits would give other bytes for the same recipe. */
export function importanceUnit(
  project: OpenProject,
  args: { subject: Subject; checkpoint: string; data: string },
): Unit & { file(): string } {
  const { store } = project
  const { subject, checkpoint } = args
  const dataSet = dataSetOf(project, subject, args.data)
  const samples = Math.min(mostSamples, Math.max(1, dataSet.summary.calibrate))
  const identity = { task: 'importance', checkpoint: subject.row.checkpoint, data: args.data, samples, version }
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
        prepared: [],
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
