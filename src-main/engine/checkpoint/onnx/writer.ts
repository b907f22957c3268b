// Protobuf writing. A message is a list of parts: encoded bytes, and weights that are asked for only when the parts are
// emitted. So the length of a model is known before any weight is read, and writing needs memory for one weight.
import type { Initializer } from '../../graph/ir.ts'

export type Part = Uint8Array | { weight: Initializer; bytes: number }

const firstChunk = 256
const largestChunk = 1 << 20

export const varintBytes = (value: number): number => {
  let count = 1
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) count++
  return count
}

export class Writer {
  readonly parts: Part[] = []
  length = 0
  private chunk = new Uint8Array(firstChunk)
  private used = 0

  /** Field of type 2 with these bytes. */
  bytes(field: number, value: Uint8Array): void {
    this.tag(field, 2)
    this.varint(value.length)
    this.raw(value)
  }

  text(field: number, value: string): void {
    this.bytes(field, Buffer.from(value, 'utf8'))
  }

  /** Field of type 0. Negative numbers take ten bytes. */
  integer(field: number, value: number | bigint): void {
    this.tag(field, 0)
    if (typeof value === 'number' && value >= 0) return this.varint(value)
    let rest = BigInt.asUintN(64, BigInt(value))
    for (; rest > 0x7fn; rest >>= 7n) this.byte(Number(rest & 0x7fn) | 0x80)
    this.byte(Number(rest))
  }

  /** Field of type 5. */
  float(field: number, value: number): void {
    this.tag(field, 5)
    const four = new Uint8Array(4)
    new DataView(four.buffer).setFloat32(0, value, true)
    this.raw(four)
  }

  /** Field of type 2 that holds what `fill` writes. */
  message(field: number, fill: (inner: Writer) => void): void {
    const inner = new Writer()
    fill(inner)
    this.tag(field, 2)
    this.varint(inner.length)
    for (const part of inner.finish()) this.part(part)
  }

  /** Field of type 2 whose value is the weight's bytes. */
  weight(field: number, weight: Initializer, bytes: number): void {
    this.tag(field, 2)
    this.varint(bytes)
    this.part({ weight, bytes })
  }

  /** Bytes that are whole fields already. */
  raw(value: Uint8Array): void {
    if (value.length > largestChunk) return this.part(value)
    this.reserve(value.length)
    this.chunk.set(value, this.used)
    this.used += value.length
    this.length += value.length
  }

  /** All parts, in order. */
  finish(): Part[] {
    this.flush()
    return this.parts
  }

  private part(part: Part): void {
    if (part instanceof Uint8Array && part.length <= largestChunk) return this.raw(part)
    this.flush()
    this.parts.push(part)
    this.length += part instanceof Uint8Array ? part.length : part.bytes
  }

  private tag(field: number, type: number): void {
    this.varint(field * 8 + type)
  }

  private varint(value: number): void {
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.byte((rest % 128) | 0x80)
    this.byte(rest)
  }

  private byte(value: number): void {
    this.reserve(1)
    this.chunk[this.used++] = value
    this.length++
  }

  private reserve(bytes: number): void {
    if (this.used + bytes <= this.chunk.length) return
    if (this.used > 0 && this.used + bytes > largestChunk) this.flush()
    if (this.used + bytes <= this.chunk.length) return
    const larger = new Uint8Array(Math.max(this.used + bytes, Math.min(largestChunk, this.chunk.length * 2)))
    larger.set(this.chunk.subarray(0, this.used))
    this.chunk = larger
  }

  private flush(): void {
    if (this.used === 0) return
    this.parts.push(this.chunk.slice(0, this.used))
    this.used = 0
  }
}
