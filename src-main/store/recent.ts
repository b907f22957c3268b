import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { RecentProject } from '../../src-preload/contract/project.ts'
import { asFault, connectWriter, type WriteDb } from './database.ts'
import { databaseName } from './open.ts'
import { all, nowText, run } from './query.ts'

const keep = 50

/** Opens, uses and closes the small list that all processes of one user share. A damaged list is put aside: it holds
 *  nothing that cannot be had by opening a project again. */
function withList<T>(home: string, action: (db: WriteDb) => T): T {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const file = join(home, 'recent.sqlite')
  const attempt = (): T => {
    const db = connectWriter(file)
    try {
      db.exec(`CREATE TABLE IF NOT EXISTS recents (
        folder TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, checkpoint TEXT NOT NULL, opened_at TEXT NOT NULL,
        sequence INTEGER NOT NULL) STRICT`)
      return action(db)
    } finally {
      db.close()
    }
  }
  try {
    return attempt()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (!/NOTADB|CORRUPT|SQLITE_ERROR/.test(code)) throw asFault(error, file)
    renameSync(file, `${file}.damaged`)
    for (const suffix of ['-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true })
    return attempt()
  }
}

export const rememberProject = (home: string, args: { folder: string; name: string; checkpoint: string }): void =>
  withList(home, (db) => {
    run(
      db,
      `INSERT INTO recents (folder, name, checkpoint, opened_at, sequence)
       VALUES (:folder, :name, :checkpoint, :openedAt, (SELECT coalesce(max(sequence), 0) + 1 FROM recents))
       ON CONFLICT (folder) DO UPDATE SET name = :name, checkpoint = :checkpoint, opened_at = :openedAt,
         sequence = excluded.sequence`,
      { ...args, openedAt: nowText() },
    )
    run(db, 'DELETE FROM recents WHERE folder NOT IN (SELECT folder FROM recents ORDER BY sequence DESC LIMIT :keep)', {
      keep,
    })
  })

/** Newest first. */
export const recentProjects = (home: string): RecentProject[] => {
  if (!existsSync(join(home, 'recent.sqlite'))) return []
  const rows = withList(home, (db) =>
    all<Omit<RecentProject, 'exists'>>(
      db,
      'SELECT folder, name, checkpoint, opened_at AS openedAt FROM recents ORDER BY sequence DESC',
    ),
  )
  return rows.map((row) => ({ ...row, exists: existsSync(join(row.folder, databaseName)) }))
}

/** The project itself stays where it is. */
export const forgetProject = (home: string, args: { folder: string }): void =>
  withList(home, (db) => {
    run(db, 'DELETE FROM recents WHERE folder = :folder', args)
  })
