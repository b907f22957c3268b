// Bounded reading of the protobuf wire format by ranges: the file is never held, only a small window of it.
//   message = { tag value }   tag = varint(field << 3 | type)   type 0 varint, 1 eight bytes, 2 length + bytes, 5 four bytes
// Refused: groups (3, 4), types 6 and 7, field 0, varints of more than 10 bytes or 64 bits, lengths beyond the message
// that holds them, nesting deeper than limits.depth. Every refusal names file, field and offset.
import { Fault, type FaultCode } from '../../../../src-preload/contract/fault.ts'
import { limits, type Message } from './schema.ts'

/** Bytes that can be read by ranges; a SourceFile is one. */
export interface ByteRange {
  readonly path: string
  readonly size: number
  read(begin: number, end: number): Uint8Array
  close(): void
}

/** Bytes already in memory, read like a file. `path` is only for messages. */
export const bytesRange = (bytes: Uint8Array, path: string): ByteRange => ({
  path,
  size: bytes.length,
  read: (begin, end) => new Uint8Array(bytes.subarray(begin, end)), // a Buffer's own slice would not copy
  close: () => undefined,
})

export interface Details {
  code?: FaultCode
  expected?: string
  found?: string
  hint?: string
  tensor?: string
  at?: number
}

interface Step {
  message: Message
  field: number
  index: number
}

const windowBytes = 32 * 1024
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const truncated = 'The file is damaged or was cut off. Copy or download it again.'

export class Wire {
  readonly range: ByteRange
  position: number
  /** Of the field being visited: number, wire type, and for type 2 the range of its value. */
  field = 0
  type = 0
  begin = 0
  stop = 0
  private low = 0 // last varint, lower and upper 32 bits
  private high = 0
  private window: Uint8Array = new Uint8Array(0)
  private windowBegin = 0
  private readonly scratch = new DataView(new ArrayBuffer(8))
  private readonly trail: Step[] = []
  private readonly prefix: string

  /** `prefix`: path of the message that reading begins in, for faults. */
  constructor(range: ByteRange, position = 0, prefix = '') {
    this.range = range
    this.position = position
    this.prefix = prefix
  }

  /** Reads every field up to `end`. `visit` takes what it knows; the rest is skipped. */
  walk(end: number, message: Message, visit: (field: number) => void): void {
    if (this.trail.length >= limits.depth) throw this.fault(`nested deeper than ${limits.depth} messages`)
    const step: Step = { message, field: 0, index: 0 }
    this.trail.push(step)
    while (this.position < end) {
      const at = this.position
      this.varint(end)
      const field = this.low >>> 3
      if (this.high !== 0) throw this.fault('a field number above 2^29', { at, hint: truncated })
      if (field === 0) throw this.fault('field number 0', { at, hint: truncated })
      step.index = field === step.field ? step.index + 1 : 0
      step.field = field
      this.field = field
      this.type = this.low & 7
      const stop = this.skim(at, end)
      this.stop = stop
      visit(field)
      this.position = stop
    }
    this.trail.pop()
  }

  /** Walks the value of the field being visited as a message. */
  message(message: Message, visit: (field: number) => void): void {
    this.expect(2)
    const { begin, stop } = this
    this.position = begin
    this.walk(stop, message, visit)
  }

  /** Bytes of the field being visited, copied. */
  bytes(): Uint8Array {
    this.expect(2)
    return this.slice(this.begin, this.stop)
  }

  /** UTF-8 text of the field being visited. */
  text(): string {
    this.expect(2)
    const { begin, stop } = this
    if (stop - begin > limits.nameBytes) {
      throw this.fault(`a name of ${stop - begin} bytes`, {
        code: 'too-large',
        expected: `at most ${limits.nameBytes}`,
      })
    }
    const bytes = this.view(begin, stop)
    let ascii = true
    for (let i = 0; i < bytes.length && ascii; i++) ascii = (bytes[i] ?? 0) < 0x80
    if (ascii) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
    try {
      return decoder.decode(bytes)
    } catch {
      throw this.fault('text that is not UTF-8', { at: begin })
    }
  }

  /** Signed 64-bit integer of the field being visited. */
  big(): bigint {
    this.expect(0)
    return this.lastBig()
  }

  /** Integer of the field being visited; faults beyond +-2^53. */
  integer(): number {
    this.expect(0)
    return this.lastInteger()
  }

  /** float32 of the field being visited. */
  float(): number {
    this.expect(5)
    return this.floatAt(this.begin)
  }

  floatAt(at: number): number {
    const bytes = this.view(at, at + 4)
    for (let i = 0; i < 4; i++) this.scratch.setUint8(i, bytes[i] ?? 0)
    return this.scratch.getFloat32(0, true)
  }

