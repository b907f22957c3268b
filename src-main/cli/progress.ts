import type { Job } from '../../src-preload/contract/job.ts'
import { formatDuration } from './format.ts'

const WIDTH = 24

/** On a pipe: no line sooner than this after the last, one at the next finished unit, and one without it in the end. */
const leastMs = 20_000
const mostMs = 60_000

/** One line on standard error that follows a job; on a pipe, one line per notice, one every now and then of how far a long job
 *  is and how long it will still take, and one at the end. */
export function createProgressLine(
  stream: NodeJS.WriteStream,
  quiet: boolean,
  now: () => number = () => performance.now(),
) {
  const live = !quiet && stream.isTTY === true
  let last = { id: '', at: 0, unitsDone: 0 }
  const log = (job: Job): void => {
    const { id, unitsDone } = job
    if (last.id !== id) last = { id, at: now(), unitsDone }
    const passed = now() - last.at
    if (passed < leastMs || (passed < mostMs && unitsDone === last.unitsDone)) return
    last = { id, at: now(), unitsDone }
    stream.write(`${logLine(job)}\n`)
  }
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
      else if (!quiet) log(job)
    },
    end(job: Job): void {
      notices(job)
      if (quiet) return
      stream.write(`${live ? '\r\x1b[K' : ''}${job.title}: ${job.state} in ${formatDuration(job.elapsedMs)}\n`)
    },
  }
}

const leftOf = ({ remainingMs }: Job): string =>
  remainingMs === null ? 'estimating' : `${formatDuration(remainingMs)} left`

/** `Compress: 63 %, 12 of 19, 8.0 s left, model.layers.3.mlp.up_proj.weight` */
const logLine = (job: Job): string =>
  [
    `${job.title}: ${Math.floor(job.progress * 100)} %`,
    `${job.unitsDone} of ${job.unitsTotal}`,
    leftOf(job),
    ...(job.step === '' ? [] : [job.step]),
  ].join(', ')

/** `Compress ████████░░░░ 63 % 12/19 · 8 s left · model.layers.3.mlp.up_proj.weight`, cut to the terminal. */
export function renderProgress(job: Job, columns: number): string {
  const filled = Math.round(job.progress * WIDTH)
  const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled)
  const words = `${job.title} ${bar} ${Math.floor(job.progress * 100)} % ${job.unitsDone}/${job.unitsTotal} · ${leftOf(job)} · ${job.step}`
  return words.length > columns - 1 ? `${words.slice(0, Math.max(0, columns - 2))}…` : words
}
