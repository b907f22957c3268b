import { createHash, type Hash } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { SourceFile } from '../checkpoint/file.ts'

const mostEntries = 2_000_000

export const badData = (
  file: string,
  what: string,
  more: { hint?: string; data?: Fault['data']; cause?: unknown } = {},
) => new Fault('bad-data', `${file}: ${what}`, { ...more, data: { file, ...more.data } })

/** Opens a data file for the time of `use`. Everything that goes wrong is Fault('bad-data') naming the file. */
export function withFile<T>(path: string, use: (file: SourceFile) => T): T {
  let file: SourceFile
  try {
    file = new SourceFile(path)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    throw new Fault('bad-data', error.message, { hint: error.hint, data: error.data, cause: error })
  }
  try {
    return use(file)
  } finally {
    file.close()
  }
}

export function readAll(path: string, limitBytes: number): Uint8Array<ArrayBuffer> {
  return withFile(path, (file) => {
    if (file.size > limitBytes)
      throw badData(path, `${file.size} bytes, at most ${limitBytes} are read of such a file`, {
        data: { expected: `at most ${limitBytes} bytes`, found: String(file.size) },
      })
    return file.read(0, file.size)
  })
}

/** A text file as UTF-8; the message names the first bad byte. */
export function readText(path: string, limitBytes: number): string {
  const bytes = readAll(path, limitBytes)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    const offset = firstBadByte(bytes)
    throw badData(path, `byte ${offset} is not UTF-8`, {
      hint: 'Save the file as UTF-8.',
      data: { offset },
      cause: error,
    })
  }
}

/** Length of the longest prefix that decodes: found by halving. */
function firstBadByte(bytes: Uint8Array): number {
  const decodes = (end: number) => {
    try {
      // A cut in the middle of a character is no error yet: `stream` waits for the rest.
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end), { stream: true })
      return true
    } catch {
      return false
    }
  }
  let good = 0
  let bad = bytes.length + 1
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (decodes(middle)) good = middle
    else bad = middle
  }
  return good
}

export const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/** Names in a folder, sorted by code point, hidden ones left out. */
export function listFolder(path: string): { name: string; folder: boolean }[] {
  let entries
  try {
    entries = readdirSync(path, { withFileTypes: true })
  } catch (error) {
    throw badData(path, 'this folder cannot be read', { cause: error })
  }
  if (entries.length > mostEntries) throw badData(path, `more than ${mostEntries} entries`)
  return entries
    .filter((entry) => !entry.name.startsWith('.'))
    .map((entry) => {
      const linked = entry.isSymbolicLink() ? isFolder(resolve(path, entry.name)) : entry.isDirectory()
      return { name: entry.name, folder: linked }
    })
    .sort((one, other) => (one.name < other.name ? -1 : 1))
}

const wholeBytes = 32 * 2 ** 20
const sampleBytes = 64 * 2 ** 10

/** Adds a file's identity to a hash: its content up to 32 MiB, beyond that its size and 64 samples of 64 KiB. */
export function hashFile(hash: Hash, path: string): void {
  withFile(path, (file) => {
    hash.update(`${file.size};`)
    if (file.size <= wholeBytes) {
      hash.update(file.read(0, file.size))
      return
    }
    for (let index = 0; index < 64; index++) {
      const begin = Math.floor((index * (file.size - sampleBytes)) / 63)
      hash.update(file.read(begin, begin + sampleBytes))
    }
  })
}

/** Identity of a data set: how it is described and what its files hold. */
export function fingerprint(description: unknown, files: readonly string[]): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify(description))
  for (const file of files) hashFile(hash, file)
  return hash.digest('hex')
}
