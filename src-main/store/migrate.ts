import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'
import { connectMemory, type ReadDb, type WriteDb } from './database.ts'
import { migrations as shipped } from './migrations/registry.ts'
import type { Migration } from './migrations/migration.ts'

/** 'LATH': tells a Lathe project from any other SQLite file. */
export const applicationId = 0x4c415448

export const latestVersion = (migrations: readonly Migration[] = shipped): number => migrations.at(-1)?.version ?? 0

export const versionOf = (db: ReadDb): number => Number(db.pragma('user_version', { simple: true }))

/** Brings a database to the newest schema. Before each migration of a file that holds something, a whole copy is
 *  written beside it (VACUUM INTO); each migration is one transaction, so a crash leaves the old or the new schema. */
export function migrate(db: WriteDb, migrations: readonly Migration[] = shipped): void {
  const isFresh = versionOf(db) === 0
  for (const migration of migrations) {
    const version = versionOf(db)
    if (version >= migration.version) continue
    if (!isFresh && !db.memory) backup(db, version)
    db.transaction(() => {
      // Another process may have migrated while this one waited for the write lock.
      if (versionOf(db) >= migration.version) return
      db.exec(migration.sql)
      db.pragma(`application_id = ${applicationId}`)
      db.pragma(`user_version = ${migration.version}`)
    }).immediate()
    if (!db.memory) db.pragma('wal_checkpoint(TRUNCATE)') // the file's header tells its version from now on
  }
}

const backup = (db: WriteDb, version: number): void => {
  const copy = join(dirname(db.name), `lathe.backup-${version}.sqlite`)
  if (!existsSync(copy)) db.prepare('VACUUM INTO ?').run(copy)
}

const schemaOf = (db: ReadDb): string[] =>
  db
    .prepare<[], { type: string; name: string; sql: string | null }>('SELECT type, name, sql FROM sqlite_schema')
    .all()
    .map((row) => `${row.type} ${row.name}: ${row.sql ?? ''}`)
    .sort()

/** A project whose schema is not exactly what its migrations make (a view, a trigger, a changed table) is refused:
 *  nobody but a stranger puts such things there. */
export function checkSchema(db: ReadDb, migrations: readonly Migration[] = shipped): void {
  const memory = connectMemory()
  try {
    migrate(memory, migrations)
    const expected = new Set(schemaOf(memory))
    const found = schemaOf(db).filter((line) => !line.startsWith('table sqlite_'))
    const odd = found.find((line) => !expected.has(line))
    if (odd === undefined && found.length === expected.size) return
    throw new Fault('bad-input', `${db.name} has a schema that Lathe did not make.`, {
      hint: 'Restore the project folder from a copy.',
      data: { file: db.name, field: 'sqlite_schema', found: (odd ?? 'something is missing').slice(0, 200) },
    })
  } finally {
    memory.close()
  }
}
