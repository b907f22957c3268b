// A bounded walk over the front of a GGUF file, little endian, through a window of the file: a header with a vocabulary of
// 20 MB is read once and never held. Every length is checked against its limit and against what is left of the file before
// anything is allocated or skipped.
import { isUtf8 } from 'node:buffer'
import { Fault, type FaultCode } from '../../../../src-preload/contract/fault.ts'

/** A file, or bytes in memory that stand for one. */
export interface Bytes {
  path: string
  size: number
  read(begin: number, end: number): Uint8Array
}

const windowBytes = 1 << 20

export interface Details {
  code?: FaultCode
  at?: number
  field?: string
  tensor?: string
  expected?: string
  found?: string
  hint?: string
}

const damaged = 'The file is damaged or incomplete. Download it again.'

export function ggufFault(file: string, what: string, { code, at, hint, ...details }: Details = {}): Fault {
  const where = at === undefined ? '' : ` (byte ${at})`
  const data = Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined))
  return new Fault(code ?? 'bad-input', `${file}: ${what}${where}`, {
    hint: hint ?? damaged,
    data: { file, ...data, ...(at !== undefined && { offset: at }) },
  })
}

export class Cursor {
  at = 0
  readonly file: Bytes
  private view: DataView = new DataView(new ArrayBuffer(0))
  private start = 0 // of the window in the file

  constructor(file: Bytes) {
    this.file = file
  }

  fault(what: string, details: Details = {}): Fault {
    return ggufFault(this.file.path, what, { at: this.at, ...details })
  }

  get left(): number {
    return this.file.size - this.at
  }

  /** Position in the window of `count` bytes from here. `what` is being read, for the fault when the file ends before. */
  private need(count: number, what: string): number {
    const offset = this.at - this.start
    if (offset >= 0 && offset + count <= this.view.byteLength) return offset
    if (count > this.left) {
      throw this.fault(`the file ends within ${what}`, { expected: `${count} bytes`, found: `${this.left} bytes` })
    }
    const bytes = this.file.read(this.at, Math.min(this.file.size, this.at + Math.max(count, windowBytes)))
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.start = this.at
    return 0
  }

  /** Steps over `count` bytes. */
  skip(count: number, what: string): void {
    if (count > this.left) {
      throw this.fault(`the file ends within ${what}`, { expected: `${count} bytes`, found: `${this.left} bytes` })
    }
    this.at += count
  }

  private take<T>(count: number, what: string, read: (view: DataView, at: number) => T): T {
    const value = read(this.view, this.need(count, what))
    this.at += count
    return value
  }

  u8 = (what: string): number => this.take(1, what, (_, at) => this.view.getUint8(at))
  i8 = (what: string): number => this.take(1, what, (_, at) => this.view.getInt8(at))
  u16 = (what: string): number => this.take(2, what, (_, at) => this.view.getUint16(at, true))
  i16 = (what: string): number => this.take(2, what, (_, at) => this.view.getInt16(at, true))
  u32 = (what: string): number => this.take(4, what, (_, at) => this.view.getUint32(at, true))
  i32 = (what: string): number => this.take(4, what, (_, at) => this.view.getInt32(at, true))
  f32 = (what: string): number => this.take(4, what, (_, at) => this.view.getFloat32(at, true))
  f64 = (what: string): number => this.take(8, what, (_, at) => this.view.getFloat64(at, true))
  u64 = (what: string): bigint => this.take(8, what, (_, at) => this.view.getBigUint64(at, true))
  i64 = (what: string): bigint => this.take(8, what, (_, at) => this.view.getBigInt64(at, true))

  /** A 64-bit length or count of at most `limit`. */
  length(what: string, limit: number, details: Details = {}): number {
    const at = this.at
    const offset = this.need(8, what)
    const high = this.view.getUint32(offset + 4, true)
    const value = high * 2 ** 32 + this.view.getUint32(offset, true)
    if (value > limit) {
      const exact = this.view.getBigUint64(offset, true)
      throw this.fault(`${what} is ${exact}, at most ${limit} are read`, {
        code: 'too-large',
        at,
        expected: `at most ${limit}`,
        found: String(exact),
        ...details,
      })
    }
    this.at += 8
    return value
  }

  /** A text of at most `limit` bytes: its length in 64 bits, then UTF-8. */
  text(what: string, limit: number, details: Details = {}): string {
    const count = this.textLength(what, limit, details)
    const offset = this.need(count, what)
    const bytes = Buffer.from(this.view.buffer, this.view.byteOffset + offset, count)
    if (!isUtf8(bytes)) throw this.fault(`${what} is not UTF-8`, details)
    this.at += count
    return bytes.toString('utf8')
  }

  skipText(what: string, limit: number, details: Details = {}): void {
    const count = this.textLength(what, limit, details) // moves on itself
    this.at += count
  }

  private textLength(what: string, limit: number, details: Details): number {
    const at = this.at
    const exact = this.u64(`the length of ${what}`)
    const count = Number(exact)
    if (count > this.left) {
      throw this.fault(`${what} of ${exact} bytes, the file has ${this.left} left`, {
        at,
        found: `${exact}`,
        ...details,
      })
    }
    if (count > limit) {
      throw this.fault(`${what} of ${count} bytes, at most ${limit} are read`, { code: 'too-large', at, ...details })
    }
    return count
  }
}
