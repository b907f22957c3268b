// GGUF, versions 2 and 3, little endian:
//
//   | "GGUF" | u32 version | u64 tensors | u64 metadata pairs | pairs | tensor infos | padding | tensor bytes |
//   tensor info: | u64 name bytes | name | u32 dimensions | u64 size of each, innermost first | u32 type | u64 offset |
//
// Offsets count from the first byte after the padding; each tensor begins at the next multiple of `general.alignment`
// (32 without it) after the one before. Sources: ggml's docs/gguf.md and the checks of its reader, which are made here too.
import { ggmlTypes, type GgmlType } from '../../kernels/ggml/types.ts'
import { type Bytes, Cursor, type Details } from './cursor.ts'
import type { Metadata, MetadataValue } from './metadata.ts'
import { readKey, readValue } from './values.ts'

const mostTensors = 250_000
const mostPairs = 100_000
const mostHeaderBytes = 256 << 20
const mostAlignment = 1 << 20
const longestName = 63 // ggml's
const mostDimensions = 4

const typeByNumber = new Map<number, GgmlType>(
  (Object.keys(ggmlTypes) as GgmlType[]).map((name) => [ggmlTypes[name].id, name]),
)
/** Numbers that ggml has given up (files with them must be made anew) or that are newer than this reader. */
const otherTypes = new Map([
  [4, 'Q4_2, which llama.cpp no longer reads'],
  [5, 'Q4_3, which llama.cpp no longer reads'],
  [31, 'Q4_0_4_4, which llama.cpp no longer reads'],
  [32, 'Q4_0_4_8, which llama.cpp no longer reads'],
  [33, 'Q4_0_8_8, which llama.cpp no longer reads'],
  [36, 'IQ4_NL_4_4, which llama.cpp no longer reads'],
  [37, 'IQ4_NL_4_8, which llama.cpp no longer reads'],
  [38, 'IQ4_NL_8_8, which llama.cpp no longer reads'],
  [40, 'NVFP4, which is not read yet'],
  [41, 'Q1_0, which is not read yet'],
  [42, 'Q2_0, which is not read yet'],
])

export interface GgufTensor {
  name: string
  type: GgmlType
  shape: number[] // outermost first
  begin: number // absolute in the file
  end: number
}

export interface GgufHeader {
  version: number
  metadata: Metadata
  tensors: GgufTensor[] // in file order
  alignment: number
  headerBytes: number
  trailingBytes: number // after the last tensor and its padding
}

/** Reads and checks a header. Faults 'bad-input', 'too-large' or 'unsupported' (a version or type that is not read). */
export function readGgufHeader(file: Bytes): GgufHeader {
  const cursor = new Cursor(file)
  const version = readVersion(cursor)
  // Each tensor info takes at least 24 bytes, each pair 13.
  const tensorCount = countOf(cursor, 'the number of tensors', mostTensors, 24)
  const pairCount = countOf(cursor, 'the number of metadata pairs', mostPairs, 13)
  const metadata = new Map<string, MetadataValue>()
  let alignmentAt = 0
  for (let i = 0; i < pairCount; i++) {
    const at = cursor.at
    const key = readKey(cursor, i)
    if (metadata.has(key)) {
      throw cursor.fault(`metadata key ${JSON.stringify(key.slice(0, 80))} is there twice`, { at, field: key })
    }
    if (key === 'general.alignment') alignmentAt = cursor.at
    metadata.set(key, readValue(cursor, key))
    if (cursor.at > mostHeaderBytes) {
      throw cursor.fault(`more than ${mostHeaderBytes} bytes of metadata`, { code: 'too-large', at })
    }
  }
  const alignment = alignmentOf(cursor, metadata, alignmentAt)
  const infos = Array.from({ length: tensorCount }, (_, i) => readInfo(cursor, i))
  const headerBytes = cursor.at
  const start = Math.ceil(headerBytes / alignment) * alignment
  const { tensors, end } = place(cursor, infos, start, alignment)
  const trailingBytes = tensorCount === 0 ? file.size - headerBytes : Math.max(0, file.size - end)
  return { version, metadata, tensors, alignment, headerBytes, trailingBytes }
}

function readVersion(cursor: Cursor): number {
  const { size } = cursor.file
  if (size < 24) {
    throw cursor.fault(`${size} bytes are too few for a GGUF header`, { at: 0, expected: 'at least 24 bytes' })
  }
  const magic = Buffer.from(cursor.file.read(0, 4)).toString('latin1')
  const refuse = (what: string, found: string, at: number, hint: string) =>
    cursor.fault(what, { code: 'unsupported', at, field: 'version', found, expected: 'version 2 or 3', hint })
  const bigEndian = 'Convert it with gguf_convert_endian.py of llama.cpp on the machine it was made for.'
  if (magic === 'FUGG') throw refuse('a GGUF file in reversed byte order (magic FUGG)', magic, 0, bigEndian)
  if (magic !== 'GGUF') throw cursor.fault('the magic number is not GGUF', { at: 0, expected: 'GGUF' })
  cursor.at = 4
  const version = cursor.u32('the version')
  const found = String(version)
  const newer = 'Convert the original checkpoint with a current llama.cpp.'
  if (version === 2 || version === 3) return version
  if (version !== 0 && (version & 0xffff) === 0) {
    throw refuse(`a big-endian GGUF file (version 0x${version.toString(16).padStart(8, '0')})`, found, 4, bigEndian)
  }
  if (version === 1) throw refuse('GGUF version 1, which llama.cpp no longer reads', found, 4, newer)
  if (version === 0) throw cursor.fault('GGUF version 0 does not exist', { at: 4, field: 'version', found })
  throw refuse(`GGUF version ${version} is newer than the versions 2 and 3 that are read`, found, 4, newer)
}

