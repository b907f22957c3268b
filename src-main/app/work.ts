import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { JobKind } from '../../src-preload/contract/job.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { UnitContext } from '../jobs/work.ts'
import type { AppContext } from './context.ts'
import { checkpointPath, type OpenProject, type Subject, subjectOf } from './projects.ts'

/** Queues a job; a conflict with another process is told at once. */
export async function startJob(
  context: AppContext,
  order: { project: string; kind: JobKind; title: string; args: unknown },
): Promise<{ job: string }> {
  const id = `job-${randomUUID()}`
  await context.queue.add({ ...order, project: context.projects.get(order.project).folder, id })
  return { job: id }
}

/** Removes what a killed engine left half written; the caller holds the project, so nobody else is writing. */
function sweep({ store }: OpenProject): void {
  for (const name of readdirSync(store.artifacts))
    if (name.endsWith('.partial')) rmSync(join(store.artifacts, name), { force: true })
}

/** The project and the path of its checkpoint, after a look that it still is the checkpoint the measurements belong to. */
export async function verifiedSubject(
  project: OpenProject,
  { engine, hooks }: UnitContext,
): Promise<{ subject: Subject; path: string }> {
  const subject = subjectOf(project)
  const path = checkpointPath(project, subject)
  sweep(project)
  const found = await engine.run('inspect', { path }, hooks)
  if (found.fingerprint !== subject.row.checkpoint)
    throw new Fault('conflict', `${path} has changed since this project was made.`, {
      hint: 'Put the old file back, or open the new one as a new project.',
      data: { file: path, expected: subject.row.checkpoint, found: found.fingerprint },
    })
  return { subject, path }
}
