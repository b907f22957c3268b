import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { Fault } from '../../src-preload/contract/fault.ts'
import { applicationId } from './migrate.ts'

// SQLite's file header (sqlite.org/fileformat2.html, section 1.3), big endian:
//   0  16  'SQLite format 3\0'
//   60  4  user_version: our schema's number
//   68  4  application_id: 'LATH'
const headerBytes = 100
const magic = 'SQLite format 3\0'

/** The schema version a project file states, read without SQLite so that a refused file keeps its every byte.
 *  null: the file is empty, as a crash before the first commit leaves it. */
export function readVersion(file: string): number | null {
  const descriptor = openSync(file, 'r')
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) throw foreign(file, 'a regular file', 'something else')
    if (stat.size === 0) return null
    const header = Buffer.alloc(headerBytes)
    const read = readSync(descriptor, header, 0, headerBytes, 0)
    if (read < headerBytes || header.toString('latin1', 0, 16) !== magic)
      throw foreign(file, magic.trimEnd(), JSON.stringify(header.toString('latin1', 0, Math.min(read, 16))))
    const version = header.readUInt32BE(60)
    const application = header.readUInt32BE(68)
    // Before the first migration commits, WAL mode alone has written a header: version 0, nobody's.
    if (application !== applicationId && !(application === 0 && version === 0))
      throw foreign(file, `application id ${applicationId}`, String(application))
    return version
  } finally {
    closeSync(descriptor)
  }
}

const foreign = (file: string, expected: string, found: string): Fault =>
  new Fault('bad-input', `${file} is not a Lathe project.`, {
    hint: 'Choose a folder that Lathe made, or open the checkpoint to start a new project.',
    data: { file, field: 'header', offset: 0, expected, found },
  })

export const refuseNewer = (file: string, version: number, known: number): void => {
  if (version <= known) return
  throw new Fault('unsupported', `${file} was written by a newer Lathe (schema ${version}; this one knows ${known}).`, {
    hint: 'Update Lathe to open this project. Nothing was changed.',
    data: { file, field: 'user_version', offset: 60, expected: `at most ${known}`, found: String(version) },
  })
}
