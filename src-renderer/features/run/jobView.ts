import type { Job, JobKind, JobState } from '../../../src-preload/contract/job.ts'
import type { Step } from '../../stores/session.ts'
import type { IconName } from '../../ui/icons.ts'

export const stateTitle: Record<JobState, string> = {
  queued: 'Waiting',
  running: 'Running',
  done: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
  interrupted: 'Interrupted',
}
export const stateIcon: Record<JobState, IconName> = {
  queued: 'clock',
  running: 'run',
  done: 'check',
  failed: 'error',
  cancelled: 'stop',
  interrupted: 'warn',
}
/** What one unit of such a job is called. */
export const unitTitle: Record<JobKind, string> = {
  score: 'units',
  sensitivity: 'parts',
  run: 'steps',
  evaluate: 'batches',
  front: 'steps',
  export: 'steps',
  convert: 'steps',
  importance: 'steps',
  shootout: 'methods',
  floor: 'steps',
}
export const resultStep: Record<JobKind, { title: string; step: Step }> = {
  score: { title: 'See the scores', step: 'inspect' },
  sensitivity: { title: 'Plan with it', step: 'plan' },
  run: { title: 'See the front', step: 'compare' },
  evaluate: { title: 'See the front', step: 'compare' },
  front: { title: 'See the front', step: 'compare' },
  export: { title: 'See the files', step: 'export' },
  convert: { title: 'See the files', step: 'convert' },
  importance: { title: 'Plan with it', step: 'plan' },
  shootout: { title: 'See the results', step: 'shootout' },
  floor: { title: 'See what it found', step: 'compare' },
}
export const canResume = (job: Job): boolean =>
  job.state === 'failed' || job.state === 'cancelled' || job.state === 'interrupted'

const mostCells = 160
/** Under so few units a plain bar says more, because it also moves within a unit. */
export const fewestCells = 12

/** Share done of each cell of the strip: one cell a unit, or several units a cell where there are many. */
export function unitCells(job: Pick<Job, 'unitsDone' | 'unitsTotal' | 'progress'>): number[] {
  const { unitsDone, unitsTotal } = job
  if (unitsTotal <= 0) return []
  const cells = Math.min(mostCells, unitsTotal)
  const perCell = unitsTotal / cells
  return Array.from({ length: cells }, (_, i) => Math.min(1, Math.max(0, (unitsDone - i * perCell) / perCell)))
}
