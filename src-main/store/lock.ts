import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../../src-preload/contract/fault.ts'
import { beatHold, dropHold, type Holder, readHolder, takeHold } from './holders.ts'
import type { Store } from './open.ts'
import { lifeOf, thisProcess } from './process.ts'

const beatEveryMs = 1_000
/** A holder that cannot be asked whether it lives is believed dead after being silent this long. */
export const silenceMs = 4_000

/** The right to work on a project: one process at a time runs its jobs. Everybody may read, and small changes (a name,
 *  a pin) only wait for SQLite's own lock. Held as long as `acquire` was called more often than its release. */
export interface ProjectLock {
  /** Throws Fault('conflict') naming the holder. Returns the release. */
  acquire(): Promise<() => void>
  /** The other process that works on the project now, or null. */
  holder(): Holder | null
  close(): void
}

export function createProjectLock(store: Store, door: string): ProjectLock {
  const identity = thisProcess()
  let holds = 0
  let beat = 0
  let timer: NodeJS.Timeout | null = null
  let taking: Promise<void> | null = null

  const isSelf = (other: Holder): boolean => other.pid === identity.pid && other.started === identity.started
  const drop = (): void => {
    if (timer) clearInterval(timer)
    timer = null
    dropHold(store.write, identity)
  }
  const take = async (): Promise<void> => {
    const self: Holder = { ...identity, door, beat: (beat += 1) }
    for (;;) {
      const found = readHolder(store.read)
      let expected: Holder | null = found
      if (found && !isSelf(found)) {
        const life = lifeOf(found, identity)
        if (life === 'alive') throw conflict(store.folder, found)
        if (life === 'unknown' && !(await isSilent(store, found))) throw conflict(store.folder, found)
      } else if (found === null) expected = null
      const winner = takeHold(store.write, { self, expected })
      if (winner === null) break
      if (lifeOf(winner, identity) === 'alive') throw conflict(store.folder, winner)
    }
    timer = setInterval(() => {
      try {
        beatHold(store.write, { ...identity, beat: (beat += 1) })
      } catch {
        // the disk is full or busy: the next beat tells
      }
    }, beatEveryMs)
    timer.unref()
  }

  return {
    async acquire() {
      holds += 1
      try {
        if (holds === 1) taking = take()
        await taking
      } catch (error) {
        holds -= 1
        throw error
      }
      let released = false
      return () => {
        if (released) return
        released = true
        holds -= 1
        if (holds === 0) drop()
      }
    },
    holder: () => {
      const found = readHolder(store.read)
      return found && !isSelf(found) && lifeOf(found, identity) !== 'dead' ? found : null
    },
    close: () => {
      if (holds > 0) drop()
      holds = 0
    },
  }
}

const isSilent = async (store: Store, seen: Holder): Promise<boolean> => {
  await sleep(silenceMs)
  const now = readHolder(store.read)
  return now !== null && now.pid === seen.pid && now.machine === seen.machine && now.beat === seen.beat
}

const conflict = (folder: string, holder: Holder): Fault =>
  new Fault('conflict', `Another Lathe works on ${folder}: process ${holder.pid} (${holder.door}).`, {
    hint: 'Wait until its job is done, or cancel it there.',
    data: { file: folder, found: `pid ${holder.pid}` },
  })
