import { randomBytes } from 'node:crypto'
import { lstatSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'

const refuse = (file: string, why: string): Fault =>
  new Fault('conflict', `Cannot write ${file}: it ${why}.`, { hint: 'Choose another name.', data: { file } })

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Whether an existing file is a source, or lies in a source that is a folder. */
const belongsTo = (file: string, source: string): boolean => {
  const found = statSync(source, { throwIfNoEntry: false })
  if (!found) return false
  const [real, origin] = [realpathSync(file), realpathSync(source)]
  return found.isDirectory() ? real.startsWith(`${origin}${sep}`) : real === origin
}

/** Tells before any work what would stop `writeDocument` after it. A checkpoint or its data is never written to. */
export function checkDocument(path: string | undefined, sources: readonly (string | undefined)[]): void {
  if (path === undefined) return
  const file = resolve(path)
  const folder = statSync(dirname(file), { throwIfNoEntry: false })
  if (!folder?.isDirectory())
    throw new Fault('not-found', `Cannot write ${file}: there is no folder ${dirname(file)}.`, {
      hint: 'Make the folder first, or choose another.',
      data: { file },
    })
  const found = lstatSync(file, { throwIfNoEntry: false })
  if (!found) return
  if (!found.isFile()) throw refuse(file, found.isDirectory() ? 'is a folder' : 'is not a plain file')
  const source = sources.find((each) => each !== undefined && belongsTo(file, resolve(each)))
  if (source !== undefined) throw refuse(file, `is part of ${resolve(source)}, which is never written to`)
}

/** Writes a recipe or a page whole or not at all. Faults 'disk' naming the file. */
export function writeDocument(path: string, text: string): void {
  const file = resolve(path)
  const partial = join(dirname(file), `.${basename(file)}-${randomBytes(4).toString('hex')}.partial`)
  try {
    writeFileSync(partial, text, { flag: 'wx', flush: true })
    renameSync(partial, file)
  } catch (error) {
    rmSync(partial, { force: true })
    throw new Fault('disk', `Cannot write ${file} (${Buffer.byteLength(text)} bytes needed): ${said(error)}`, {
      hint: 'Free some space or choose another folder.',
      data: { file },
      cause: error,
    })
  }
}
