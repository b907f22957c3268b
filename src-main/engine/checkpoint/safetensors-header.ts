// safetensors: the header, and what makes a file well-formed.
//
//   | 8 bytes u64 LE: N | N bytes JSON header, blanks at the end | tensor bytes |
//
//   { "__metadata__": { text: text }, name: { "dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end] }, ... }
//
// Offsets count from the first byte after the header; tensors tile that area without gap, overlap or rest.
// Source: huggingface.co/docs/safetensors, "Format".
import { Fault } from '../../../src-preload/contract/fault.ts'
import { type DataType, bitsOf } from '../graph/ir.ts'
import { type Json, type JsonMap, describeJson, parseJsonObject } from './json.ts'
import { type SixBitType, sixBitTypes } from './six-bit.ts'
import type { ByteRange } from './onnx/wire.ts'

/** Names of the format, and the graph's name for the same type. */
export const safetensorsTypes: ReadonlyMap<string, DataType> = new Map([
  ['BOOL', 'bool'],
  ['U8', 'uint8'],
  ['I8', 'int8'],
  ['U16', 'uint16'],
  ['I16', 'int16'],
  ['U32', 'uint32'],
  ['I32', 'int32'],
  ['U64', 'uint64'],
  ['I64', 'int64'],
  ['F4', 'float4e2m1'],
  ['F8_E4M3', 'float8e4m3fn'],
  ['F8_E5M2', 'float8e5m2'],
  ['F8_E8M0', 'float8e8m0'],
  ['F8_E4M3FNUZ', 'float8e4m3fnuz'],
  ['F8_E5M2FNUZ', 'float8e5m2fnuz'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['F32', 'float32'],
  ['F64', 'float64'],
  ['C64', 'complex64'],
])

const headerLimit = 100_000_000 // the reference implementation's
const maxTensors = 250_000
const maxRank = 64

export interface SafetensorsEntry {
  name: string
  dtype: DataType
  shape: number[]
  begin: number // absolute in the file
  end: number
  sixBit?: SixBitType // the file's type where the graph has none: dtype is then float32
}

export interface SafetensorsHeader {
  entries: SafetensorsEntry[] // in file order
  metadata: ReadonlyMap<string, string>
  headerBytes: number // with the eight bytes of its length
}

/** Reads and checks a header. Faults 'bad-input', 'too-large' or 'unsupported' (an unknown dtype). */
export function readSafetensorsHeader(file: Omit<ByteRange, 'close'>): SafetensorsHeader {
  const bad = (what: string, more: Record<string, Json> = {}) =>
    new Fault('bad-input', `${file.path}: ${what}`, {
      hint: 'The file is damaged or incomplete. Download it again.',
      data: { file: file.path, ...(more as Record<string, string | number>) },
    })
  if (file.size < 8) {
    throw bad(`${file.size} bytes are too few for a safetensors header`, { offset: 0, expected: 'at least 8 bytes' })
  }
  const length = Buffer.from(file.read(0, 8)).readBigUInt64LE()
  if (length > BigInt(headerLimit)) {
    throw new Fault('too-large', `${file.path}: header of ${length} bytes, at most ${headerLimit} are allowed`, {
      hint: 'This is not a safetensors file, or it is damaged.',
      data: { file: file.path, offset: 0, expected: `at most ${headerLimit}`, found: String(length) },
    })
  }
  const headerBytes = 8 + Number(length)
  if (headerBytes > file.size) {
    throw bad(`header of ${length} bytes in a file of ${file.size}`, { offset: 0, found: String(length) })
  }
  let metadata: ReadonlyMap<string, string> = new Map()
  const entries: SafetensorsEntry[] = []
  const each = (name: string, value: Json) => {
    if (name === '__metadata__') metadata = readMetadata(value, bad)
    else entries.push(readEntry(name, value, headerBytes, file.path, bad))
  }
  parseJsonObject(file.read(8, headerBytes), file.path, { ...headerJson, each }, 8)
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
  checkTiling(entries, headerBytes, file.size, bad)
  return { entries, metadata, headerBytes }
}

type Bad = (what: string, more?: Record<string, Json>) => Fault
const headerJson = { maxDepth: 4, maxItems: maxRank, maxEntries: maxTensors, integersOnly: true }

function readMetadata(value: Json, bad: Bad): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>()
  if (!(value instanceof Map)) throw bad(`__metadata__ is ${describeJson(value)}`, { field: '__metadata__' })
  for (const [key, text] of value) {
    if (typeof text !== 'string') {
      throw bad(`__metadata__ ${JSON.stringify(key.slice(0, 60))} is ${describeJson(text)}, not text`, {
        field: '__metadata__',
      })
    }
    metadata.set(key, text)
  }
  return metadata
}

