import Database from 'better-sqlite3'
import { Fault } from '../../src-preload/contract/fault.ts'

declare const access: unique symbol
/** A connection that may only be asked. A WriteDb fits wherever a ReadDb is wanted, never the other way round. */
export type ReadDb = Database.Database & { readonly [access]: 'read' | 'write' }
export type WriteDb = Database.Database & { readonly [access]: 'write' }

/** How long a statement waits for another process's write before it gives up. */
export const busyTimeoutMs = 5_000

/** SQLite's own error as a Fault that names the file; anything else passes through. */
export function asFault(error: unknown, file: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error
  const { code, message } = error
  const more = { data: { file, found: code }, cause: error }
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'))
    return new Fault('conflict', `Another process is writing to ${file}.`, { ...more, hint: 'Try again in a moment.' })
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT'))
    return new Fault('bad-input', `${file} is damaged or is not a Lathe project: ${message}.`, {
      ...more,
      hint: 'Restore the folder from a copy, or from a lathe.backup-*.sqlite beside it.',
    })
  if (/^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|PERM|NOLFS)/.test(code))
    return new Fault('disk', `Cannot write to ${file}: ${message}.`, {
      ...more,
      hint: 'Check free space and permissions of the project folder.',
    })
  return error
}

const configure = (db: Database.Database): void => {
  db.pragma('foreign_keys = ON')
  db.pragma('trusted_schema = OFF')
  db.pragma('cell_size_check = ON')
}

/** The connection that writes. FULL: a committed step survives a power cut. */
export function connectWriter(file: string): WriteDb {
  const db = new Database(file, { timeout: busyTimeoutMs })
  try {
    configure(db)
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    return db as WriteDb
  } catch (error) {
    db.close()
    throw error
  }
}

export function connectReader(file: string): ReadDb {
  const db = new Database(file, { timeout: busyTimeoutMs, readonly: true, fileMustExist: true })
  try {
    configure(db)
    return db as ReadDb
  } catch (error) {
    db.close()
    throw error
  }
}

/** A database that lives in memory only: for comparing schemas and for tests. */
export const connectMemory = (): WriteDb => {
  const db = new Database(':memory:')
  configure(db)
  return db as WriteDb
}
