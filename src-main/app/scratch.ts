import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckpointSummary } from '../../src-preload/contract/model.ts'
import type { Project } from '../../src-preload/contract/project.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { saveCheckpoint } from '../store/checkpoints.ts'
import { databaseName } from '../store/open.ts'
import { inspectCheckpoint } from './checkpoint.ts'
import type { AppContext } from './context.ts'
import { folderName } from './folders.ts'
import { makeProject, projectName } from './project.ts'
import { snapshotOf } from './snapshot.ts'

/** The project a command works in when none was named: one per checkpoint, found again by fingerprint, so that nothing
 *  is measured twice and a killed run goes on. Not among the recent projects. */
export async function openScratch(context: AppContext, checkpoint: string): Promise<Project> {
  const summary = await inspectCheckpoint(context, checkpoint)
  return snapshotOf(context.projects.get(scratchOf(context, summary)))
}

/** Its folder, made where needed. */
export function scratchOf(context: AppContext, summary: CheckpointSummary): string {
  const folder = join(
    context.home,
    'scratch',
    `${folderName(projectName(summary))}-${summary.fingerprint.slice(0, 16)}`,
  )
  if (!existsSync(join(folder, databaseName)))
    try {
      makeProject(folder, summary)
    } catch (error) {
      // Two commands may begin together: whoever came second uses what the first one made.
      if (!(error instanceof Fault) || error.code !== 'conflict') throw error
    }
  const project = context.projects.get(folder)
  saveCheckpoint(project.store.write, { folder, summary }) // it may lie elsewhere than last time
  return folder
}
