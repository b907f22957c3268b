import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Network } from '../../checkpoint/network.ts'
import { diskFault } from '../disk-fault.ts'
import { makeFolders, removeFolders } from '../folders.ts'
import { type Staging, syncFolder } from '../staging.ts'
import { checkFile } from '../target.ts'
import { leftovers } from './leftovers.ts'

/** Where a folder export goes. A folder that is new or empty appears whole, by one rename; one that holds something
 *  already gets its files one by one, the manifest last. */
export interface FolderTarget {
  folder: string
  stagedIn: string // the folder that holds the staging
  fresh: boolean
  made: string[]
}

/** Faults where writing would touch the checkpoint, follow a link, or replace what must not be replaced. */
export function chooseFolder(path: string, network: Network, overwrite: boolean): FolderTarget {
  const whole = resolve(path)
  const made: string[] = []
  try {
    const found = lstatSync(whole, { throwIfNoEntry: false })
    if (found?.isSymbolicLink() && !existsSync(whole)) throw refusal(whole, 'is a link that leads nowhere')
    if (found && !statSync(whole).isDirectory()) throw refusal(whole, 'is a file, not a folder')
    if (found && inside(network, realpathSync(whole)))
      throw refusal(whole, 'is the checkpoint itself, which is never written to')
    const empty = !found || readdirSync(whole).length === 0
    if (found && !empty) {
      if (!overwrite)
        throw new Fault('conflict', `${whole} exists already and is not empty.`, {
          hint: 'Choose another folder, or allow its files to be replaced.',
          data: { file: whole },
        })
      return { folder: realpathSync(whole), stagedIn: realpathSync(whole), fresh: false, made }
    }
    if (found) return { folder: realpathSync(whole), stagedIn: dirname(realpathSync(whole)), fresh: true, made }
    made.push(...makeFolders(dirname(whole)))
    const parent = realpathSync(dirname(whole))
    return { folder: join(parent, basename(whole)), stagedIn: parent, fresh: true, made }
  } catch (error) {
    removeFolders(made)
    throw error instanceof Fault ? error : diskFault(error, whole)
  }
}

function inside({ path, files }: Network, folder: string): boolean {
  const own = [path, ...files].filter((each) => existsSync(each)).map((each) => realpathSync(each))
  return own.some((each) => each === folder || dirname(each) === folder)
}

/** Gives the staged files their names. `names` in the order in which a reader may rely on them: the manifest last. */
export function publishFolder(
  target: FolderTarget,
  staging: Staging,
  names: readonly string[],
  network: Network,
): void {
  if (!target.fresh) {
    const manifest = join(target.folder, names.at(-1) ?? '')
    for (const name of names) checkFile(join(target.folder, name), network, true)
    const old = leftovers(target.folder, manifest, new Set(names))
    rmSync(manifest, { force: true }) // it described the files that are replaced now
    for (const name of old) rmSync(join(target.folder, name), { force: true })
    staging.publish(names, true)
    return
  }
  try {
    syncFolder(staging.folder)
    chmodSync(staging.folder, 0o777 & ~process.umask())
    if (existsSync(target.folder)) rmdirSync(target.folder)
    renameSync(staging.folder, target.folder)
    syncFolder(target.stagedIn)
  } catch (error) {
    throw diskFault(error, target.folder)
  }
}

const refusal = (path: string, why: string): Fault =>
  new Fault('conflict', `Cannot export to ${path}: it ${why}.`, {
    hint: 'Choose another folder.',
    data: { file: path, found: why },
  })
