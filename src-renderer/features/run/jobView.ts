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
/** What going on with it is called; null where there is nothing to go on with. */
export const resumeTitle = ({ state }: Pick<Job, 'state'>): string | null =>
  state === 'failed' ? 'Try again' : state === 'cancelled' || state === 'interrupted' ? 'Resume' : null

const mostCells = 160
/** Under so few units a plain bar says more, because it also moves within a unit. */
export const fewestCells = 12

/** Share done of each cell of the strip: as many cells as units, or fewer where there are many. They fill with the progress,
 *  which knows how long a unit takes: 33 quick steps of 37 are not most of a job whose evaluation is still to come. */
export function progressCells({ unitsTotal, progress }: Pick<Job, 'unitsTotal' | 'progress'>): number[] {
  if (unitsTotal <= 0) return []
  const cells = Math.min(mostCells, unitsTotal)
  return Array.from({ length: cells }, (_, i) => Math.min(1, Math.max(0, progress * cells - i)))
}
