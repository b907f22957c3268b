// Local headers: each must say the same as the directory, and entries must follow each other from byte 0 to the directory.
import type { ByteRange } from '../onnx/wire.ts'
import { widen, type ZipEntry, type ZipFault } from './zip.ts'

const headerBytes = 30
const all32 = 0xffff_ffff
const described = 8 // flag: sizes and checksum follow the data

const windowBytes = 4096

/** Reads a little ahead: the headers of small entries lie close together. */
function ahead(range: ByteRange): ByteRange {
  let bytes: Uint8Array = new Uint8Array(0)
  let from = 0
  return {
    path: range.path,
    size: range.size,
    close: () => undefined,
    read(begin, end) {
      if (begin < from || end > from + bytes.length) {
        bytes = range.read(begin, Math.max(end, Math.min(range.size, begin + windowBytes)))
        from = begin
      }
      return bytes.subarray(begin - from, end - from)
    },
  }
}

/** Sets where each entry's data begins. */
export function checkLocals(file: ByteRange, entries: ZipEntry[], directory: number, fault: ZipFault): void {
  const range = ahead(file)
  const ordered = [...entries].sort((a, b) => a.header - b.header)
  if ((ordered[0]?.header ?? 0) !== 0) throw fault('something lies before the first entry', 0)
  for (const [index, entry] of ordered.entries()) {
    const next = ordered[index + 1]?.header ?? directory
    const label = JSON.stringify(entry.name)
    entry.begin = checkHeader(range, entry, next, label, fault)
    const end = entry.begin + entry.compressedBytes
    if (end > next)
      throw fault(`entry ${label} of ${entry.compressedBytes} bytes overlaps what follows it at ${next}`, entry.header)
    checkRest(range, entry, end, next, label, fault)
  }
  if (ordered.length === 0 && directory !== 0) throw fault('something lies before the directory', 0)
}

/** Offset of the data. */
function checkHeader(range: ByteRange, entry: ZipEntry, next: number, label: string, fault: ZipFault): number {
  const { header } = entry
  const expected = new TextEncoder().encode(entry.name)
  if (header + headerBytes + expected.length > next)
    throw fault(`entry ${label} overlaps what follows it at ${next}`, header)
  const bytes = range.read(header, header + headerBytes + expected.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== 0x0403_4b50) throw fault(`entry ${label} has no local header`, header)
  const found = bytes.subarray(headerBytes)
  if (view.getUint16(26, true) !== expected.length || !expected.every((byte, at) => byte === found[at]))
    throw fault(`entry ${label} has another name in its local header`, header, {
      expected: entry.name,
      found: new TextDecoder().decode(found),
    })
  const extraBytes = view.getUint16(28, true)
  const begin = header + headerBytes + expected.length + extraBytes
  if (begin > next) throw fault(`entry ${label} overlaps what follows it at ${next}`, header)
  if (view.getUint16(6, true) !== entry.flags || view.getUint16(8, true) !== (entry.stored ? 0 : 8))
    throw fault(`the local header of entry ${label} disagrees with the directory`, header)
  const [crc, compressed, size] = [view.getUint32(14, true), view.getUint32(18, true), view.getUint32(22, true)]
  if (entry.flags & described && crc === 0 && compressed === 0 && size === 0) return begin
  const extra = range.read(begin - extraBytes, begin)
  const wide = size === all32 || compressed === all32
  const [bytesThere, compressedThere] = wide
    ? widen([size, compressed], new DataView(extra.buffer, extra.byteOffset, extra.byteLength), label, header, fault)
    : [size, compressed]
  if (crc !== entry.crc || compressedThere !== entry.compressedBytes || bytesThere !== entry.bytes)
    throw fault(`the local header of entry ${label} disagrees with the directory`, header)
  return begin
}

/** Between the data and what follows lies nothing, or a data descriptor: [signature] crc, sizes of 4 or 8 bytes. */
function checkRest(range: ByteRange, entry: ZipEntry, end: number, next: number, label: string, fault: ZipFault): void {
  const rest = next - end
  if (rest === 0 && !(entry.flags & described)) return
  const signed = rest === 16 || rest === 24
  const wide = rest === 20 || rest === 24
  if (!(entry.flags & described) || !(signed || wide || rest === 12))
    throw fault(`${rest} bytes of no entry follow entry ${label}`, end)
  const bytes = range.read(end, next)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = signed ? 4 : 0
  const sizes = wide
    ? [view.getBigUint64(at + 4, true), view.getBigUint64(at + 12, true)]
    : [BigInt(view.getUint32(at + 4, true)), BigInt(view.getUint32(at + 8, true))]
  const agrees =
    (!signed || view.getUint32(0, true) === 0x0807_4b50) &&
    view.getUint32(at, true) === entry.crc &&
    sizes[0] === BigInt(entry.compressedBytes) &&
    sizes[1] === BigInt(entry.bytes)
  if (!agrees) throw fault(`the data descriptor of entry ${label} disagrees with the directory`, end)
}
