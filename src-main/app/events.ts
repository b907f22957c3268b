import type { Job } from '../../src-preload/contract/job.ts'

export type Listener = (event: string, snapshot: unknown) => void

/** Progress comes faster than anybody reads: whole snapshots of the jobs, at most ten a second. The first of a burst and
 *  the last always arrive. */
export function createJobsEvent(
  list: () => Job[],
  emit: (jobs: Job[]) => void,
  everyMs = 100,
): {
  changed(): void
  close(): void
} {
  let timer: NodeJS.Timeout | null = null
  let again = false
  let closed = false
  const fire = (): void => {
    emit(list())
    again = false
    timer = setTimeout(() => {
      timer = null
      if (again) fire()
    }, everyMs)
  }
  return {
    changed: () => {
      if (closed) return
      if (timer) again = true
      else fire()
    },
    close: () => {
      if (timer) clearTimeout(timer)
      if (again) emit(list())
      closed = true
    },
  }
}
