import { closeSync, constants, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'

/** A file that is there whole or not at all, also after a power cut: written beside, synced, renamed, folder synced.
 *  Makes the folder. Faults 'disk' with the path, the bytes needed and the system's reason. */
export function writeWhole(path: string, contents: Uint8Array): void {
  const temporary = `${path}.${process.pid}.partial`
  let created = false
  try {
    mkdirSync(dirname(path), { recursive: true })
    rmSync(temporary, { force: true }) // left by a dead process that had this one's id
    const { O_WRONLY, O_CREAT, O_EXCL } = constants
    const file = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL, 0o644)
    created = true
    try {
      for (let done = 0; done < contents.length;) done += writeSync(file, contents, done)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
    created = false
    syncFolder(dirname(path))
  } catch (error) {
    if (created) rmSync(temporary, { force: true })
    const reason = error instanceof Error ? error.message : String(error)
    throw new Fault('disk', `Cannot write ${path} (${contents.length} bytes): ${reason}.`, {
      hint: 'Make room or choose another folder, then resume.',
      data: { file: path, expected: `${contents.length} bytes` },
      cause: error,
    })
  }
}

/** Makes a rename last. Windows has no such call on folders. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return
  const descriptor = openSync(folder, constants.O_RDONLY)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
