// The head of a GGUF file, version 3. Numbers are little-endian, texts a u64 length and UTF-8.     ggml, docs/gguf.md
//
//   | 0 'GGUF' | 4 u32 version | 8 u64 tensors | 16 u64 pairs | pairs | tensor list | 0 .. 31 zeros | tensor data
//   pair:    text key | u32 value type | value              list value: u32 element type | u64 length | elements
//   tensor:  text name | u32 dimensions | u64 each, innermost first | u32 type | u64 offset from the start of the data
//
// Every tensor's data begins at a multiple of 32 and is padded to one, the last one too.
import { Buffer } from 'node:buffer'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import {
  type Metadata,
  type MetadataType,
  metadataTypes,
  type MetadataValue,
  type NumberType,
} from '../../checkpoint/gguf/metadata.ts'
import { type GgmlType, ggmlTypes } from '../../kernels/ggml/types.ts'

export const ALIGNMENT = 32
const VERSION = 3
const LONGEST_NAME = 63 // bytes; ggml keeps names in 64 with a final zero

export const padded = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT

/** One line of the tensor list. */
export interface TensorEntry {
  name: string
  shape: readonly number[] // outermost first
  type: GgmlType
  offset: number
}

/** Everything before the tensor data. Its length does not depend on types and offsets. */
export function encodeHead(metadata: Metadata, tensors: readonly TensorEntry[]): Uint8Array<ArrayBuffer> {
  const out = new Writer()
  out.bytes(Buffer.from('GGUF'))
  out.number('uint32', VERSION)
  out.number('uint64', tensors.length)
  out.number('uint64', metadata.size)
  for (const [key, value] of metadata) {
    out.text(key)
    out.number('uint32', metadataTypes.indexOf(value.type))
    out.value(value)
  }
  for (const { name, shape, type, offset } of tensors) {
    if (Buffer.byteLength(name) > LONGEST_NAME)
      throw new Fault('unsupported', `The tensor name ${name} is longer than the ${LONGEST_NAME} bytes GGUF takes.`)
    out.text(name)
    out.number('uint32', shape.length)
    for (const size of shape.toReversed()) out.number('uint64', size)
    out.number('uint32', ggmlTypes[type].id)
    out.number('uint64', offset)
  }
  return out.finish()
}

const WIDTHS: Readonly<Record<Exclude<MetadataType, 'string' | 'array'>, number>> = {
  uint8: 1,
  int8: 1,
  bool: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  uint64: 8,
  int64: 8,
  float64: 8,
}

/** Bytes that grow. */
class Writer {
  #bytes = Buffer.alloc(1 << 16)
  #length = 0

  bytes(chunk: Uint8Array): void {
    this.#reserve(chunk.length)
    this.#bytes.set(chunk, this.#length)
    this.#length += chunk.length
  }

  text(text: string): void {
    const length = Buffer.byteLength(text)
    this.number('uint64', length)
    this.#reserve(length)
    this.#length += this.#bytes.write(text, this.#length, 'utf8')
  }

  number(type: NumberType, value: number): void {
    this.#reserve(8)
    const [bytes, at] = [this.#bytes, this.#length]
    if (type === 'float32') bytes.writeFloatLE(value, at)
    else if (type === 'float64') bytes.writeDoubleLE(value, at)
    else if (type === 'uint64') bytes.writeBigUInt64LE(BigInt(value), at)
    else if (type === 'int64') bytes.writeBigInt64LE(BigInt(value), at)
    else if (type.startsWith('u')) bytes.writeUIntLE(value, at, WIDTHS[type])
    else bytes.writeIntLE(value, at, WIDTHS[type])
    this.#length += WIDTHS[type]
  }

  value(value: MetadataValue): void {
    if (value.type === 'string') return this.text(value.value)
    if (value.type === 'bool') return this.number('uint8', Number(value.value))
    if (value.type !== 'array') return this.number(value.type, value.value)
    this.number('uint32', metadataTypes.indexOf(value.of))
    this.number('uint64', value.length)
    if (value.of === 'string') for (const text of value.values()) this.text(text)
    else if (value.of === 'bool') for (const flag of value.values()) this.number('uint8', Number(flag))
    else for (const number of value.values()) this.number(value.of, number)
  }

  finish(): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(padded(this.#length))
    whole.set(this.#bytes.subarray(0, this.#length))
    return whole
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#length + more))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}
