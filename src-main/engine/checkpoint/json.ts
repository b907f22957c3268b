// Strict, bounded JSON for files that strangers made. JSON.parse silently keeps the last of two equal keys, rounds
// integers above 2^53, puts `__proto__` on objects and takes seconds over deep nesting; here each of these is a Fault with
// a byte offset. Objects become Maps. Grammar: RFC 8259.
import { Fault } from '../../../src-preload/contract/fault.ts'

export type Json = null | boolean | number | string | Json[] | JsonMap
export type JsonMap = Map<string, Json>

export interface JsonLimits {
  maxDepth: number
  maxItems: number // of one array
  maxEntries: number // of one object
  maxStringBytes: number
  /** Numbers must be plain integer literals that a double holds exactly: no sign on zero, fraction or exponent. */
  integersOnly: boolean
  /** Takes each entry of the outermost object as soon as it is read, so that a long list need not be held as JSON; the
   *  returned Map then has null for every value. */
  each: ((key: string, value: Json) => void) | null
}

export const defaultLimits: JsonLimits = {
  maxDepth: 64,
  maxItems: 1_000_000,
  maxEntries: 1_000_000,
  maxStringBytes: 1 << 24,
  integersOnly: false,
  each: null,
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const space = (byte: number | undefined) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
const escapes = new Map([
  [0x22, '"'],
  [0x5c, '\\'],
  [0x2f, '/'],
  [0x62, '\b'],
  [0x66, '\f'],
  [0x6e, '\n'],
  [0x72, '\r'],
  [0x74, '\t'],
])

/**
 * Parses one JSON document. `file` and `base` (offset of bytes[0] in the file) serve the message only.
 * Faults 'bad-input' on anything that is not exactly one well-formed document within the limits.
 */
export function parseJson(bytes: Uint8Array, file: string, limits: Partial<JsonLimits> = {}, base = 0): Json {
  return new Parser(bytes, file, { ...defaultLimits, ...limits }, base).document()
}

/** As parseJson, but the document must be an object. */
export function parseJsonObject(bytes: Uint8Array, file: string, limits: Partial<JsonLimits> = {}, base = 0): JsonMap {
  const value = parseJson(bytes, file, limits, base)
  if (value instanceof Map) return value
  throw new Fault('bad-input', `${file}: the JSON document is not an object`, {
    data: { file, offset: base, expected: 'an object', found: describeJson(value) },
  })
}

/** A value in a few words, for messages. */
export const describeJson = (value: Json | undefined): string => {
  if (value === undefined) return 'nothing'
  if (value instanceof Map) return 'an object'
  if (Array.isArray(value)) return `an array of ${value.length}`
  return value === null ? 'null' : `${typeof value} ${JSON.stringify(value).slice(0, 60)}`
}

class Parser {
  private readonly bytes: Uint8Array
  private readonly text: Buffer // the same bytes
  private readonly file: string
  private readonly limits: JsonLimits
  private readonly base: number
  private at = 0

  constructor(bytes: Uint8Array, file: string, limits: JsonLimits, base: number) {
    this.bytes = bytes
    this.text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.file = file
    this.limits = limits
    this.base = base
  }

  document(): Json {
    const value = this.value(0)
    this.skip()
    if (this.at < this.bytes.length) throw this.fault('something follows the JSON document')
    return value
  }

  private fault(what: string, at = this.at): Fault {
    const offset = this.base + at
    return new Fault('bad-input', `${this.file}: JSON, byte ${offset}: ${what}`, {
      hint: 'The file is damaged or was not written as JSON. Download it again.',
      data: { file: this.file, offset },
    })
  }

  private skip() {
    while (space(this.bytes[this.at])) this.at++
  }

  private value(depth: number): Json {
    this.skip()
    const byte = this.bytes[this.at]
    switch (byte) {
      case undefined:
        throw this.fault('ends too early')
      case 0x7b:
        return this.object(this.deeper(depth))
      case 0x5b:
        return this.array(this.deeper(depth))
      case 0x22:
        return this.string()
      case 0x74:
        return this.word('true', true)
      case 0x66:
        return this.word('false', false)
      case 0x6e:
        return this.word('null', null)
      default:
        return this.number()
    }
  }

  private deeper(depth: number): number {
    if (depth + 1 > this.limits.maxDepth) throw this.fault(`nested deeper than ${this.limits.maxDepth} levels`)
    this.at++
    return depth + 1
  }

  private word<T>(text: string, value: T): T {
    if (this.text.toString('latin1', this.at, this.at + text.length) !== text) throw this.fault(`expected ${text}`)
    this.at += text.length
    return value
  }

  /** Consumes the separator after an element; true when the container ends. */
  private ends(close: number): boolean {
    this.skip()
    const byte = this.bytes[this.at]
    if (byte !== close && byte !== 0x2c) {
      throw this.fault(byte === undefined ? 'ends too early' : `expected "," or "${String.fromCharCode(close)}"`)
    }
    this.at++
    return byte === close
  }

  private object(depth: number): JsonMap {
    const map: JsonMap = new Map()
    this.skip()
    if (this.bytes[this.at] === 0x7d) {
      this.at++
      return map
    }
    do {
      this.skip()
      const start = this.at
      if (this.bytes[start] !== 0x22) throw this.fault('expected a key in double quotes')
      const key = this.string()
      if (map.has(key)) throw this.fault(`duplicate key ${JSON.stringify(key.slice(0, 100))}`, start)
      if (map.size >= this.limits.maxEntries) throw this.fault(`object with more than ${this.limits.maxEntries} keys`)
      this.skip()
      if (this.bytes[this.at] !== 0x3a) throw this.fault('expected ":"')
      this.at++
      const value = this.value(depth)
      const { each } = this.limits
      if (each && depth === 1) each(key, value)
      map.set(key, each && depth === 1 ? null : value)
    } while (!this.ends(0x7d))
    return map
  }

  private array(depth: number): Json[] {
    const items: Json[] = []
    this.skip()
    if (this.bytes[this.at] === 0x5d) {
      this.at++
      return items
    }
    do {
      if (items.length >= this.limits.maxItems) throw this.fault(`array with more than ${this.limits.maxItems} items`)
      items.push(this.value(depth))
    } while (!this.ends(0x5d))
    return items
  }

  private number(): number {
    const start = this.at
    let end = start
    for (let byte = this.bytes[end]; byte !== undefined && isNumberByte(byte); byte = this.bytes[++end]) {
      if (end - start > 400) throw this.fault('a number of more than 400 characters', start)
    }
    const literal = this.text.toString('latin1', start, end)
    if (!/^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(literal)) {
      const byte = this.bytes[start] ?? 0
      const found = byte > 0x20 && byte < 0x7f ? `"${String.fromCharCode(byte)}"` : `byte 0x${byte.toString(16)}`
      throw this.fault(literal === '' ? `unexpected ${found}` : `"${literal.slice(0, 40)}" is not a number`, start)
    }
    const value = Number(literal)
    if (this.limits.integersOnly && (!/^-?[0-9]+$/.test(literal) || Object.is(value, -0))) {
      throw this.fault(`"${literal.slice(0, 40)}" is not an integer literal`, start)
    }
    if (this.limits.integersOnly && !Number.isSafeInteger(value)) {
      throw this.fault(`"${literal.slice(0, 40)}" is beyond 2^53 and would be rounded`, start)
    }
    if (!Number.isFinite(value)) throw this.fault(`"${literal.slice(0, 40)}" is too large for a double`, start)
    this.at = end
    return value
  }

  private string(): string {
    const start = ++this.at
    let plain = true // ASCII without escapes
    let end = start
    for (;;) {
      const byte = this.bytes[end]
      if (byte === undefined) throw this.fault('a string has no end', start - 1)
      if (byte === 0x22) break
      if (byte < 0x20) throw this.fault(`control character 0x${byte.toString(16)} in a string`, end)
      if (byte === 0x5c) {
        plain = false
        end++
      } else if (byte > 0x7e) plain = false
      if (++end - start > this.limits.maxStringBytes) {
        throw this.fault(`a string of more than ${this.limits.maxStringBytes} bytes`, start - 1)
      }
    }
    this.at = end + 1
    return plain ? this.text.toString('latin1', start, end) : this.decode(start, end)
  }

  private decode(start: number, end: number): string {
    let text = ''
    let from = start
    for (let at = start; at <= end; at++) {
      if (at < end && this.bytes[at] !== 0x5c) continue
      try {
        text += utf8.decode(this.bytes.subarray(from, at))
      } catch {
        throw this.fault('a string is not UTF-8', from)
      }
      if (at === end) break
      const code = this.bytes[at + 1] ?? 0
      const escaped = escapes.get(code)
      if (escaped !== undefined) {
        text += escaped
        at++
      } else {
        const hex = code === 0x75 ? this.text.toString('latin1', at + 2, Math.min(at + 6, end)) : ''
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.fault('unknown escape in a string', at)
        text += String.fromCharCode(Number.parseInt(hex, 16))
        at += 5
      }
      from = at + 1
    }
    if (!text.isWellFormed()) throw this.fault('a string holds half of a surrogate pair', start)
    return text
  }
}

// Letters too, so that "NaN" or "1x" is named as a whole.
const isNumberByte = (byte: number) =>
  (byte >= 0x30 && byte <= 0x39) ||
  byte === 0x2b ||
  byte === 0x2d ||
  byte === 0x2e ||
  (byte >= 0x41 && byte <= 0x5a) ||
  (byte >= 0x61 && byte <= 0x7a)
