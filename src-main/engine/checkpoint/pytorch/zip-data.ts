// Content of zip entries, always against their checksum.
import { crc32, inflateRawSync } from 'node:zlib'
import type { ByteRange } from '../onnx/wire.ts'
import type { ZipEntry, ZipFault } from './zip.ts'

const chunkBytes = 4 << 20
const mostRatio = 100 // deflated content of more than this times its packed size is a bomb, not a pickle
const smallBytes = 64 << 10 // below, no ratio hurts

/** A whole small entry. Inflating stops at the size the directory gives, whatever the data wants. */
export function readEntry(range: ByteRange, entry: ZipEntry, mostBytes: number, fault: ZipFault): Uint8Array {
  const label = JSON.stringify(entry.name)
  if (entry.bytes > mostBytes)
    throw fault(`entry ${label} has ${entry.bytes} bytes, at most ${mostBytes} are read`, entry.header, {
      code: 'too-large',
    })
  if (!entry.stored && entry.bytes > smallBytes && entry.bytes > mostRatio * entry.compressedBytes)
    throw fault(`entry ${label} of ${entry.compressedBytes} bytes inflates to ${entry.bytes}`, entry.header, {
      code: 'too-large',
      expected: `at most ${mostRatio} times its size`,
    })
  if (entry.compressedBytes > mostBytes)
    throw fault(`entry ${label} takes ${entry.compressedBytes} bytes for ${entry.bytes}`, entry.header)
  const packed = range.read(entry.begin, entry.begin + entry.compressedBytes)
  const bytes = entry.stored ? packed : inflate(packed, entry, fault)
  if (crc32(bytes) !== entry.crc) throw wrongChecksum(entry, fault)
  return bytes
}

function inflate(packed: Uint8Array, entry: ZipEntry, fault: ZipFault): Uint8Array {
  const label = JSON.stringify(entry.name)
  let inflated: { buffer: Uint8Array; engine: { bytesWritten: number } }
  try {
    const options = { maxOutputLength: Math.max(1, entry.bytes), info: true }
    inflated = inflateRawSync(packed, options) as unknown as typeof inflated // what `info` makes of the result
  } catch (error) {
    const large = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    throw fault(
      large ? `entry ${label} inflates to more than its ${entry.bytes} bytes` : `entry ${label} does not inflate`,
      entry.begin,
    )
  }
  const { buffer: bytes, engine } = inflated
  if (engine.bytesWritten !== packed.length) throw fault(`entry ${label} holds more than its content`, entry.begin)
  if (bytes.length !== entry.bytes)
    throw fault(`entry ${label} inflates to ${bytes.length} bytes, not ${entry.bytes}`, entry.begin)
  return bytes
}

/** Faults unless the content of a stored entry has its checksum. Reads all of it, in pieces. */
export function verifyStored(range: ByteRange, entry: ZipEntry, fault: ZipFault): void {
  let crc = 0
  const end = entry.begin + entry.bytes
  for (let at = entry.begin; at < end; at += chunkBytes)
    crc = crc32(range.read(at, Math.min(end, at + chunkBytes)), crc)
  if (crc !== entry.crc) throw wrongChecksum(entry, fault)
}

const wrongChecksum = (entry: ZipEntry, fault: ZipFault) =>
  fault(`entry ${JSON.stringify(entry.name)} does not have its checksum`, entry.begin)
