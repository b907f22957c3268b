import { Fault } from '../../../src-preload/contract/fault.ts'
import { type DataType, bitsOf } from '../graph/ir.ts'
import { deriveSource } from './derived.ts'
import { SourceFile } from './file.ts'
import type { TensorInfo, TensorSource } from './network.ts'
import { readSafetensorsHeader, safetensorsTypes } from './safetensors-header.ts'
import { sixBitTensors, type SixBitType } from './six-bit.ts'
import { refuseForeign } from './sniff.ts'

export interface SafetensorsSource extends TensorSource {
  /** `__metadata__` of all files, the first file first. */
  readonly metadata: ReadonlyMap<string, string>
  readonly bytes: number // of all files
}

/**
 * Opens one or several safetensors files as one lazy source; only headers are read.
 * Faults 'bad-input' for a malformed file and for a tensor that two files hold.
 */
export function openSafetensors(paths: readonly string[]): SafetensorsSource {
  const files: SourceFile[] = []
  const tensors = new Map<string, TensorInfo>()
  const places = new Map<string, Place>()
  const sixBit = new Map<string, SixBitType>()
  const metadata = new Map<string, string>()
  const close = () => {
    for (const file of files) file.close()
  }
  try {
    for (const path of paths) {
      const file = new SourceFile(path)
      files.push(file)
      refuseForeign(file)
      const header = readSafetensorsHeader(file)
      for (const [key, value] of header.metadata) if (!metadata.has(key)) metadata.set(key, value)
      for (const { name, dtype, shape, begin, end, sixBit: type } of header.entries) {
        const other = tensors.get(name)
        if (other) {
          throw new Fault('bad-input', `${path}: tensor ${JSON.stringify(name)} is also in ${other.file}`, {
            data: { file: path, tensor: name },
          })
        }
        tensors.set(name, { name, dtype, shape, bytes: end - begin, file: path })
        places.set(name, { file, begin, end })
        if (type !== undefined) sixBit.set(name, type)
      }
    }
  } catch (error) {
    close()
    throw error
  }
  const placeOf = (name: string): Place => {
    const place = places.get(name)
    if (place) return place
    throw new Fault('not-found', `no tensor ${JSON.stringify(name)}`, { data: { tensor: name } })
  }
  const source: SafetensorsSource = {
    tensors,
    metadata,
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    read(name, range) {
      const { file, begin, end } = placeOf(name)
      if (!range) return file.read(begin, end)
      checkRange(name, range, { file, begin, end })
      return file.read(begin + range.begin, begin + range.end)
    },
    readInto(name, from, out) {
      const place = placeOf(name)
      checkRange(name, { begin: from, end: from + out.length }, place)
      place.file.readInto(place.begin + from, out)
    },
    close,
  }
  if (sixBit.size === 0) return source
  const { bytes } = source
  return { ...deriveSource(source, sixBitTensors(source, sixBit)), metadata, bytes }
}

interface Place {
  file: SourceFile
  begin: number // in the file
  end: number
}

function checkRange(name: string, range: { begin: number; end: number }, { file, begin, end }: Place): void {
  if (range.begin >= 0 && range.begin <= range.end && range.end <= end - begin) return
  throw new Fault('internal', `tensor ${name}: bytes ${range.begin} to ${range.end} of ${end - begin}`, {
    data: { file: file.path, tensor: name },
  })
}

/** One tensor to be written; `data` are its little-endian bytes. */
export interface TensorToWrite {
  dtype: DataType
  shape: readonly number[]
  data: Uint8Array
}

const writtenNames = new Map([...safetensorsTypes].map(([name, dtype]) => [dtype, name]))

/**
 * A whole safetensors file in memory. The same tensors and metadata give the same bytes, whatever their order: wider
 * types first (so that all are aligned), then by name; metadata by key.
 * Faults 'internal' where data and shape disagree, 'unsupported' for a type the format has no name for.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorToWrite> | Record<string, TensorToWrite>,
  metadata: ReadonlyMap<string, string> | Record<string, string> = {},
): Uint8Array<ArrayBuffer> {
  const named: [string, TensorToWrite][] = tensors instanceof Map ? [...tensors] : Object.entries(tensors)
  const sorted = named.sort(([a, x], [b, y]) => bitsOf[y.dtype] - bitsOf[x.dtype] || compare(a, b))
  const pairsOf: [string, string][] = metadata instanceof Map ? [...metadata] : Object.entries(metadata)
  const notes = pairsOf.sort(([a], [b]) => compare(a, b))
  const fields: string[] = []
  if (notes.length > 0) {
    const pairs = notes.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
    fields.push(`"__metadata__":{${pairs.join(',')}}`)
  }
  let at = 0
  for (const [name, { dtype, shape, data }] of sorted) {
    const type = writtenNames.get(dtype)
    if (type === undefined) throw new Fault('unsupported', `safetensors has no type ${dtype} (tensor ${name})`)
    const bytes = shape.reduce((product, size) => product * size, bitsOf[dtype]) / 8
    if (bytes !== data.byteLength || name === '__metadata__') {
      throw new Fault('internal', `tensor ${name}: ${dtype} [${shape.join(', ')}] is not ${data.byteLength} bytes`)
    }
    fields.push(
      `${JSON.stringify(name)}:{"dtype":"${type}","shape":[${shape.join(',')}],"data_offsets":[${at},${at + bytes}]}`,
    )
    at += bytes
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`)
  const headerBytes = Math.ceil(json.length / 8) * 8
  const file = new Uint8Array(8 + headerBytes + at)
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true)
  file.fill(0x20, 8, 8 + headerBytes)
  file.set(json, 8)
  let offset = 8 + headerBytes
  for (const [, { data }] of sorted) {
    file.set(data, offset)
    offset += data.byteLength
  }
  return file
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