function countOf(cursor: Cursor, what: string, limit: number, smallest: number): number {
  const at = cursor.at
  const count = cursor.length(what, limit, { field: what })
  if (count * smallest > cursor.left) {
    throw cursor.fault(`${what} is ${count}, which a file of ${cursor.file.size} bytes cannot hold`, {
      at,
      field: what,
      found: String(count),
    })
  }
  return count
}

function alignmentOf(cursor: Cursor, metadata: Metadata, at: number): number {
  const field = 'general.alignment'
  const value = metadata.get(field)
  if (!value) return 32
  const wrong = (found: string) =>
    cursor.fault(`${field} is ${found}`, {
      at,
      field,
      found,
      expected: `a power of two up to ${mostAlignment}, as uint32`,
    })
  if (value.type !== 'uint32') throw wrong(`of type ${value.type}`)
  const alignment = value.value
  if (alignment === 0 || alignment > mostAlignment || (alignment & (alignment - 1)) !== 0) throw wrong(`${alignment}`)
  return alignment
}

interface Info {
  name: string
  type: GgmlType
  shape: number[]
  bytes: number
  offset: bigint
  at: number // of the offset field
}

const labelOf = (name: string) => `tensor ${JSON.stringify(name.slice(0, 80))}`

function readInfo(cursor: Cursor, index: number): Info {
  const start = cursor.at
  const name = cursor.text(`the name of tensor ${index}`, longestName)
  if (name === '' || name.includes('\0')) {
    throw cursor.fault(`the name of tensor ${index} is empty or holds a NUL`, { at: start })
  }
  const label = labelOf(name)
  const rankAt = cursor.at
  const rank = cursor.u32(`the dimensions of ${label}`)
  const wrong = (what: string, details: Details = {}) => cursor.fault(`${label}: ${what}`, { tensor: name, ...details })
  if (rank > mostDimensions) {
    throw wrong(`${rank} dimensions, at most ${mostDimensions} exist`, { at: rankAt, field: 'dimensions' })
  }
  const shape: number[] = []
  for (let i = 0; i < rank; i++) {
    const at = cursor.at
    const size = cursor.u64(`the dimensions of ${label}`)
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) {
      const found = size >= 1n << 63n ? `${BigInt.asIntN(64, size)} (${size})` : `${size}`
      throw wrong(`dimension ${i} is ${found}`, { at, field: 'dimensions', found })
    }
    shape.unshift(Number(size))
  }
  const typeAt = cursor.at
  const number = cursor.u32(`the type of ${label}`)
  const type = typeByNumber.get(number)
  if (type === undefined) {
    const other = otherTypes.get(number)
    const found = other ?? `unknown (${number | 0})`
    throw wrong(`its type is ${found}`, { ...(other && { code: 'unsupported' }), at: typeAt, field: 'type', found })
  }
  const at = cursor.at
  const offset = cursor.u64(`the offset of ${label}`)
  return { name, type, shape, bytes: sizeOf(type, shape, cursor, wrong, rankAt), offset, at }
}

/** Exact: what does not fit the file is refused before any product could round. */
function sizeOf(
  type: GgmlType,
  shape: number[],
  cursor: Cursor,
  wrong: (what: string, details: Details) => Error,
  at: number,
): number {
  const { blockSize, blockBytes } = ggmlTypes[type]
  const row = shape.at(-1) ?? 1
  const said = `${type} [${shape.join(', ')}]`
  if (row % blockSize !== 0) {
    throw wrong(`rows of ${row} are not whole blocks of ${blockSize} (${said})`, {
      at,
      field: 'dimensions',
      expected: `a multiple of ${blockSize}`,
      found: `${row}`,
    })
  }
  const bytes = shape.reduce((product, size) => product * BigInt(size), BigInt(blockBytes)) / BigInt(blockSize)
  if (bytes > BigInt(cursor.file.size)) {
    throw wrong(`${said} takes ${bytes} bytes, the whole file has ${cursor.file.size}`, { at, field: 'dimensions' })
  }
  return Number(bytes)
}

/** Tensors lie one behind another, each at the next multiple of the alignment. */
function place(
  cursor: Cursor,
  infos: Info[],
  start: number,
  alignment: number,
): { tensors: GgufTensor[]; end: number } {
  const names = new Set<string>()
  let next = 0 // offset
  const tensors = infos.map(({ name, type, shape, bytes, offset, at }) => {
    const wrong = (what: string) =>
      cursor.fault(`${labelOf(name)}${what}`, { at, tensor: name, field: 'offset', found: `${offset}` })
    if (names.has(name)) throw wrong(' is there twice')
    names.add(name)
    if (offset !== BigInt(next)) {
      const how =
        offset % BigInt(alignment) !== 0n
          ? `is not a multiple of ${alignment}`
          : offset < BigInt(next)
            ? 'overlaps the tensor before it'
            : 'leaves a hole'
      throw wrong(`: offset ${offset} ${how}, expected ${next}`)
    }
    const begin = start + next
    const end = begin + bytes
    if (end > cursor.file.size) {
      throw wrong(` ends at byte ${end}, the file at ${cursor.file.size}: it is truncated`)
    }
    next += Math.ceil(bytes / alignment) * alignment
    return { name, type, shape, begin, end }
  })
  return { tensors, end: start + next }
}
