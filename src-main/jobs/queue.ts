import { isDeepStrictEqual } from 'node:util'
import { Fault, toFault } from '../../src-preload/contract/fault.ts'
import type { Job } from '../../src-preload/contract/job.ts'
import { createProgress, type Progress } from './progress.ts'
import type { Engine } from './supervisor.ts'
import type { JobOrder, Prepare, Unit, UnitContext } from './work.ts'

/** How often a unit may be begun again after the engine died under it. */
export const unitRetries = 3
const maximumNotices = 200
const persistEveryMs = 1_000

export interface QueueOptions {
  engine: Engine
  prepare: Prepare
  /** The right to work on a project; rejects with Fault('conflict') when another process has it. */
  acquire: (project: string) => Promise<() => void>
  /** Called at every change that must survive: a new state, a finished unit. */
  persist: (order: JobOrder, job: Job) => void
  forget: (order: JobOrder) => void
  /** A unit was done in one go: what it took. */
  timed?: (order: JobOrder, unit: Unit, ms: number) => void
  /** Called at every change somebody may want to see. */
  changed: () => void
  now?: () => number
}

interface Entry {
  order: JobOrder
  job: Job
  stop: AbortController
  release: (() => void) | null
}

/** One heavy job at a time, in the order they came. */
export interface Queue {
  /** Waits for the right to work on the project, then queues; the job runs in its turn. */
  add(order: JobOrder): Promise<void>
  /** A job of an earlier process, as it ended or was left: listed, not begun. */
  adopt(order: JobOrder, job: Job): void
  list(): Job[]
  /** Answers at once; the engine is killed where the job was running. */
  cancel(id: string): void
  resume(id: string): Promise<void>
  dismiss(id: string): void
  /** Resolves when the job is no longer queued or running. */
  settled(id: string): Promise<Job>
  busy(project: string): boolean
  /** What is running becomes 'interrupted'. */
  close(): void
}

export const freshJob = (order: JobOrder): Job => ({
  id: order.id,
  project: order.project,
  kind: order.kind,
  title: order.title,
  state: 'queued',
  unitsDone: 0,
  unitsTotal: 0,
  progress: 0,
  step: '',
  elapsedMs: 0,
  remainingMs: null,
  notices: [],
  fault: null,
  result: null,
})

const isActive = (job: Job): boolean => job.state === 'queued' || job.state === 'running'

/** Asking for the same thing again takes the place of resuming what was not finished. */
const isSupersededBy = ({ order, job }: Entry, next: JobOrder): boolean =>
  !isActive(job) &&
  job.state !== 'done' &&
  order.project === next.project &&
  order.kind === next.kind &&
  isDeepStrictEqual(order.args, next.args)

