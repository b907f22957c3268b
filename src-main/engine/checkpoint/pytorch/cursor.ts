// Bytes of a pickle one after another, through a small window. Every length is compared with what is left before
// anything is allocated for it.
import { Fault, type FaultCode } from '../../../../src-preload/contract/fault.ts'
import type { ByteRange } from '../onnx/wire.ts'

const windowBytes = 64 * 1024
const damaged = 'The file is damaged or was cut off. Copy or download it again.'

export interface Trouble {
  code?: FaultCode
  hint?: string
  expected?: string
  found?: string
  at?: number
}

export class Cursor {
  position: number
  readonly path: string
  private readonly range: ByteRange
  private readonly end: number
  private readonly place: string
  private readonly base: number
  private window: Uint8Array = new Uint8Array(0)
  private windowBegin = 0
  private readonly scratch = new DataView(new ArrayBuffer(8))

  /** Bytes [begin, end) of `range`. `place` names the pickle in messages ('archive/data.pkl'); `base` is what its byte 0
   *  is in the file. */
  constructor(range: ByteRange, { begin = 0, end = range.size, place = 'pickle', base = 0 } = {}) {
    this.range = range
    this.path = range.path
    this.position = begin
    this.end = end
    this.place = place
    this.base = base
  }

  get left(): number {
    return this.end - this.position
  }

  fault(
    what: string,
    { at = this.position, code = 'bad-input', hint = damaged, expected, found }: Trouble = {},
  ): Fault {
    const offset = this.base + at
    return new Fault(code, `${this.path}: ${this.place}, byte ${offset}: ${what}`, {
      hint,
      data: {
        file: this.path,
        field: this.place,
        offset,
        ...(expected === undefined ? {} : { expected }),
        ...(found === undefined ? {} : { found: found.slice(0, 200) }),
      },
    })
  }

  /** Faults where fewer bytes are left. */
  need(length: number): void {
    if (length <= this.left) return
    throw this.fault(this.left === 0 ? 'ends too early' : `${length} bytes are wanted where ${this.left} are left`)
  }

  byte(): number {
    const at = this.position - this.windowBegin
    // No view for every byte: programs are mostly single bytes.
    if (at >= 0 && at < this.window.length && this.position < this.end) {
      this.position++
      return this.window[at] ?? 0
    }
    return this.view(1)[0] ?? 0
  }

  /** The next bytes, in an array of their own. */
  take(length: number): Uint8Array {
    return this.view(length).slice()
  }

  /** UTF-8 text, or null where it is not. A lone surrogate, which Python can write, counts as not. */
  text(length: number): string | null {
    try {
      return utf8.decode(this.view(length))
    } catch {
      return null
    }
  }

  unsigned(width: 1 | 2 | 4): number {
    const bytes = this.view(width)
    let value = 0
    for (let at = width - 1; at >= 0; at--) value = value * 256 + (bytes[at] ?? 0)
    return value
  }

  signed32(): number {
    return this.unsigned(4) | 0
  }

  /** A length of eight bytes. */
  length64(): number {
    const at = this.position
    const low = this.unsigned(4)
    const value = this.unsigned(4) * 0x1_0000_0000 + low
    if (value > this.left) throw this.fault(`a length of ${value} where ${this.left} bytes are left`, { at })
    return value
  }

  /** A double, big endian as pickle has it. */
  double(): number {
    const bytes = this.view(8)
    for (let at = 0; at < 8; at++) this.scratch.setUint8(at, bytes[at] ?? 0)
    return this.scratch.getFloat64(0)
  }

  /** Latin-1 text up to a line feed, which is passed over. */
  line(most: number): string {
    const begin = this.position
    let text = ''
    for (let byte = this.byte(); byte !== 0x0a; byte = this.byte()) {
      if (this.position - begin > most) throw this.fault(`a line of more than ${most} characters`, { at: begin })
      text += String.fromCharCode(byte)
    }
    return text
  }

  private view(length: number): Uint8Array {
    this.need(length)
    const begin = this.position
    this.position += length
    if (begin < this.windowBegin || this.position > this.windowBegin + this.window.length) {
      this.window = this.range.read(begin, Math.min(this.end, Math.max(this.position, begin + windowBytes)))
      this.windowBegin = begin
    }
    return this.window.subarray(begin - this.windowBegin, this.position - this.windowBegin)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
