// The directory of a zip archive, believed only as far as the rest of the file agrees. What torch.save writes tiles the
// file: entries, directory, end records, without gap, overlap, prefix or comment. Anything else is refused, so that no two
// programs can see different content in the same file.
//   APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16 (end records), 4.5.3 (zip64)
import { Fault, type FaultCode } from '../../../../src-preload/contract/fault.ts'
import type { ByteRange } from '../onnx/wire.ts'
import { checkLocals } from './zip-local.ts'

export interface ZipEntry {
  name: string
  stored: boolean // or deflated
  flags: number
  crc: number
  compressedBytes: number
  bytes: number
  header: number // offset of the local header
  begin: number // offset of the data
}

export interface ZipTrouble {
  code?: FaultCode
  expected?: string
  found?: string
  hint?: string
}
/** A fault about the archive: what, at which byte. */
export type ZipFault = (what: string, offset: number, trouble?: ZipTrouble) => Fault

const endBytes = 22
const locatorBytes = 20
const end64Bytes = 56
const directoryHeaderBytes = 46
const mostEntries = 65_535
const mostDirectoryBytes = 32 << 20
const all16 = 0xffff
const all32 = 0xffff_ffff

export const zipFault =
  (path: string): ZipFault =>
  (what, offset, { code = 'bad-input', expected, found, hint } = {}) =>
    new Fault(code, `${path}: zip archive, byte ${offset}: ${what}`, {
      hint: hint ?? 'The file is damaged, was cut off or was not written by torch.save. Download it again.',
      data: {
        file: path,
        field: 'zip archive',
        offset,
        ...(expected === undefined ? {} : { expected }),
        ...(found === undefined ? {} : { found: found.slice(0, 200) }),
      },
    })

/** Entries by name, every one checked against its local header. Reads no data. */
export function readZip(range: ByteRange): ReadonlyMap<string, ZipEntry> {
  const fault = zipFault(range.path)
  const directory = locateDirectory(range, fault)
  const entries = readDirectory(range, directory, fault)
  checkLocals(range, entries, directory.begin, fault)
  return new Map(entries.map((entry) => [entry.name, entry]))
}

interface Directory {
  begin: number
  end: number
  count: number
}

function viewOf(range: ByteRange, begin: number, length: number): DataView {
  const bytes = range.read(begin, begin + length)
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function locateDirectory(range: ByteRange, fault: ZipFault): Directory {
  const at = range.size - endBytes
  if (at < 0) throw fault(`${range.size} bytes are too few for a zip archive`, 0)
  const end = viewOf(range, at, endBytes)
  if (end.getUint32(0, true) !== 0x0605_4b50)
    throw fault('the end record is not the last thing in the file: it was cut off, or something follows', at)
  if (end.getUint16(20, true) !== 0) throw fault('the archive has a comment', at)
  const disk = end.getUint16(4, true)
  let [count, size, begin] = [end.getUint16(10, true), end.getUint32(12, true), end.getUint32(16, true)]
  if (disk !== 0 || end.getUint16(6, true) !== 0 || end.getUint16(8, true) !== count)
    throw fault('the archive has several parts', at)
  let directoryEnd = at
  const locatorAt = at - locatorBytes
  if (locatorAt >= 0 && viewOf(range, locatorAt, 4).getUint32(0, true) === 0x0706_4b50) {
    const wide = readEnd64(range, locatorAt, fault)
    if (
      (count !== all16 && count !== wide.count) ||
      (size !== all32 && size !== wide.size) ||
      (begin !== all32 && begin !== wide.begin)
    )
      throw fault('the two end records disagree', at)
    ;({ count, size, begin } = wide)
    directoryEnd = wide.at
  }
  if (count > mostEntries) throw fault(`${count} entries, at most ${mostEntries} are read`, at, { code: 'too-large' })
  if (begin + size !== directoryEnd)
    throw fault(`the directory is said to end at byte ${begin + size}, the end records begin at ${directoryEnd}`, at, {
      expected: String(directoryEnd),
      found: String(begin + size),
    })
  if (size > mostDirectoryBytes)
    throw fault(`a directory of ${size} bytes, at most ${mostDirectoryBytes} are read`, begin, { code: 'too-large' })
  return { begin, end: directoryEnd, count }
}

function readEnd64(range: ByteRange, locatorAt: number, fault: ZipFault) {
  const at = locatorAt - end64Bytes
  const locator = viewOf(range, locatorAt, locatorBytes)
  const claimed = locator.getBigUint64(8, true)
  if (at < 0 || claimed !== BigInt(at) || locator.getUint32(4, true) !== 0 || locator.getUint32(16, true) !== 1)
    throw fault('the zip64 locator does not point at the record before it', locatorAt, { found: String(claimed) })
  const end = viewOf(range, at, end64Bytes)
  if (end.getUint32(0, true) !== 0x0606_4b50 || end.getBigUint64(4, true) !== BigInt(end64Bytes - 12))
    throw fault('the zip64 end record is damaged', at)
  const count = end.getBigUint64(32, true)
  const parts = end.getUint32(16, true) !== 0 || end.getUint32(20, true) !== 0 || end.getBigUint64(24, true) !== count
  if (parts) throw fault('the archive has several parts', at)
  return {
    at,
    count: exact(count, at, fault),
    size: exact(end.getBigUint64(40, true), at, fault),
    begin: exact(end.getBigUint64(48, true), at, fault),
  }
}

/** Numbers of 64 bits that no file can mean are refused before they are rounded. */
export function exact(value: bigint, at: number, fault: ZipFault): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw fault(`the number ${value}`, at, { expected: 'at most 2^53' })
  return Number(value)
}

