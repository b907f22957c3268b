import { existsSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'
import { asFault, connectReader, connectWriter, type ReadDb, type WriteDb } from './database.ts'
import { readVersion, refuseNewer } from './header.ts'
import { checkSchema, latestVersion, migrate, versionOf } from './migrate.ts'
import type { Migration } from './migrations/migration.ts'
import { migrations as shipped } from './migrations/registry.ts'

export const databaseName = 'lathe.sqlite'

/** An open project folder: `lathe.sqlite` and `artifacts/`. Whoever opened it closes it. */
export interface Store {
  readonly folder: string
  readonly artifacts: string
  readonly read: ReadDb
  readonly write: WriteDb
  close(): void
}

/** Makes the folder where needed; a folder that already is a project is a conflict. */
export function createStore(folder: string): Store {
  const root = resolve(folder)
  if (existsSync(join(root, databaseName)))
    throw new Fault('conflict', `${root} already holds a project.`, { hint: 'Open it, or choose another folder.' })
  try {
    mkdirSync(join(root, 'artifacts'), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw diskFault(root, error)
  }
  return connect(root, shipped)
}

/** Opens, checks and where needed migrates a project. A newer one, another program's file and a damaged one are
 *  refused with their bytes unchanged. */
export function openStore(folder: string, migrations: readonly Migration[] = shipped): Store {
  const root = resolve(folder)
  const file = join(root, databaseName)
  if (!existsSync(file))
    throw new Fault('not-found', `${root} is not a Lathe project: it has no ${databaseName}.`, {
      hint: 'Choose a project folder, or open the checkpoint to start a new project.',
      data: { file },
    })
  const stat = lstatSync(file)
  if (!stat.isFile() && !stat.isSymbolicLink())
    throw new Fault('bad-input', `${file} is not a Lathe project: it is not a regular file.`, {
      hint: 'Choose a folder that Lathe made.',
      data: { file },
    })
  if (stat.isSymbolicLink() || stat.nlink > 1)
    throw new Fault('bad-input', `${file} is a link.`, {
      hint: 'A database with two names loses data when both are used. Copy the project folder instead.',
      data: { file },
    })
  try {
    const known = latestVersion(migrations)
    refuseNewer(file, readVersion(file) ?? 0, known)
    // The newest version may still be in the write-ahead log: ask without writing.
    if (existsSync(`${file}-wal`) && statSync(`${file}-wal`).size > 0) {
      const reader = connectReader(file)
      try {
        refuseNewer(file, versionOf(reader), known)
      } finally {
        reader.close()
      }
    }
    mkdirSync(join(root, 'artifacts'), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw error instanceof Fault ? error : diskFault(root, asFault(error, file))
  }
  return connect(root, migrations)
}

function connect(root: string, migrations: readonly Migration[]): Store {
  const file = join(root, databaseName)
  let write: WriteDb | null = null
  try {
    write = connectWriter(file)
    const damage = write.pragma('quick_check(1)', { simple: true })
    if (damage !== 'ok')
      throw new Fault('bad-input', `${file} is damaged: ${String(damage)}.`, {
        hint: 'Restore the project folder from a copy.',
        data: { file },
      })
    migrate(write, migrations)
    checkSchema(write, migrations)
    const writer = write
    const read = connectReader(file)
    return {
      folder: root,
      artifacts: join(root, 'artifacts'),
      read,
      write: writer,
      close: () => {
        read.close()
        writer.close()
      },
    }
  } catch (error) {
    write?.close()
    throw asFault(error, file)
  }
}

const diskFault = (folder: string, error: unknown): unknown => {
  if (error instanceof Fault || !(error instanceof Error)) return error
  return new Fault('disk', `Cannot use ${folder}: ${error.message}.`, {
    hint: 'Check that the folder exists and can be written.',
    data: { file: folder },
    cause: error,
  })
}
