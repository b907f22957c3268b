import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'
import { makeFolders } from '../engine/export/folders.ts'
import { createStore, databaseName, type Store } from '../store/open.ts'

/** A name that every file system takes, from one that a checkpoint happens to have. */
export const folderName = (name: string): string =>
  name
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/^[.-]+|[.-]+$/g, '')
    .slice(0, 60) || 'project'

/** A folder below `parent` that does not exist yet. */
export function freeFolder(parent: string, name: string): string {
  for (let attempt = 1; ; attempt += 1) {
    const folder = join(parent, attempt === 1 ? name : `${name}-${attempt}`)
    if (!existsSync(folder)) return folder
  }
}

/** Makes a project folder whole or not at all: built beside, then renamed. `fill` writes its first rows. */
export function makeProjectFolder(target: string, fill: (store: Store) => void): void {
  const folder = resolve(target)
  if (existsSync(join(folder, databaseName)))
    throw new Fault('conflict', `${folder} already holds a project.`, {
      hint: 'Open it, or choose another folder.',
      data: { file: folder },
    })
  const partial = join(dirname(folder), `.${basename(folder)}.partial-${process.pid}-${randomUUID().slice(0, 8)}`)
  try {
    if (existsSync(folder) && readdirSync(folder).length > 0)
      throw new Fault('conflict', `${folder} is not empty.`, {
        hint: 'Choose an empty or new folder for the project.',
        data: { file: folder },
      })
    makeFolders(dirname(folder))
    const store = createStore(partial)
    try {
      fill({ ...store, folder })
    } finally {
      store.close()
    }
    if (existsSync(folder)) rmdirSync(folder) // empty: not every system renames over it
    renameSync(partial, folder)
  } catch (error) {
    rmSync(partial, { recursive: true, force: true })
    if (error instanceof Fault || !(error instanceof Error)) throw error
    const taken = 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST')
    throw new Fault(taken ? 'conflict' : 'disk', `Cannot make the project folder ${folder}: ${error.message}.`, {
      hint: taken ? 'Somebody else just made it: open it.' : 'Check free space and permissions.',
      data: { file: folder },
      cause: error,
    })
  }
}
