// TensorProto: headers only. What the tensor holds is remembered as a place in a file and read when somebody asks.
import { bitsOf, type DataType, dataTypes } from '../../graph/ir.ts'
import { entryMessage, limits, tensorMessage } from './schema.ts'
import { type ByteRange, Wire } from './wire.ts'

/** Where the bytes of a tensor are. */
export type Place =
  | { kind: 'range'; begin: number; end: number } // of the model file, already little-endian elements
  | { kind: 'typed'; field: number; begin: number; end: number; path: string } // the TensorProto, to be decoded
  | { kind: 'external'; location: string; offset: number; field: string }
  | { kind: 'memory'; bytes: Uint8Array } // read already; for strings the string_data fields

export interface TensorRecord {
  name: string
  dtype: DataType
  shape: number[]
  elements: number
  bytes: number // of the elements; for strings the size of their fields
  place: Place
}

/** Bytes that `shape` elements of `dtype` take in raw_data; null where that is no exact number. */
export function storedBytes(dtype: DataType, shape: readonly number[]): { elements: number; bytes: number } | null {
  let elements = 1
  for (const dim of shape) elements *= dim
  if (shape.includes(0)) elements = 0
  const bytes = Math.ceil((elements * bitsOf[dtype]) / 8)
  return Number.isSafeInteger(elements) && Number.isSafeInteger(bytes) ? { elements, bytes } : null
}

// Which typed field holds which elements, and the bytes one entry becomes.
const typedField: Partial<Record<DataType, number>> = {
  float32: 4,
  complex64: 4,
  string: 6,
  int64: 7,
  float64: 10,
  complex128: 10,
  uint32: 11,
  uint64: 11,
}
const fieldOf = (dtype: DataType) => typedField[dtype] ?? 5
const entryBytes = (dtype: DataType, field: number) => {
  if (field === 4) return 4
  return field === 10 ? 8 : Math.max(1, bitsOf[dtype] / 8)
}

/** Reads the TensorProto that `wire` is visiting. */
export function readTensor(wire: Wire): TensorRecord {
  const begin = wire.begin
  const end = wire.stop
  const shape: number[] = []
  let name = ''
  let type = 0
  let raw: { begin: number; end: number } | null = null
  let packed: { begin: number; end: number } | null = null
  let pieces = 0
  let typed = 0
  let typedBytes = 0
  let isExternal = false
  const external = new Map<string, string>()
  const strings: Uint8Array[] = []

  wire.message(tensorMessage, (field) => {
    switch (field) {
      case 1:
        return wire.varints(() => {
          const dim = wire.lastInteger()
          if (dim < 0)
            throw wire.fault(`the dimension ${dim}`, { expected: 'no negative dimension', found: String(dim) })
          if (shape.length >= limits.rank)
            throw wire.fault(`more than ${limits.rank} dimensions`, { code: 'too-large' })
          shape.push(dim)
        })
      case 2:
        type = wire.integer()
        if (!(type > 0 && type < dataTypes.length)) {
          throw wire.fault(`the data type ${type}`, { expected: `1 to ${dataTypes.length - 1}`, found: String(type) })
        }
        return
      case 3:
        throw wire.fault('a tensor in segments', { code: 'unsupported' })
      case 8:
        name = wire.text()
        return
      case 9:
        if (raw) throw wire.fault('raw_data twice')
        if (wire.type !== 2) throw wire.fault(`wire type ${wire.type} where 2 belongs`)
        raw = { begin: wire.begin, end: wire.stop }
        return
      case 13: {
        const [key, value] = readEntry(wire)
        if (external.has(key)) throw wire.fault(`the key "${key}" twice`)
        external.set(key, value)
        return
      }
      case 14: {
        const location = wire.integer()
        if (location !== 0 && location !== 1) throw wire.fault(`the data location ${location}`, { expected: '0 or 1' })
        isExternal = location === 1
        return
      }
      case 4:
      case 5:
      case 6:
      case 7:
      case 10:
      case 11:
        if (typed !== 0 && typed !== field) throw wire.fault('two kinds of typed data in one tensor')
        typed = field
        pieces++
        typedBytes += wire.stop - wire.begin
        packed = wire.type === 2 ? { begin: wire.begin, end: wire.stop } : null
        if (field === 6) strings.push(stringField(wire))
    }
  })

  const dtype = dataTypes[type]
  const details = { tensor: name, at: begin }
  if (dtype === undefined || type === 0) throw wire.fault(`tensor "${name}" has no data type`, details)
  const size = storedBytes(dtype, shape)
  if (!size) {
    throw wire.fault(`tensor "${name}": the product of [${shape.join(', ')}] is beyond 2^53`, {
      ...details,
      code: 'too-large',
    })
  }
  const record = { name, dtype, shape, ...size }
  const need = `${size.bytes} bytes for ${dtype} [${shape.join(', ')}]`
  const short = (found: number, what: string) =>
    wire.fault(`tensor "${name}": ${what} holds ${found} bytes where ${size.bytes} belong`, {
      ...details,
      expected: need,
      found: `${found} bytes`,
    })

  if (Number(isExternal) + Number(raw !== null) + Number(typed !== 0) > 1) {
    throw wire.fault(`tensor "${name}" has its data twice`, details)
  }
  if (isExternal) {
    if (dtype === 'string') throw wire.fault(`tensor "${name}": text cannot be external`, details)
    return { ...record, place: readExternal(wire, external, size.bytes, name) }
  }
  if (dtype === 'string') {
    if (raw) throw wire.fault(`tensor "${name}": text cannot be raw_data`, details)
    if (typed === 6 ? strings.length !== size.elements : size.elements > 0) throw short(strings.length, 'string_data')
    const bytes = Buffer.concat(strings)
    return { ...record, bytes: bytes.length, place: { kind: 'memory', bytes } }
  }
  const rawRange = raw as { begin: number; end: number } | null // assigned in a closure
  if (rawRange) {
    if (rawRange.end - rawRange.begin !== size.bytes) throw short(rawRange.end - rawRange.begin, 'raw_data')
    return { ...record, place: { kind: 'range', ...rawRange } }
  }
  if (typed === 0) {
    if (size.bytes > 0) throw short(0, 'it')
    return { ...record, place: { kind: 'range', begin, end: begin } }
  }
  if (typed !== fieldOf(dtype)) {
    throw wire.fault(`tensor "${name}": ${tensorMessage[typed]?.slice(0, -2)} cannot hold ${dtype}`, details)
  }
  const range = packed as { begin: number; end: number } | null
  if (pieces === 1 && range && (typed === 4 || typed === 10)) {
    if (range.end - range.begin !== size.bytes)
      throw short(range.end - range.begin, tensorMessage[typed]?.slice(0, -2) ?? '')
    return { ...record, place: { kind: 'range', ...range } }
  }
  // A varint takes at least a byte: fewer bytes than entries can be refused without reading them.
  if (typedBytes < size.bytes / entryBytes(dtype, typed)) throw short(typedBytes, 'its typed data')
  return { ...record, place: { kind: 'typed', field: typed, begin, end, path: wire.where() } }
}

