// Files are written, synced and checked in a private folder inside the target's folder, and only then get their names:
// a reader never sees half a file, and a kill leaves nothing but that folder, which the next export removes.
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { diskFault } from './disk-fault.ts'

export interface StagedFile {
  name: string
  bytes: number
  sha256: string
}

export interface Staging {
  readonly folder: string // where the files lie until they are published, under their final names
  /** Writes a new file from what `produce` sends to the sink; synced before it returns. */
  write(name: string, produce: (sink: (chunk: Uint8Array) => void) => void): StagedFile
  /** Moves files to their final names, in this order; `overwrite` false faults where a name is taken by then. */
  publish(names: readonly string[], overwrite: boolean): void
  remove(): void
}

const PREFIX = '.lathe-'
const SUFFIX = '.partial'
const MARGIN = 1.1 // file systems need a little more than the bytes themselves

/** A private folder inside `folder`. Faults 'disk' when `neededBytes` do not fit. */
export function openStaging(folder: string, neededBytes: number): Staging {
  sweep(folder)
  checkSpace(folder, neededBytes)
  const own = `${PREFIX}${host()}-${process.pid}-${randomBytes(4).toString('hex')}${SUFFIX}`
  const staged = join(folder, own)
  const attempt = <T>(path: string, act: () => T): T => {
    try {
      return act()
    } catch (error) {
      throw error instanceof Fault ? error : diskFault(error, path, neededBytes)
    }
  }
  attempt(folder, () => mkdirSync(staged, { mode: 0o700 }))
  const write: Staging['write'] = (name, produce) =>
    attempt(join(folder, name), () => writeNew(join(staged, name), name, produce))
  return {
    folder: staged,
    write,
    publish(names, overwrite) {
      attempt(folder, () => syncFolder(staged))
      for (const name of names) {
        attempt(join(folder, name), () => (overwrite ? renameSync : moveNew)(join(staged, name), join(folder, name)))
      }
      attempt(folder, () => syncFolder(folder))
    },
    remove: () => rmSync(staged, { recursive: true, force: true }),
  }
}

function writeNew(path: string, name: string, produce: (sink: (chunk: Uint8Array) => void) => void): StagedFile {
  const file = openSync(path, 'wx', 0o644)
  try {
    const hash = createHash('sha256')
    let bytes = 0
    produce((chunk) => {
      for (let at = 0; at < chunk.length;) at += writeSync(file, chunk, at)
      hash.update(chunk)
      bytes += chunk.length
    })
    fsyncSync(file)
    const found = fstatSync(file).size
    if (found !== bytes) throw new Fault('disk', `${path} holds ${found} bytes where ${bytes} were written.`)
    return { name, bytes, sha256: hash.digest('hex') }
  } finally {
    closeSync(file)
  }
}

/** Gives a file a name nobody has: link and unlink, or rename where the file system knows no links. */
function moveNew(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST') throw new Fault('conflict', `${to} exists already.`, { data: { file: to }, cause: error })
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error
    return renameSync(from, to)
  }
  unlinkSync(from)
}

/** Makes renames durable. Not every platform can open a folder (Windows): its file system journals names by itself. */
export function syncFolder(folder: string): void {
  let file: number
  try {
    file = openSync(folder, 'r')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (process.platform === 'win32' && (code === 'EPERM' || code === 'EISDIR' || code === 'EACCES')) return
    throw error
  }
  try {
    fsyncSync(file)
  } catch (error) {
    if (process.platform !== 'win32') throw error
  } finally {
    closeSync(file)
  }
}

function checkSpace(folder: string, neededBytes: number): void {
  const { bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  const needed = Math.ceil(neededBytes * MARGIN)
  if (free >= needed) return
  throw new Fault('disk', `Cannot write to ${folder}: ${needed} bytes needed, ${free} free.`, {
    hint: 'Free some space or choose another disk.',
    data: { file: folder, expected: `${needed} bytes`, found: `${free} bytes`, neededBytes: needed },
  })
}

const host = (): string =>
  hostname()
    .replaceAll(/[^\w.]/g, '_')
    .slice(0, 64)

/** Removes what killed exports of this machine left behind. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${PREFIX}${host()}-`) || !name.endsWith(SUFFIX)) continue
    const pid = Number(name.slice(`${PREFIX}${host()}-`.length).split('-')[0])
    if (Number.isInteger(pid) && pid > 0 && !isAlive(pid)) rmSync(join(folder, name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