export function createQueue(options: QueueOptions): Queue {
  const now = options.now ?? (() => performance.now())
  const entries = new Map<string, Entry>()
  const listeners = new Set<() => void>()
  let working = false
  let closed = false

  const announce = (): void => {
    options.changed()
    for (const listener of listeners) listener()
  }
  const change = (entry: Entry, update: Partial<Job>, keep: boolean): void => {
    Object.assign(entry.job, update)
    if (keep) options.persist(entry.order, entry.job)
    announce()
  }
  const settle = (entry: Entry, update: Partial<Job>): void => {
    if (!isActive(entry.job)) return
    try {
      change(entry, { step: '', remainingMs: null, ...update }, true)
    } catch (error) {
      // Even the disk that cannot take the news must not keep the job from ending.
      change(entry, { state: 'failed', fault: toFault(error).toShape() }, false)
    } finally {
      entry.release?.()
      entry.release = null
    }
  }

  async function perform(entry: Entry): Promise<void> {
    const { job, order, stop } = entry
    let progress: Progress | null = null
    let keptAt = now()
    const show = (update: Partial<Job> = {}, keep = false): void => {
      if (isActive(job) && !stop.signal.aborted) change(entry, { ...progress?.snapshot(), ...update }, keep)
    }
    const notify = (notice: string): void => {
      if (job.notices.at(-1) !== notice && job.notices.length < maximumNotices)
        show({ notices: [...job.notices, notice] }, true)
    }
    const context: UnitContext = {
      engine: options.engine,
      hooks: {
        signal: stop.signal,
        retries: unitRetries,
        notify,
        progress: (update) => {
          progress?.update(update.fraction)
          show(update.step === '' ? {} : { step: update.step })
        },
      },
    }
    show({ state: 'running', fault: null, step: 'preparing' }, true)
    const work = await options.prepare(order, context)
    progress = createProgress(work.units, { now, elapsedMs: job.elapsedMs, progress: job.progress })
    for (const [index, unit] of work.units.entries()) {
      stop.signal.throwIfAborted()
      if (await unit.isDone()) {
        progress.skip(index)
        continue
      }
      progress.start(index)
      show({ step: unit.step })
      const startedAt = now()
      await unit.run(context)
      stop.signal.throwIfAborted()
      options.timed?.(order, unit, now() - startedAt)
      progress.finish(index)
      // The unit itself is safe; how far the job is may be a second old on disk.
      const keep = now() - keptAt >= persistEveryMs
      if (keep) keptAt = now()
      show({}, keep)
    }
    const result = await work.finish()
    stop.signal.throwIfAborted()
    settle(entry, { ...progress.snapshot(), progress: 1, state: 'done', result })
  }

  async function pump(): Promise<void> {
    if (working) return
    working = true
    try {
      for (;;) {
        const entry = [...entries.values()].find((candidate) => candidate.job.state === 'queued')
        if (!entry || closed) return
        const { stop } = entry
        try {
          await perform(entry)
        } catch (error) {
          // Stopped: whoever stopped it has said so, and it may already wait to be begun again.
          if (!stop.signal.aborted) settle(entry, { state: 'failed', fault: toFault(error).toShape() })
        }
      }
    } finally {
      working = false
    }
  }

  const remove = (entry: Entry): void => {
    entries.delete(entry.order.id)
    options.forget(entry.order)
  }
  const find = (id: string): Entry => {
    const entry = entries.get(id)
    if (!entry) throw new Fault('not-found', `There is no job ${id}.`)
    return entry
  }
  const begin = async (entry: Entry): Promise<void> => {
    const release = await options.acquire(entry.order.project)
    entry.release = release
    try {
      change(entry, { state: 'queued', fault: null, remainingMs: null, step: '' }, true)
    } catch (error) {
      release()
      throw error
    }
    void pump()
  }

  return {
    async add(order) {
      const entry: Entry = { order, job: freshJob(order), stop: new AbortController(), release: null }
      const release = await options.acquire(order.project)
      entry.release = release
      try {
        for (const old of [...entries.values()]) if (isSupersededBy(old, order)) remove(old)
        options.persist(order, entry.job)
      } catch (error) {
        release()
        throw error
      }
      entries.set(order.id, entry)
      announce()
      void pump()
    },
    adopt(order, job) {
      if (entries.has(order.id)) return
      entries.set(order.id, { order, job, stop: new AbortController(), release: null })
      announce()
    },
    list: () => [...entries.values()].map((entry) => ({ ...entry.job, notices: [...entry.job.notices] })),
    cancel(id) {
      const entry = find(id)
      if (entry.job.state === 'interrupted') change(entry, { state: 'cancelled' }, true)
      if (!isActive(entry.job)) return
      entry.stop.abort()
      settle(entry, { state: 'cancelled' })
    },
    async resume(id) {
      const entry = find(id)
      if (isActive(entry.job)) return
      if (entry.job.state === 'done') throw new Fault('conflict', 'This job is done.')
      entry.stop = new AbortController()
      await begin(entry)
    },
    dismiss(id) {
      const entry = find(id)
      if (isActive(entry.job)) throw new Fault('conflict', 'This job is still at work.', { hint: 'Cancel it first.' })
      remove(entry)
      announce()
    },
    settled: (id) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const entry = entries.get(id)
          if (entry && isActive(entry.job)) return
          listeners.delete(check)
          if (entry) resolve({ ...entry.job })
          else reject(new Fault('not-found', `There is no job ${id}.`))
        }
        listeners.add(check)
        check()
      }),
    busy: (project) => [...entries.values()].some((entry) => entry.order.project === project && isActive(entry.job)),
    close() {
      closed = true
      for (const entry of entries.values()) {
        if (!isActive(entry.job)) continue
        settle(entry, { state: 'interrupted' })
        entry.stop.abort()
      }
    },
  }
}