  /** Each value of a repeated varint field, packed or not. `take` reads it by lastInteger or lastBig. */
  varints(take: () => void): void {
    if (this.type === 0) return take()
    this.expect(2)
    const { begin, stop } = this
    this.position = begin
    while (this.position < stop) {
      this.varint(stop)
      take()
    }
  }

  lastBig(): bigint {
    return BigInt.asIntN(64, (BigInt(this.high) << 32n) | BigInt(this.low))
  }

  lastInteger(): number {
    const value = (this.high | 0) * 0x1_0000_0000 + this.low
    if (!Number.isSafeInteger(value)) throw this.fault(`the integer ${value}`, { expected: 'within 2^53' })
    return value
  }

  /** Low 32 bits of the last varint, for element data. */
  lastLow(): number {
    return this.low
  }

  slice(begin: number, end: number): Uint8Array {
    return end - begin <= windowBytes ? this.view(begin, end).slice() : this.range.read(begin, end)
  }

  /** Path of the field being visited: 'graph.node[3].op_type'. */
  where(): string {
    const names = this.trail
      .filter((step) => step.field !== 0)
      .map((step) => {
        const name = step.message[step.field] ?? `#${step.field}`
        return name.endsWith('[]') ? `${name.slice(0, -2)}[${step.index}]` : name
      })
    return [this.prefix, ...names].filter((name) => name !== '').join('.')
  }

  fault(what: string, details: Details = {}): Fault {
    const at = details.at ?? this.position
    const field = this.where()
    return new Fault(details.code ?? 'bad-input', `${this.range.path}: ${what} (${field || 'model'}, offset ${at})`, {
      hint: details.hint,
      data: {
        file: this.range.path,
        field: field || 'model',
        offset: at,
        ...(details.expected === undefined ? {} : { expected: details.expected }),
        ...(details.found === undefined ? {} : { found: details.found }),
        ...(details.tensor === undefined ? {} : { tensor: details.tensor }),
      },
    })
  }

  /** Where the value of the field ends; sets `begin`. A varint is read on the way. */
  private skim(at: number, end: number): number {
    this.begin = this.position
    switch (this.type) {
      case 0:
        this.varint(end)
        return this.position
      case 1:
      case 5: {
        const stop = this.position + (this.type === 1 ? 8 : 4)
        if (stop > end) throw this.fault(`a fixed value runs past the end of its message`, { at, hint: truncated })
        return stop
      }
      case 2: {
        this.varint(end)
        const length = this.high * 0x1_0000_0000 + this.low
        if (length > end - this.position) {
          const left = end - this.position
          throw this.fault(`a length of ${length} bytes where ${left} are left`, {
            at,
            expected: `at most ${left}`,
            found: String(length),
            hint: truncated,
          })
        }
        this.begin = this.position
        return this.position + length
      }
      default:
        throw this.fault(`wire type ${this.type}, which ONNX does not use`, { at, hint: truncated })
    }
  }

  private expect(type: number): void {
    if (this.type === type) return
    throw this.fault(`wire type ${this.type} where ${type} belongs`, { at: this.begin, hint: truncated })
  }

  private varint(end: number): void {
    const at = this.position
    let low = 0
    let high = 0
    for (let i = 0; ; i++) {
      if (this.position >= end) throw this.fault('a number runs past the end of its message', { at, hint: truncated })
      if (i === 10) throw this.fault('a number of more than 10 bytes', { at, hint: truncated })
      const byte = this.byteAt(this.position++)
      const bits = byte & 0x7f
      if (i < 4) low |= bits << (7 * i)
      else if (i === 4) {
        low |= bits << 28
        high |= bits >>> 4
      } else if (i < 9) high |= bits << (7 * i - 32)
      else {
        if (bits > 1) throw this.fault('a number of more than 64 bits', { at, hint: truncated })
        high |= bits << 31
      }
      if (byte < 0x80) break
    }
    this.low = low >>> 0
    this.high = high >>> 0
  }

  private byteAt(at: number): number {
    const known = this.window[at - this.windowBegin]
    return known ?? this.view(at, at + 1)[0] ?? 0
  }

  /** Bytes as a view that lives until the next read. */
  private view(begin: number, end: number): Uint8Array {
    if (begin < this.windowBegin || end > this.windowBegin + this.window.length) {
      const stop = Math.max(end, Math.min(this.range.size, begin + windowBytes))
      this.window = this.range.read(begin, stop)
      this.windowBegin = begin
    }
    return this.window.subarray(begin - this.windowBegin, end - this.windowBegin)
  }
}
