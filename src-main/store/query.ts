import type { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import { asFault, type ReadDb, type WriteDb } from './database.ts'

export type SqlValue = string | number | null
export type Row = Record<string, SqlValue>
type Parameters = Record<string, SqlValue>

const guarded = <T>(db: ReadDb, action: () => T): T => {
  try {
    return action()
  } catch (error) {
    throw asFault(error, db.name)
  }
}

/** Every row of a query. `R` states the columns the SQL selects; STRICT tables keep that promise. */
export const all = <R extends object>(db: ReadDb, sql: string, parameters: Parameters = {}): R[] =>
  guarded(db, () => db.prepare<Parameters, R>(sql).all(parameters))

export const get = <R extends object>(db: ReadDb, sql: string, parameters: Parameters = {}): R | undefined =>
  guarded(db, () => db.prepare<Parameters, R>(sql).get(parameters))

/** Number of changed rows. */
export const run = (db: WriteDb, sql: string, parameters: Parameters = {}): number =>
  guarded(db, () => db.prepare<Parameters>(sql).run(parameters).changes)

/** All of `action` or nothing; the write lock is taken at once, so that what it reads cannot change before it writes. */
export const transaction = <T>(db: WriteDb, action: () => T): T =>
  guarded(db, () => (db.inTransaction ? action() : db.transaction(action).immediate()))

/** A JSON column through its schema; a value that does not fit means a damaged or doctored project. */
export function fromJson<S extends z.ZodType>(
  schema: S,
  text: string,
  where: { db: ReadDb; field: string },
): z.output<S> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new Fault('bad-input', `${where.db.name}: ${where.field} does not hold what it should.`, {
    hint: 'The project was damaged or edited by hand. Restore a copy of its folder.',
    data: { file: where.db.name, field: where.field, found: parsed.error.issues[0]?.message ?? 'not JSON' },
  })
}

/** Wall-clock time for people. Order and durations never come from it. */
export const nowText = (): string => new Date().toISOString()
