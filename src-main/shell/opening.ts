import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Snapshot } from '../../src-preload/contract/channels.ts'

export type Opening = Snapshot<'open'>

/** What a path from outside asks for: a project folder holds the project store, anything else is tried as a checkpoint. */
export function openingOf(path: string): Opening {
  return { purpose: existsSync(join(path, 'lathe.sqlite')) ? 'project' : 'checkpoint', path }
}

/** The path among the arguments of a start, if one names a file or folder that is there. `skip` program arguments come first. */
export function openingFrom(args: readonly string[], skip: number, folder: string): Opening | null {
  const named = args.slice(skip).find((argument) => argument !== '' && !argument.startsWith('-'))
  if (named === undefined) return null
  const path = resolve(folder, named)
  return statSync(path, { throwIfNoEntry: false }) ? openingOf(path) : null
}
