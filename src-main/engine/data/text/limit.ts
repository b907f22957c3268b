// Work under a time limit, in the same thread: V8 stops whatever JavaScript runs, even a regular expression that never ends.
import { createContext, Script } from 'node:vm'

const room: { work: (() => unknown) | null } = { work: null }
const script = new Script('work()')
let context: ReturnType<typeof createContext> | null = null

/** The result of `work`, or an error for which `wasTooSlow` holds. Not to be nested. */
export function withinTime<T>(limitMs: number, work: () => T): T {
  context ??= createContext(room)
  room.work = work
  try {
    return script.runInContext(context, { timeout: Math.max(1, Math.ceil(limitMs)) }) as T
  } finally {
    room.work = null
  }
}

export const wasTooSlow = (error: unknown): boolean =>
  (error as NodeJS.ErrnoException | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