function readDirectory(range: ByteRange, { begin, end, count }: Directory, fault: ZipFault): ZipEntry[] {
  const bytes = range.read(begin, end)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: ZipEntry[] = []
  const names = new Set<string>()
  let at = 0
  for (let index = 0; index < count; index++) {
    const left = bytes.length - at
    if (left < directoryHeaderBytes || view.getUint32(at, true) !== 0x0201_4b50)
      throw fault(`entry ${index} of the directory is damaged`, begin + at)
    const lengths = [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true)]
    const [nameBytes = 0, extraBytes = 0, commentBytes = 0] = lengths
    const length = directoryHeaderBytes + nameBytes + extraBytes + commentBytes
    if (length > left) throw fault(`entry ${index} of the directory runs past its end`, begin + at)
    const nameAt = at + directoryHeaderBytes
    const name = readName(bytes.subarray(nameAt, nameAt + nameBytes), begin + nameAt, fault)
    if (names.has(name)) throw fault(`two entries are called ${JSON.stringify(name)}`, begin + at)
    names.add(name)
    const extra = new DataView(bytes.buffer, bytes.byteOffset + nameAt + nameBytes, extraBytes)
    entries.push(readEntry(view, at, name, extra, begin, fault))
    at += length
  }
  if (at !== bytes.length) throw fault('the directory holds more than its entries', begin + at)
  return entries
}

function readEntry(
  view: DataView,
  at: number,
  name: string,
  extra: DataView,
  begin: number,
  fault: ZipFault,
): ZipEntry {
  const where = begin + at
  const label = JSON.stringify(name)
  const flags = view.getUint16(at + 8, true)
  const method = view.getUint16(at + 10, true)
  if (flags & 0x2061) throw fault(`entry ${label} is encrypted or patched`, where, { code: 'unsupported' })
  if (method !== 0 && method !== 8)
    throw fault(`entry ${label} is packed by method ${method}`, where, { code: 'unsupported', expected: '0 or 8' })
  if (((view.getUint32(at + 38, true) >>> 28) & 0xf) === 0xa) throw fault(`entry ${label} is a link`, where)
  const part = view.getUint16(at + 34, true)
  const narrow = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)]
  const [bytes = 0, compressedBytes = 0, header = 0] = widen(narrow, extra, label, where, fault)
  if (part !== 0) throw fault(`entry ${label} lies in another part of the archive`, where)
  if (method === 0 && bytes !== compressedBytes)
    throw fault(`entry ${label} is stored, but ${bytes} bytes take ${compressedBytes}`, where)
  if (header > begin || compressedBytes > begin)
    throw fault(`entry ${label} of ${compressedBytes} bytes at ${header} lies beyond the directory`, where)
  return {
    name,
    stored: method === 0,
    flags,
    crc: view.getUint32(at + 16, true),
    compressedBytes,
    bytes,
    header,
    begin: 0,
  }
}

/** Numbers of all ones stand in the zip64 field instead, in this order. */
export function widen(
  narrow: readonly number[],
  extra: DataView,
  label: string,
  where: number,
  fault: ZipFault,
): number[] {
  const field = extraField(extra, 1)
  let at = 0
  return narrow.map((number) => {
    if (number !== all32) return number
    if (!field || at + 8 > field.byteLength) throw fault(`entry ${label} leaves out a zip64 number`, where)
    at += 8
    return exact(field.getBigUint64(at - 8, true), where, fault)
  })
}

/** Extra fields: u16 id, u16 length, content. */
function extraField(extra: DataView, id: number): DataView | null {
  for (let at = 0; at + 4 <= extra.byteLength;) {
    const length = extra.getUint16(at + 2, true)
    if (at + 4 + length > extra.byteLength) return null
    if (extra.getUint16(at, true) === id) return new DataView(extra.buffer, extra.byteOffset + at + 4, length)
    at += 4 + length
  }
  return null
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Names are never used as paths; one that would be a hostile path is refused all the same. */
function readName(bytes: Uint8Array, at: number, fault: ZipFault): string {
  let name: string
  try {
    name = utf8.decode(bytes)
  } catch {
    throw fault('the name of an entry is not UTF-8', at)
  }
  const parts = name.replace(/\/$/, '').split('/')

  const hostile =
    /[\u0000-\u001f\u007f\\]|^[A-Za-z]:/.test(name) ||
    parts.some((part) => part === '' || part === '..' || part === '.')
  if (hostile)
    throw fault(`the entry name ${JSON.stringify(name.slice(0, 200))}`, at, {
      expected: 'a plain relative path',
      found: name,
    })
  return name
}
