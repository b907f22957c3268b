import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Project } from '../../src-preload/contract/project.ts'
import type { CheckpointSummary } from '../../src-preload/contract/model.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { DataReference } from '../engine/protocol.ts'
import { saveCheckpoint } from '../store/checkpoints.ts'
import { saveDataSet } from '../store/data-sets.ts'
import { databaseName } from '../store/open.ts'
import { insertProject, setDataSet, setDevice, setFormat, setMethods } from '../store/projects.ts'
import { transaction } from '../store/query.ts'
import { forgetProject, recentProjects, rememberProject } from '../store/recent.ts'
import { inspectCheckpoint } from './checkpoint.ts'
import { checkMethods } from './methods.ts'
import { loadCandidates } from './candidates.ts'
import type { AppContext } from './context.ts'
import { describeData } from './data.ts'
import { folderName, freeFolder, makeProjectFolder } from './folders.ts'
import { checkpointPath, type OpenProject, subjectOf } from './projects.ts'
import { chosenFormat, requireFormat } from './plan-format.ts'
import { refreshSummary } from './refresh.ts'
import { sampleOf } from './samples.ts'
import { announce, snapshotOf } from './snapshot.ts'

const remember = (context: AppContext, project: OpenProject): Project => {
  const snapshot = snapshotOf(project)
  const { folder, name, checkpoint } = snapshot
  rememberProject(context.home, { folder, name, checkpoint: checkpoint.path })
  return snapshot
}

async function openProject(context: AppContext, folder: string): Promise<Project> {
  const project = context.projects.get(folder)
  await refreshSummary(context, project)
  return remember(context, project)
}

/** 'model.onnx' says little: the folder it lies in says more. */
export const projectName = ({ name, path }: Pick<CheckpointSummary, 'name' | 'path'>): string =>
  /^model$/i.test(name) ? basename(dirname(path)) || name : name

/** A new project folder for a checkpoint that was just inspected. */
export function makeProject(folder: string, summary: CheckpointSummary): void {
  makeProjectFolder(folder, (store) =>
    transaction(store.write, () => {
      saveCheckpoint(store.write, { folder: store.folder, summary })
      insertProject(store.write, { name: projectName(summary), device: 'cpu', checkpoint: summary.fingerprint })
    }),
  )
}

async function useData(context: AppContext, project: OpenProject, data: DataReference | null): Promise<Project> {
  if (context.queue.busy(project.folder))
    throw new Fault('conflict', 'A job of this project is at work.', { hint: 'Wait for it, or cancel it first.' })
  const { write } = project.store
  if (!data) setDataSet(write, { dataSet: null })
  else {
    const summary = await describeData(context, checkpointPath(project, subjectOf(project)), data)
    transaction(write, () => {
      const dataSet = saveDataSet(write, { folder: project.folder, path: data.path, split: data.split, summary })
      setDataSet(write, { dataSet })
    })
  }
  return announce(context, project)
}

export async function createProject(
  context: AppContext,
  args: { checkpoint: string; folder: string | null; data: string | null },
): Promise<Project> {
  const summary = await inspectCheckpoint(context, args.checkpoint)
  const data: DataReference | null = args.data === null ? null : { path: resolve(args.data), split: 'auto' }
  // Data that does not fit is told before a folder is made for it.
  if (data) await describeData(context, summary.path, data)
  const folder = args.folder
    ? resolve(args.folder)
    : freeFolder(join(context.home, 'projects'), folderName(projectName(summary)))
  makeProject(folder, summary)
  const project = context.projects.get(folder)
  if (data) await useData(context, project, data)
  return remember(context, project)
}

/** Other methods offer other options, and building them takes a while: how much of them is measured is told once they are
 *  known. What stands in the way is said by whoever asks for the options. */
function tellOptions(context: AppContext, open: OpenProject): void {
  const subject = subjectOf(open)
  const format = chosenFormat(subject)
  if (format === null) return
  loadCandidates(context, open, format, subject.row.methods)
    .then(() => announce(context, open))
    .catch(() => undefined)
}

export const projectHandlers = (
  context: AppContext,
): Pick<
  Handlers,
  | 'project.recent'
  | 'project.create'
  | 'project.createSample'
  | 'project.open'
  | 'project.get'
  | 'project.forget'
  | 'project.setDevice'
  | 'project.setFormat'
  | 'project.setMethods'
  | 'project.setData'
> => ({
  'project.recent': () => recentProjects(context.home),
  'project.create': (args) => createProject(context, args),
  'project.createSample': async ({ sample }) => {
    const { checkpoint, data } = sampleOf(sample)
    const folder = join(context.home, 'projects', `sample-${sample}`)
    if (!existsSync(join(folder, databaseName))) return createProject(context, { checkpoint, data, folder })
    return openProject(context, folder)
  },
  'project.open': ({ folder }) => openProject(context, folder),
  'project.get': ({ project }) => snapshotOf(context.projects.get(project)),
  'project.forget': ({ folder }) => {
    forgetProject(context.home, { folder: resolve(folder) })
    return {}
  },
  'project.setDevice': ({ project, device }) => {
    const open = context.projects.get(project)
    setDevice(open.store.write, { device })
    return announce(context, open)
  },
  'project.setFormat': async ({ project, format }) => {
    const open = context.projects.get(project)
    await loadCandidates(context, open, requireFormat(subjectOf(open), format)) // first, so that the snapshot knows what is measured
    setFormat(open.store.write, { format })
    tellOptions(context, open)
    return announce(context, open)
  },
  'project.setMethods': ({ project, methods }) => {
    const open = context.projects.get(project)
    checkMethods(subjectOf(open), methods)
    setMethods(open.store.write, { methods })
    tellOptions(context, open)
    return announce(context, open)
  },
  'project.setData': ({ project, path, split }) =>
    useData(context, context.projects.get(project), path === null ? null : { path: resolve(path), split }),
})
