import { type ChildProcess, fork } from 'node:child_process'
import type { FromEngine, ToEngine } from '../engine/protocol.ts'
import { type Death, describeDeath } from './death.ts'
import { memoryLimitBytes, outOfMemoryKills, residentBytes } from './memory.ts'

export interface ChildOptions {
  entry: string
  execPath: string
  env: NodeJS.ProcessEnv
  readyMs: number
  memoryCapBytes: number
}

/** One life of the engine process. */
export interface EngineChild {
  readonly pid: number
  /** Resolves when it can take tasks; rejects with the reason when it never can. */
  readonly ready: Promise<void>
  /** Resolves once, when it is dead, with the reason. */
  readonly dead: Promise<EngineDeath>
  send(message: ToEngine): void
  onMessage: ((message: FromEngine) => void) | null
  /** False once its channel closed: it takes no more tasks. */
  readonly usable: boolean
  /** SIGKILL at once. `reason` becomes the reason of its death; `final`: trying again cannot help. */
  kill(reason: string, final?: 'too-much-memory' | 'too-slow'): void
  /** Asks it to end; kills it when it has not within a second. */
  end(): void
}

export interface EngineDeath {
  reason: string
  final: 'too-much-memory' | 'too-slow' | null
}

const keepWords = 4_096
const watchEveryMs = 250

/** The default cap: a share of what the machine or container has. */
export const memoryCap = (share: number): number => Math.floor(memoryLimitBytes() * share)

export function startChild(options: ChildOptions): EngineChild {
  const killsBefore = outOfMemoryKills()
  const child: ChildProcess = fork(options.entry, [], {
    execPath: options.execPath,
    execArgv: [],
    env: options.env,
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let lastWords = ''
  let killedFor: string | null = null
  let peakBytes: number | null = null
  let isReady = false
  let final: EngineDeath['final'] = null
  child.stdout?.resume() // never protocol: whatever native code prints is thrown away
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    lastWords = (lastWords + text).slice(-keepWords)
  })

  const watch = setInterval(() => {
    const bytes = child.pid === undefined ? null : residentBytes(child.pid)
    if (bytes === null) return
    peakBytes = Math.max(peakBytes ?? 0, bytes)
    if (bytes <= options.memoryCapBytes) return
    self.kill(
      `it was stopped because it used ${(bytes / 1e9).toFixed(1)} GB of memory, more than the ${(options.memoryCapBytes / 1e9).toFixed(1)} GB allowed`,
      'too-much-memory',
    )
  }, watchEveryMs)
  watch.unref()

  const dead = new Promise<EngineDeath>((resolve) => {
    const settle = (death: Pick<Death, 'code' | 'signal'>): void => {
      clearInterval(watch)
      clearTimeout(startLimit)
      const outOfMemory = outOfMemoryKills() > killsBefore
      const reason = killedFor ?? describeDeath({ ...death, lastWords, peakBytes, outOfMemory, ready: isReady })
      resolve({ reason, final })
    }
    child.once('error', (error) => {
      if (child.pid !== undefined) return // a failed send or kill; 'exit' will come
      killedFor = `it could not be started: ${error.message}`
      settle({ code: null, signal: null })
    })
    child.once('exit', (code, signal) => settle({ code, signal }))
  })
  const startLimit = setTimeout(() => self.kill(`it was not ready after ${options.readyMs / 1000} s`), options.readyMs)
  startLimit.unref()

  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (message: FromEngine) => {
      if (message === null || typeof message !== 'object') return
      if (message.type === 'ready') {
        isReady = true
        clearTimeout(startLimit)
        resolve()
      } else self.onMessage?.(message)
    })
    void dead.then((death) => reject(new Error(death.reason)))
  })
  ready.catch(() => undefined) // whoever waits for it hears; nobody waiting is no defect

  const self: EngineChild = {
    pid: child.pid ?? -1,
    ready,
    dead,
    onMessage: null,
    send: (message) => {
      // A child that just died takes no message: `dead` tells, so the error here is not news.
      if (child.connected) child.send(message, () => undefined)
    },
    get usable() {
      return child.connected
    },
    kill: (reason, why) => {
      killedFor ??= reason
      final ??= why ?? null
      child.kill('SIGKILL')
    },
    end: () => {
      if (child.connected) child.disconnect()
    },
  }
  // A channel that closed means it is about to end, or has lost its mind.
  child.once('disconnect', () => {
    const limit = setTimeout(() => child.kill('SIGKILL'), 1_000)
    limit.unref()
    void dead.then(() => clearTimeout(limit))
  })
  return self
}
