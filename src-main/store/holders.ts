import type { ReadDb, WriteDb } from './database.ts'
import type { ProcessIdentity } from './process.ts'
import { get, nowText, run, transaction } from './query.ts'

/** The process that works on this project now. `beat` grows while it lives. */
export interface Holder extends ProcessIdentity {
  door: string
  beat: number
}

export const readHolder = (db: ReadDb): Holder | null =>
  get<Holder>(db, 'SELECT pid, started, machine, door, beat FROM holders WHERE id = 1') ?? null

/** Takes the place unless somebody other than `expected` holds it: compare and swap in one write transaction.
 *  Returns who holds it afterwards when it was not won. */
export function takeHold(db: WriteDb, args: { self: Holder; expected: Holder | null }): Holder | null {
  return transaction(db, () => {
    const found = readHolder(db)
    const { expected, self } = args
    const same =
      found === null ||
      (expected !== null &&
        found.pid === expected.pid &&
        found.started === expected.started &&
        found.machine === expected.machine &&
        found.beat === expected.beat)
    if (!same) return found
    run(
      db,
      `INSERT INTO holders (id, pid, started, machine, door, beat, taken_at)
       VALUES (1, :pid, :started, :machine, :door, :beat, :takenAt)
       ON CONFLICT (id) DO UPDATE SET pid = :pid, started = :started, machine = :machine, door = :door,
         beat = :beat, taken_at = :takenAt`,
      { ...self, takenAt: nowText() },
    )
    return null
  })
}

/** False when the place was lost meanwhile. */
export const beatHold = (db: WriteDb, args: ProcessIdentity & { beat: number }): boolean =>
  run(db, 'UPDATE holders SET beat = :beat WHERE pid = :pid AND started = :started AND machine = :machine', {
    ...args,
  }) === 1

export const dropHold = (db: WriteDb, args: ProcessIdentity): number =>
  run(db, 'DELETE FROM holders WHERE pid = :pid AND started = :started AND machine = :machine', { ...args })
