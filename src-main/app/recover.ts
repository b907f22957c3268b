import type { JobKind, JobState } from '../../src-preload/contract/job.ts'
import type { Queue } from '../jobs/queue.ts'
import type { Prepare } from '../jobs/work.ts'
import { listJobs, saveJob } from '../store/jobs.ts'
import type { AppContext } from './context.ts'
import { prepareConvert } from './convert.ts'
import { prepareEvaluate } from './evaluate.ts'
import { prepareExport } from './export.ts'
import { prepareFloor } from './floor.ts'
import { prepareFront } from './front.ts'
import { prepareImportance } from './importance.ts'
import type { OpenProject } from './projects.ts'
import { prepareRun } from './run.ts'
import { prepareScore } from './score.ts'
import { prepareSensitivity } from './sensitivity.ts'
import { prepareShootout } from './shootout.ts'

const kinds: Record<JobKind, (context: AppContext) => Prepare> = {
  score: prepareScore,
  sensitivity: prepareSensitivity,
  run: prepareRun,
  evaluate: prepareEvaluate,
  front: prepareFront,
  export: prepareExport,
  convert: prepareConvert,
  importance: prepareImportance,
  shootout: prepareShootout,
  floor: prepareFloor,
}

/** Arguments of a job -> its work, now or after a restart. */
export const prepareJob =
  (context: AppContext): Prepare =>
  (order, unitContext) =>
    kinds[order.kind](context)(order, unitContext)

/** How many jobs that ended are still shown after a restart. */
const keptInHistory = 50
const endings: readonly JobState[] = ['done', 'failed', 'cancelled']

/** Jobs that a dead process left unfinished are listed as interrupted, ready to be resumed; those that ended, as they ended. */
export function adoptJobs(queue: Queue, project: OpenProject): void {
  if (project.lock.holder() !== null) return // they are at work elsewhere
  for (const row of listJobs(project.store.read, { ended: keptInHistory })) {
    const { args, ...rest } = row
    const order = { id: row.id, project: project.folder, kind: row.kind, title: row.title, args }
    const state = endings.includes(row.state) ? row.state : 'interrupted'
    if (row.state !== state) saveJob(project.store.write, { ...row, state })
    queue.adopt(order, { ...rest, project: project.folder, state, step: '', remainingMs: null })
  }
}