/** Key and value of the StringStringEntryProto that `wire` is visiting. */
export function readEntry(wire: Wire): [string, string] {
  let key = ''
  let value = ''
  wire.message(entryMessage, (field) => {
    if (field === 1) key = wire.text()
    else if (field === 2) value = wire.text()
  })
  return [key, value]
}

/** Elements of a typed field as raw little-endian bytes. */
export function decodeTyped(range: ByteRange, record: TensorRecord, place: Place & { kind: 'typed' }): Uint8Array {
  const out = new Uint8Array(record.bytes)
  const view = new DataView(out.buffer)
  const width = entryBytes(record.dtype, place.field)
  let at = 0
  const wire = new Wire(range, place.begin, place.path)
  const wrong = () =>
    wire.fault(`tensor "${record.name}": more or fewer elements than its shape has`, {
      tensor: record.name,
      expected: `${record.bytes / width} elements for [${record.shape.join(', ')}]`,
    })
  const room = () => {
    if (at + width > out.length) throw wrong()
  }
  const takeInteger = () => {
    room()
    if (width === 8) view.setBigInt64(at, wire.lastBig(), true)
    else if (width === 4) view.setUint32(at, wire.lastLow(), true)
    else if (width === 2) view.setUint16(at, wire.lastLow() & 0xffff, true)
    else view.setUint8(at, wire.lastLow() & 0xff)
    at += width
  }
  wire.walk(place.end, tensorMessage, (field) => {
    if (field !== place.field) return
    if (field !== 4 && field !== 10) return wire.varints(takeInteger)
    const bytes = wire.slice(wire.begin, wire.stop)
    const unit = field === 4 ? 4 : 8
    if (wire.type === 0 || bytes.length % unit !== 0) throw wire.fault(`wire type ${wire.type} in floating-point data`)
    if (at + bytes.length > out.length) throw wrong()
    out.set(bytes, at)
    at += bytes.length
  })
  if (at !== out.length) throw wrong()
  return out
}

function stringField(wire: Wire): Uint8Array {
  const text = wire.bytes()
  const head: number[] = [(6 << 3) | 2]
  for (let n = text.length; ; n >>>= 7) {
    head.push(n > 0x7f ? (n & 0x7f) | 0x80 : n)
    if (n <= 0x7f) break
  }
  return Buffer.concat([Uint8Array.from(head), text])
}

function readExternal(wire: Wire, entries: Map<string, string>, bytes: number, tensor: string): Place {
  const location = entries.get('location')
  if (location === undefined) throw wire.fault(`tensor "${tensor}": external data without a location`, { tensor })
  const count = (key: string, fallback: number) => {
    const text = entries.get(key)
    if (text === undefined) return fallback
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (Number.isSafeInteger(value)) return value
    throw wire.fault(`tensor "${tensor}": external ${key} ${JSON.stringify(text.slice(0, 40))}`, {
      tensor,
      expected: 'a whole number of bytes, from 0 to 2^53',
    })
  }
  const length = count('length', bytes)
  if (length !== bytes) {
    throw wire.fault(`tensor "${tensor}": external length ${length} where ${bytes} bytes belong`, {
      tensor,
      expected: `${bytes} bytes`,
      found: `${length} bytes`,
    })
  }
  return { kind: 'external', location, offset: count('offset', 0), field: `${wire.where()}.external_data` }
}
