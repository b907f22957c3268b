import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { DataReference } from '../engine/protocol.ts'
import { readCheckpoint, type StoredCheckpoint } from '../store/checkpoints.ts'
import { readDataSet, type StoredDataSet } from '../store/data-sets.ts'
import { createProjectLock, type ProjectLock } from '../store/lock.ts'
import { openStore, type Store } from '../store/open.ts'
import { type ProjectRow, readProject } from '../store/projects.ts'

/** An open project of this process. */
export interface OpenProject {
  folder: string
  store: Store
  lock: ProjectLock
}

export interface Projects {
  /** Opens the folder when it is not open yet. */
  get(folder: string): OpenProject
  isOpen(folder: string): boolean
  all(): OpenProject[]
  close(): void
}

export function createProjects(door: string, opened: (project: OpenProject) => void): Projects {
  const open = new Map<string, OpenProject>()
  return {
    get(given) {
      const folder = resolve(given)
      const known = open.get(folder)
      if (known) return known
      const store = openStore(folder)
      const project: OpenProject = { folder, store, lock: createProjectLock(store, door) }
      open.set(folder, project)
      try {
        readProject(store.read)
        opened(project)
      } catch (error) {
        open.delete(folder)
        store.close()
        throw error
      }
      return project
    },
    isOpen: (folder) => open.has(resolve(folder)),
    all: () => [...open.values()],
    close() {
      for (const project of open.values()) {
        project.lock.close()
        project.store.close()
      }
      open.clear()
    },
  }
}

/** What a project works on, read fresh: another process may have changed it. */
export interface Subject {
  row: ProjectRow
  checkpoint: StoredCheckpoint
  dataSet: StoredDataSet | null
  data: string // the data set's fingerprint, '' without one
}

export function subjectOf(project: OpenProject): Subject {
  const db = project.store.read
  const row = readProject(db)
  const checkpoint = readCheckpoint(db, { fingerprint: row.checkpoint })
  if (!checkpoint)
    throw new Fault('bad-input', `${db.name} does not know its own checkpoint.`, { data: { file: db.name } })
  const dataSet = row.dataSet === null ? null : readDataSet(db, { id: row.dataSet })
  return { row, checkpoint, dataSet, data: dataSet?.summary.fingerprint ?? '' }
}

/** Where a file of the project is now: at its own place, or where it lies from a project folder that was moved with it. */
const locate = (project: OpenProject, path: string, relativePath: string, what: string): string => {
  if (existsSync(path)) return path
  const beside = resolve(project.folder, relativePath)
  if (existsSync(beside)) return beside
  throw new Fault('not-found', `The ${what} of this project is no longer at ${path}.`, {
    hint: `Put it back, or open it from its new place as a new project.`,
    data: { file: path },
  })
}

export const checkpointPath = (project: OpenProject, subject: Subject): string =>
  locate(project, subject.checkpoint.path, subject.checkpoint.relativePath, 'checkpoint')

export const locateData = (project: OpenProject, dataSet: StoredDataSet): DataReference => ({
  path: locate(project, dataSet.path, dataSet.relativePath, 'data'),
  split: dataSet.split,
})

/** null without data. */
export const dataReference = (project: OpenProject, { dataSet }: Subject): DataReference | null =>
  dataSet ? locateData(project, dataSet) : null

export function requireData(project: OpenProject, subject: Subject): DataReference {
  const data = dataReference(project, subject)
  if (data) return data
  throw new Fault('bad-data', 'This project has no data to measure on.', {
    hint: 'Choose data first: a data.yaml, a text file or an image folder.',
  })
}

/** Tensors alone compute nothing, and without data there is nothing to compute on. */
export const canEvaluate = (subject: Subject): boolean =>
  subject.dataSet !== null && subject.checkpoint.summary.task !== 'none'
