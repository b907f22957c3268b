import { Fault } from '../../src-preload/contract/fault.ts'
import type { FromEngine, TaskArguments, TaskName, TaskProgress, TaskResult } from '../engine/protocol.ts'
import { type EngineChild, memoryCap, startChild } from './child.ts'
import { engineEntry, engineNode } from './locate.ts'

export interface SupervisorOptions {
  entry?: string
  execPath?: string
  env?: NodeJS.ProcessEnv
  /** Beside it: what this app tells its engines. */
  told?: Record<string, string>
  /** How long a fresh process may take until it says that it is ready. */
  readyMs?: number
  /** An engine without work is ended after this long. */
  idleMs?: number
  /** A child using more than this is killed; default 85 % of what the machine or container has. */
  memoryCapBytes?: number
}

export interface TaskHooks {
  progress?: (update: TaskProgress) => void
  notify?: (notice: string) => void
  /** Abort kills the engine: a running session cannot be interrupted in any other way. */
  signal?: AbortSignal
  /** How often the task may be begun again after the engine died under it. */
  retries?: number
  /** The engine is killed when it has not answered by then. */
  timeoutMs?: number
}

/** The only way to the engine process: starts it when needed, hands it one task at a time, notices when it dies. */
export interface Engine {
  run<N extends TaskName>(name: N, args: TaskArguments<N>, hooks?: TaskHooks): Promise<TaskResult<N>>
  /** Process id while one is alive. */
  pid(): number | null
  close(): Promise<void>
}

const backoffMs = (deaths: number): number => (deaths === 0 ? 0 : Math.min(5_000, 50 * 4 ** (deaths - 1)))

export const cancelled = (): Fault => new Fault('cancelled', 'Cancelled.')

export function createSupervisor(options: SupervisorOptions = {}): Engine {
  const node = engineNode()
  const childOptions = {
    entry: options.entry ?? engineEntry(),
    execPath: options.execPath ?? node.execPath,
    env: { ...(options.env ?? node.env), ...options.told },
    readyMs: options.readyMs ?? 20_000,
    memoryCapBytes: options.memoryCapBytes ?? memoryCap(0.85),
  }
  const idleMs = options.idleMs ?? 60_000
  let child: EngineChild | null = null
  let deathsInARow = 0
  let nextId = 1
  let tail: Promise<unknown> = Promise.resolve()
  let idle: NodeJS.Timeout | null = null
  let closed = false
  const waiting = new Set<() => void>() // rejecters of tasks, for close()

  const abandon = (old: EngineChild | null): void => {
    if (child === old) child = null
    old?.kill('it was told to stop')
  }

  const obtain = async (signal: AbortSignal | undefined): Promise<EngineChild> => {
    if (child?.usable) return child
    await pause(backoffMs(deathsInARow), signal)
    if (signal?.aborted) throw cancelled()
    const started = startChild(childOptions)
    child = started
    void started.dead.then(() => {
      if (child === started) child = null
    })
    await started.ready
    return started
  }

  /** One try of one task in one life of the engine. */
  const attempt = async (name: TaskName, args: unknown, hooks: TaskHooks): Promise<unknown> => {
    let alive: EngineChild
    try {
      alive = await untilAborted(obtain(hooks.signal), hooks.signal, () => abandon(child))
    } catch (error) {
      if (error instanceof Fault) throw error
      deathsInARow += 1
      throw engineFault(name, error instanceof Error ? error.message : String(error))
    }
    const id = nextId
    nextId += 1
    const answered = new Promise<unknown>((resolve, reject) => {
      alive.onMessage = (message: FromEngine) => {
        if (!('id' in message) || message.id !== id) return // of a task given up earlier
        if (message.type === 'progress') hooks.progress?.(message.update)
        else if (message.type === 'notice') hooks.notify?.(message.notice)
        else if (message.type === 'done') resolve(message.result)
        else if (message.type === 'failed') reject(Fault.from(message.fault))
      }
      void alive.dead.then((death) => {
        if (death.final !== 'too-much-memory') reject(engineFault(name, death.reason, death.final !== null))
        else
          reject(
            new Fault('too-large', `The engine stopped during "${name}": ${death.reason}.`, {
              hint: 'Choose smaller work, or a machine with more memory.',
            }),
          )
      })
    })
    const limit =
      hooks.timeoutMs === undefined
        ? null
        : setTimeout(
            () => alive.kill(`it gave no answer in ${(hooks.timeoutMs ?? 0) / 1000} s`, 'too-slow'),
            hooks.timeoutMs,
          )
    try {
      alive.send({ type: 'task', id, name, args })
      const result = await untilAborted(answered, hooks.signal, () => abandon(alive))
      deathsInARow = 0
      return result
    } catch (error) {
      if (error instanceof Fault && error.code === 'engine') deathsInARow += 1
      throw error
    } finally {
      if (limit) clearTimeout(limit)
      alive.onMessage = null
    }
  }

  const withRetries = async (name: TaskName, args: unknown, hooks: TaskHooks): Promise<unknown> => {
    for (let retry = 0; ; retry += 1) {
      if (closed) throw cancelled()
      hooks.signal?.throwIfAborted()
      try {
        return await attempt(name, args, hooks)
      } catch (error) {
        const retries = hooks.retries ?? 0
        if (!(error instanceof Fault) || error.code !== 'engine' || retry >= retries || closed) throw error
        if (error.data?.final === true) throw error
        hooks.notify?.(`${error.message} Trying again (${retry + 1} of ${retries}).`)
      }
    }
  }

  const rest = (): void => {
    if (idle) clearTimeout(idle)
    idle = setTimeout(() => {
      child?.end()
      child = null
    }, idleMs)
    idle.unref()
  }

  return {
    run(name, args, hooks = {}) {
      if (idle) clearTimeout(idle)
      const stop = new AbortController()
      const signal = hooks.signal ? AbortSignal.any([hooks.signal, stop.signal]) : stop.signal
      const abort = (): void => stop.abort()
      waiting.add(abort)
      const before = tail
      const work = untilAborted(before, signal, () => undefined)
        .then(() => withRetries(name, args, { ...hooks, signal }))
        .catch((error: unknown) => {
          throw signal.aborted ? cancelled() : error
        })
        .finally(() => {
          waiting.delete(abort)
          if (waiting.size === 0 && !closed) rest()
        })
      // The next task waits for this one even when this one gave up waiting for its own turn.
      tail = Promise.allSettled([before, work])
      return work as Promise<TaskResult<typeof name>>
    },
    pid: () => child?.pid ?? null,
    async close() {
      closed = true
      if (idle) clearTimeout(idle)
      for (const abort of waiting) abort()
      const last = child
      last?.kill('Lathe was closed')
      await last?.dead
    },
  }
}

const engineFault = (name: TaskName, reason: string, final = false): Fault =>
  new Fault('engine', `The engine stopped during "${name}": ${reason}.`, {
    hint: 'Finished work is kept; begin it again to go on from there.',
    ...(final ? { data: { final } } : {}),
  })

/** `promise`, or a cancelled Fault as soon as the signal says so; `act` runs once then. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined, act: () => void): Promise<T> {
  if (!signal) return promise
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => {
      act()
      reject(cancelled())
    }
    if (signal.aborted) {
      promise.catch(() => undefined)
      abort()
      return
    }
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  ms === 0
    ? Promise.resolve()
    : new Promise((resolve) => {
        const timer = setTimeout(resolve, ms)
        signal?.addEventListener('abort', () => {
          clearTimeout(timer)
          resolve()
        })
      })
