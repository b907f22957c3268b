import { existsSync, lstatSync, realpathSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import { diskFault } from './disk-fault.ts'
import { makeFolders, removeFolders } from './folders.ts'

/** Where an export goes. */
export interface Target {
  folder: string // real path; exists
  file: string // name of the model file inside it
  companions: boolean // the path was a folder: tokenizer and configuration go with the model
  made: string[] // folders that did not exist before, outermost first
}

/** A path that ends in the format's extension is a file; any other is a folder that gets `model<extension>`. Makes the
 *  folder. Faults where writing would touch the checkpoint itself, follow a link, or replace what must not be replaced. */
export function chooseTarget(path: string, extension: string, network: Network, overwrite: boolean): Target {
  const whole = resolve(path)
  const single = extname(whole).toLowerCase() === extension
  const wanted = single ? dirname(whole) : whole
  let folder: string
  let made: string[]
  try {
    if (existsSync(wanted) && !statSync(wanted).isDirectory()) throw refusal(wanted, 'is a file, not a folder')
    made = makeFolders(wanted)
    folder = realpathSync(wanted)
  } catch (error) {
    throw error instanceof Fault ? error : diskFault(error, wanted)
  }
  const file = single ? basename(whole) : `model${extension}`
  if (!single && existsSync(network.path) && statSync(network.path).isDirectory()) {
    if (realpathSync(network.path) === folder)
      throw refusal(folder, 'is the checkpoint itself, which is never written to')
  }
  try {
    checkFile(join(folder, file), network, overwrite)
  } catch (error) {
    removeFolders(made)
    throw error
  }
  return { folder, file, companions: !single, made }
}

/** Removes the folders that were made for an export that failed, unless something else lies in them by now. */
export const unmake = ({ made }: Target): void => removeFolders(made)

/** Faults unless the name is free, or a plain file of its own that may be replaced. */
export function checkFile(path: string, network: Network, overwrite: boolean): void {
  const found = look(path)
  if (found === undefined) return
  if (found.isSymbolicLink()) throw refusal(path, 'is a symbolic link')
  if (!found.isFile()) throw refusal(path, found.isDirectory() ? 'is a folder' : 'is not a regular file')
  const sources = network.files.filter((file) => existsSync(file)).map((file) => statSync(file))
  if (sources.some((source) => source.ino === found.ino && source.dev === found.dev)) {
    throw refusal(path, 'is part of the checkpoint itself, which is never written to')
  }
  if (found.nlink > 1) throw refusal(path, 'has other names (hard links) whose content would be replaced')
  if (!overwrite) {
    throw new Fault('conflict', `${path} exists already.`, {
      hint: 'Choose another name, or allow it to be replaced.',
      data: { file: path },
    })
  }
}

/** What stands at the path, if anything; a name that the file system does not take is a fault. */
function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw diskFault(error, path)
  }
}

const refusal = (path: string, why: string): Fault =>
  new Fault('conflict', `Cannot export to ${path}: it ${why}.`, {
    hint: 'Choose another file or folder.',
    data: { file: path, found: why },
  })
