import { powerSaveBlocker } from 'electron'
import type { Job } from '../../src-preload/contract/job.ts'

/** Keeps the machine awake while a job runs; the display may sleep. Returns what takes each snapshot of the jobs. */
export function createWakefulness(): (jobs: readonly Job[]) => void {
  let blocker: number | null = null
  return (jobs) => {
    const working = jobs.some((job) => job.state === 'running')
    if (working && blocker === null) blocker = powerSaveBlocker.start('prevent-app-suspension')
    else if (!working && blocker !== null) {
      powerSaveBlocker.stop(blocker)
      blocker = null
    }
  }
}
