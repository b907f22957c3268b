import type { Job } from '../../src-preload/contract/job.ts'
import { formatDuration } from './format.ts'

const WIDTH = 24

/** One line on standard error that follows a job; on a pipe, one line per notice and at the end. */
export function createProgressLine(stream: NodeJS.WriteStream, quiet: boolean) {
  const live = !quiet && stream.isTTY === true
  const told = new Set<string>()
  const notices = (job: Job) => {
    for (const notice of job.notices) {
      if (quiet || told.has(`${job.id}:${notice}`)) continue
      told.add(`${job.id}:${notice}`)
      stream.write(`${live ? '\r\x1b[K' : ''}note: ${notice}\n`)
    }
  }
  return {
    show(job: Job): void {
      notices(job)
      if (live) stream.write(`\r\x1b[K${renderProgress(job, stream.columns ?? 100)}`)
    },
    end(job: Job): void {
      notices(job)
      if (quiet) return
      stream.write(`${live ? '\r\x1b[K' : ''}${job.title}: ${job.state} in ${formatDuration(job.elapsedMs)}\n`)
    },
  }
}

/** `Compress ████████░░░░ 63 % 12/19 · 8 s left · model.layers.3.mlp.up_proj.weight`, cut to the terminal. */
export function renderProgress(job: Job, columns: number): string {
  const filled = Math.round(job.progress * WIDTH)
  const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled)
  const left = job.remainingMs === null ? 'estimating' : `${formatDuration(job.remainingMs)} left`
  const words = `${job.title} ${bar} ${Math.floor(job.progress * 100)} % ${job.unitsDone}/${job.unitsTotal} · ${left} · ${job.step}`
  return words.length > columns - 1 ? `${words.slice(0, Math.max(0, columns - 2))}…` : words
}
