import type { JobKind } from '../../src-preload/contract/job.ts'
import type { Queue } from '../jobs/queue.ts'
import type { Prepare } from '../jobs/work.ts'
import { listOpenJobs, saveJob } from '../store/jobs.ts'
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

/** Jobs that a dead process left unfinished are listed as interrupted, ready to be resumed. */
export function adoptInterrupted(queue: Queue, project: OpenProject): void {
  if (project.lock.holder() !== null) return // they are at work elsewhere
  for (const row of listOpenJobs(project.store.read)) {
    const { args, ...rest } = row
    const order = { id: row.id, project: project.folder, kind: row.kind, title: row.title, args }
    if (row.state !== 'interrupted') saveJob(project.store.write, { ...row, state: 'interrupted' })
    queue.adopt(order, {
      ...rest,
      project: project.folder,
      state: 'interrupted',
      step: '',
      remainingMs: null,
    })
  }
}
