// A checkpoint may name other files (shards, external data). Those names are untrusted: they may only reach regular files
// inside the checkpoint's own folder. The text is judged first, on every platform by the rules of all platforms, so that a
// hostile name causes no system call at all; only then is the path walked.
import { type Stats, lstatSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'

export interface ContainmentOptions {
  file?: string // file that names the path, for the message
  field?: string // where in it
  /** Other folders that links may point into (the blob store of a Hugging Face cache). */
  linkTargets?: readonly string[]
}

const longestPath = 1024
// Reserved by Windows in every folder, with any extension; superscript digits count as digits there.
const deviceName = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])$/i

/** Why a relative path may not be followed, or null where its text is harmless. Makes no system call. */
export function judgeRelativePath(relative: string): string | null {
  if (relative === '') return 'the path is empty'
  if (relative.length > longestPath) return `the path is longer than ${longestPath} characters`
  if (/[\u0000-\u001f\u007f]/.test(relative)) return 'the path holds a control character'
  if (relative.includes('\\')) return 'the path holds a backslash'
  if (relative.startsWith('/')) return 'the path is absolute'
  if (relative.includes(':')) return 'the path holds a colon (drive letter or stream)'
  for (const part of relative.split('/')) {
    if (part === '') return 'the path holds an empty part'
    if (part === '..') return 'the path leaves its folder (..)'
    if (part === '.') return 'the path holds a "." part'
    if (/[. ]$/.test(part)) return 'a part of the path ends in a dot or a space'
    if (deviceName.test((part.split('.')[0] ?? '').trimEnd())) return `"${part}" is a device name`
  }
  return null
}

const isWithin = (folder: string, path: string) => path.startsWith(folder.endsWith(sep) ? folder : folder + sep)

/** Blob store beside a Hugging Face cache snapshot (`<repo>/snapshots/<revision>` links into `<repo>/blobs`). `folder` must exist. */
export function cacheLinkTargets(folder: string): string[] {
  const snapshots = dirname(realpathSync(folder))
  return basename(snapshots) === 'snapshots' ? [join(dirname(snapshots), 'blobs')] : []
}

/**
 * Absolute real path of a file that a checkpoint names relative to its folder. It is a regular file inside the folder
 * with no second hard link (which could be a door to a file outside).
 * Faults: 'forbidden' for anything that leaves the folder or is no plain file, 'not-found' where nothing is there.
 */
export function resolveInside(folder: string, relative: string, options: ContainmentOptions = {}): string {
  const refuse = (code: 'forbidden' | 'not-found', why: string) =>
    new Fault(code, `${options.file ?? folder}: ${options.field ?? 'path'} ${JSON.stringify(relative)}: ${why}`, {
      hint:
        code === 'not-found'
          ? 'Put the missing file beside the others, or download the checkpoint again.'
          : 'A checkpoint may only use regular files inside its own folder. If you trust it, copy the file there under a plain name.',
      data: {
        file: options.file ?? folder,
        field: options.field ?? 'path',
        found: relative.slice(0, longestPath),
        expected: 'a regular file inside the folder of the checkpoint',
      },
    })
  const wrong = judgeRelativePath(relative)
  if (wrong !== null) throw refuse('forbidden', wrong)
  try {
    const root = realpathSync(folder)
    const stats = walk(root, relative)
    let path = join(root, ...relative.split('/'))
    if (stats === 'link') {
      path = realpathSync(path)
      const allowed = [root, ...(options.linkTargets ?? [])]
      if (!allowed.some((target) => isWithin(target, path))) throw refuse('forbidden', 'a link leads out of the folder')
    }
    const file = stats === 'link' ? statSync(path) : stats
    if (!file.isFile()) throw refuse('forbidden', `not a regular file but ${kindOf(file)}`)
    if (file.nlink > 1) throw refuse('forbidden', 'the file has a second hard link, which may lead out of the folder')
    return path
  } catch (error) {
    if (error instanceof Fault) throw error
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') throw refuse('not-found', 'no such file')
    throw refuse('forbidden', `cannot be reached (${code ?? String(error)})`)
  }
}

/** Stats of the last part without following links; 'link' as soon as any part is one. */
function walk(root: string, relative: string): Stats | 'link' {
  let path = root
  let stats = lstatSync(root)
  for (const part of relative.split('/')) {
    path = join(path, part)
    stats = lstatSync(path)
    if (stats.isSymbolicLink()) return 'link'
  }
  return stats
}

const kindOf = (stats: Stats): string => {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a pipe'
  if (stats.isSocket()) return 'a socket'
  return stats.isCharacterDevice() || stats.isBlockDevice() ? 'a device' : 'something else'
}
