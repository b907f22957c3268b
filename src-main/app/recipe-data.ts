import type { Recipe } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { findDataSets, type StoredDataSet } from '../store/data-sets.ts'
import type { OpenProject, Subject } from './projects.ts'

/** The data set a recipe was made with, where it needs one. */
export function dataOfRecipe(recipe: Recipe): string {
  if (recipe.data !== undefined) return recipe.data
  throw new Fault('bad-input', 'This recipe needs calibration data, but does not say which.', {
    hint: 'Plan again: Lathe writes it into the recipe.',
    data: { field: 'data' },
  })
}

/** Names a data set in recipes: its fingerprint, and how it is split where that is not the usual way. */
export const dataIdentity = ({ summary, split }: Pick<StoredDataSet, 'summary' | 'split'>): string =>
  split === 'auto' ? summary.fingerprint : `${summary.fingerprint} ${split}`

/** The data set a recipe names: the project's own, or one it used before. */
export function dataSetOf(project: OpenProject, subject: Subject, identity: string): StoredDataSet {
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
