import { existsSync, opendirSync, type Stats, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { ParsedArguments, Result } from '../../src-preload/contract/channels.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { databaseName } from '../store/open.ts'
import type { AppContext } from './context.ts'

type Listing = Result<'files.list'>

/** A folder may hold a million files; a chooser shows no more than this many. */
export const maximumEntries = 2_000

type Purpose = NonNullable<ParsedArguments<'files.list'>['purpose']>
/** By what is to be chosen: endings of files, and names that tell what a folder holds. */
const signs: Record<Purpose, { endings: string[]; inside: string[] }> = {
  checkpoint: {
    endings: ['.onnx', '.safetensors', '.gguf', '.pt', '.pth', '.bin', '.ckpt', '.th'],
    inside: ['config.json', 'model.safetensors', 'model.onnx', 'pytorch_model.bin'],
  },
  data: { endings: ['.yaml', '.yml', '.txt', '.npy', '.dat', '.imatrix', '.gguf'], inside: ['data.yaml'] },
  project: { endings: [databaseName], inside: [databaseName] },
  export: { endings: [], inside: [] },
}

const looksOpenable = (path: string, isFolder: boolean, purpose: Purpose | undefined): boolean =>
  (purpose ? [signs[purpose]] : Object.values(signs)).some(({ endings, inside }) =>
    isFolder
      ? inside.some((name) => existsSync(join(path, name)))
      : endings.some((ending) => path.toLowerCase().endsWith(ending)),
  )

/** Only regular files and folders, links followed once; dot files, pipes and devices are left out. */
function listFolder(folder: string, purpose?: Purpose): Listing {
  const entries: Listing['entries'] = []
  let truncated = false
  let directory
  try {
    directory = opendirSync(folder)
  } catch (error) {
    throw unreadable(folder, error)
  }
  try {
    for (let item = directory.readSync(); item; item = directory.readSync()) {
      if (item.name.startsWith('.')) continue
      if (entries.length === maximumEntries) {
        truncated = true
        break
      }
      const path = join(folder, item.name)
      const stat = statOrNull(path)
      if (!stat || !(stat.isFile() || stat.isDirectory())) continue
      entries.push({
        name: item.name,
        path,
        kind: stat.isDirectory() ? 'folder' : 'file',
        bytes: stat.isDirectory() ? 0 : stat.size,
        openable: looksOpenable(path, stat.isDirectory(), purpose),
      })
    }
  } finally {
    directory.closeSync()
  }
  const compare = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' }).compare
  entries.sort((a, b) => (a.kind === b.kind ? compare(a.name, b.name) : a.kind === 'folder' ? -1 : 1))
  const parent = dirname(folder)
  return { folder, parent: parent === folder ? null : parent, entries, truncated }
}

const statOrNull = (path: string): Stats | null => {
  try {
    return statSync(path)
  } catch {
    return null // a broken link, a loop of links, or not ours to see
  }
}

const unreadable = (folder: string, error: unknown): Fault => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const message = error instanceof Error ? error.message : String(error)
  return new Fault(
    code === 'ENOENT' || code === 'ENOTDIR' ? 'not-found' : 'forbidden',
    `Cannot list ${folder}: ${message}.`,
    {
      hint: 'Choose another folder.',
      data: { file: folder },
      cause: error,
    },
  )
}

export const filesHandlers = (context: AppContext): Pick<Handlers, 'files.list' | 'files.pick' | 'files.reveal'> => ({
  'files.list': ({ folder, purpose }) => listFolder(resolve(folder ?? homedir()), purpose),
  'files.pick': async ({ purpose }) =>
    context.dialogs ? { supported: true, path: await context.dialogs.pick(purpose) } : { supported: false, path: null },
  'files.reveal': async ({ path }) => {
    if (!context.dialogs) return { supported: false }
    if (!existsSync(path)) throw new Fault('not-found', `There is no ${path} to show.`, { data: { file: path } })
    await context.dialogs.reveal(resolve(path))
    return { supported: true }
  },
})
