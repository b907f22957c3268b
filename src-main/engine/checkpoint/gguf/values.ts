// Reads metadata values. Texts of lists are not made until somebody asks: opening walks over a vocabulary of 250,000 texts
// in a few milliseconds and keeps two numbers.
//
//   | u64 key bytes | key | u32 type | value |
//   text: | u64 bytes | UTF-8 |      list: | u32 type of items | u64 count | items |
//
// Source: ggml's docs/gguf.md. Lists of lists are part of that document, but no reader or writer has them.
import { type Bytes, Cursor, type Details } from './cursor.ts'
import {
  type MetadataArray,
  type MetadataType,
  type MetadataValue,
  metadataTypes,
  type NumberType,
} from './metadata.ts'

const mostKeyBytes = 65_535 // of the format
const mostTextBytes = 16 << 20
const mostTexts = 5_000_000 // of one list
const mostNumbers = 1 << 26

const widths: Record<NumberType | 'bool', number> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  uint64: 8,
  int64: 8,
  float64: 8,
}

const number = (cursor: Cursor, type: NumberType, what: string): number => {
  switch (type) {
    case 'uint8':
      return cursor.u8(what)
    case 'int8':
      return cursor.i8(what)
    case 'uint16':
      return cursor.u16(what)
    case 'int16':
      return cursor.i16(what)
    case 'uint32':
      return cursor.u32(what)
    case 'int32':
      return cursor.i32(what)
    case 'float32':
      return cursor.f32(what)
    case 'float64':
      return cursor.f64(what)
    case 'uint64':
      return Number(cursor.u64(what))
    case 'int64':
      return Number(cursor.i64(what))
  }
}

function bool(cursor: Cursor, what: string, details: Details): boolean {
  const at = cursor.at
  const value = cursor.u8(what)
  if (value > 1) throw cursor.fault(`${what} is ${value}, expected 0 or 1`, { at, found: `${value}`, ...details })
  return value === 1
}

export function readKey(cursor: Cursor, index: number): string {
  const at = cursor.at
  const key = cursor.text(`metadata key ${index}`, mostKeyBytes)
  if (key === '') throw cursor.fault(`metadata key ${index} is empty`, { at })
  if (key.includes('\0')) throw cursor.fault(`metadata key ${JSON.stringify(key.slice(0, 80))} holds a NUL`, { at })
  return key
}

/** One value; the cursor stands behind it. */
export function readValue(cursor: Cursor, key: string): MetadataValue {
  const label = `metadata ${JSON.stringify(key.slice(0, 80))}`
  const details = { field: key.slice(0, 200) }
  const type = typeAt(cursor, label, details)
  if (type === 'array') return readArray(cursor, label, details)
  if (type === 'string') return { type, value: cursor.text(label, mostTextBytes, details) }
  if (type === 'bool') return { type, value: bool(cursor, label, details) }
  return { type, value: number(cursor, type, label) }
}

function typeAt(cursor: Cursor, label: string, details: Details): MetadataType {
  const at = cursor.at
  const index = cursor.u32(`the type of ${label}`)
  const type = metadataTypes[index]
  if (type) return type
  throw cursor.fault(`${label} is of type ${index | 0}; types are 0 to ${metadataTypes.length - 1}`, {
    at,
    found: `${index | 0}`,
    ...details,
  })
}

function readArray(cursor: Cursor, label: string, details: Details): MetadataArray {
  const of = typeAt(cursor, label, details)
  if (of === 'array') throw cursor.fault(`${label} is a list of lists, which no GGUF reader takes`, details)
  const length = cursor.length(`the length of ${label}`, of === 'string' ? mostTexts : mostNumbers, details)
  const begin = cursor.at
  if (of === 'string') {
    // Each text takes at least the eight bytes of its length.
    if (length * 8 > cursor.left) {
      throw cursor.fault(`${label} lists ${length} texts, the file has ${cursor.left} bytes left`, details)
    }
    const one = `a text of ${label}`
    for (let i = 0; i < length; i++) cursor.skipText(one, mostTextBytes, details)
  } else cursor.skip(length * widths[of], label)
  const end = cursor.at
  /** The items, read from the file again. */
  const items = <T>(item: (from: Cursor) => T): T[] => {
    const from = new Cursor(upTo(cursor.file, end))
    from.at = begin
    const list = new Array<T>(length)
    for (let i = 0; i < length; i++) list[i] = item(from)
    return list
  }
  const text = `a text of ${label}`
  if (of === 'string')
    return { type: 'array', of, length, values: () => items((from) => from.text(text, mostTextBytes, details)) }
  if (of === 'bool') return { type: 'array', of, length, values: () => items((from) => bool(from, label, details)) }
  return { type: 'array', of, length, values: () => items((from) => number(from, of, label)) }
}

/** The file as if it ended there, so that a window does not reach into the weights. */
const upTo = (file: Bytes, end: number): Bytes => ({
  path: file.path,
  size: end,
  read: (from, to) => file.read(from, to),
})