function readEntry(name: string, value: Json, base: number, path: string, bad: Bad): SafetensorsEntry {
  const label = JSON.stringify(name.slice(0, 200))
  const wrong = (field: string, what: string) => bad(`tensor ${label}: ${field} ${what}`, { tensor: name, field })
  if (!(value instanceof Map)) throw wrong('entry', `is ${describeJson(value)}, not an object`)
  for (const key of value.keys()) {
    if (key !== 'dtype' && key !== 'shape' && key !== 'data_offsets') {
      throw wrong('entry', `has an unknown key ${JSON.stringify(key.slice(0, 60))}`)
    }
  }
  const typeName = value.get('dtype')
  if (typeof typeName !== 'string') throw wrong('dtype', `is ${describeJson(typeName)}`)
  const sixBit = sixBitTypes.find((type) => type === typeName)
  const dtype = sixBit ? 'float32' : safetensorsTypes.get(typeName)
  if (dtype === undefined) {
    throw new Fault(
      'unsupported',
      `${path}: tensor ${label}: dtype ${JSON.stringify(typeName.slice(0, 40))} is unknown`,
      {
        hint: `Known are ${[...safetensorsTypes.keys(), ...sixBitTypes].join(', ')}.`,
        data: { file: path, tensor: name, field: 'dtype', found: typeName.slice(0, 40) },
      },
    )
  }
  const shape = integers(value, 'shape', wrong)
  const offsets = integers(value, 'data_offsets', wrong)
  const [begin, end] = offsets
  if (begin === undefined || end === undefined || offsets.length !== 2) {
    throw wrong('data_offsets', `holds ${offsets.length} numbers, not 2`)
  }
  if (end < begin) throw wrong('data_offsets', `end ${end} lies before begin ${begin}`)
  const bytes = byteSize(shape, sixBit ? 6 : bitsOf[dtype], (what) =>
    wrong('shape', `[${shape.join(', ')}] of ${typeName} ${what}`),
  )
  if (bytes !== end - begin) {
    throw wrong('data_offsets', `span ${end - begin} bytes, but ${typeName} [${shape.join(', ')}] takes ${bytes}`)
  }
  return { name, dtype, shape, begin: base + begin, end: base + end, ...(sixBit && { sixBit }) }
}

/** Exact, by big integers only where doubles would round. */
function byteSize(shape: number[], elementBits: number, wrong: (what: string) => Fault): number {
  let bits = shape.reduce((product, size) => product * size, elementBits)
  if (bits > Number.MAX_SAFE_INTEGER) {
    const exact = shape.reduce((product, size) => product * BigInt(size), BigInt(elementBits))
    if (exact >= 1n << 64n) throw wrong('overflows 64 bits')
    if (exact % 8n !== 0n) throw wrong('does not fill whole bytes')
    bits = Number(exact)
  }
  if (bits % 8 !== 0) throw wrong('does not fill whole bytes')
  return bits / 8
}

function integers(entry: JsonMap, field: string, wrong: (field: string, what: string) => Fault): number[] {
  const value = entry.get(field)
  if (!Array.isArray(value)) throw wrong(field, `is ${describeJson(value)}, not an array`)
  return value.map((item) => {
    if (typeof item !== 'number') throw wrong(field, `holds ${describeJson(item)}, not an integer literal`)
    if (item < 0) throw wrong(field, `holds the negative number ${item}`)
    return item
  })
}

function checkTiling(entries: SafetensorsEntry[], base: number, size: number, bad: Bad): void {
  let at = base
  for (const entry of entries) {
    if (entry.begin !== at) {
      const how = entry.begin < at ? 'overlaps the tensor before it' : `leaves a hole of ${entry.begin - at} bytes`
      throw bad(`tensor ${JSON.stringify(entry.name.slice(0, 200))}: ${how} at byte ${Math.min(at, entry.begin)}`, {
        tensor: entry.name,
        field: 'data_offsets',
        offset: entry.begin,
      })
    }
    at = entry.end
  }
  if (at > size) throw bad(`tensors end at byte ${at}, the file at ${size}: it is truncated`, { offset: size })
  if (at < size) throw bad(`${size - at} bytes follow the last tensor`, { offset: at })
}
