// A plain writer of GGUF files for tests, independent of the exporter: the bytes in order, nothing checked, so that it also
// writes what must be refused.

export type Value =
  | { type: number; bytes: Uint8Array } // as given
  | { text: string }
  | { u8: number }
  | { u16: number }
  | { u32: number }
  | { i32: number }
  | { f32: number }
  | { bool: number | boolean }
  | { texts: readonly string[] }
  | { i32s: readonly number[] }
  | { f32s: readonly number[] }
  | { bools: readonly boolean[] }
  | { u8s: readonly number[] }

export interface WrittenTensor {
  name: string | Uint8Array
  type: number
  dims: readonly (number | bigint)[] // innermost first
  data?: Uint8Array
  offset?: number | bigint // default: where the data lies
}

export interface GgufParts {
  magic?: string
  version?: number
  tensorCount?: number | bigint
  pairCount?: number | bigint
  pairs?: readonly (readonly [key: string | Uint8Array, value: Value])[]
  tensors?: readonly WrittenTensor[]
  alignment?: number // of the layout; the key is the caller's
  tail?: Uint8Array
}

const utf8 = new TextEncoder()
const make = (size: number, write: (view: DataView) => void): Uint8Array => {
  const bytes = new Uint8Array(size)
  write(new DataView(bytes.buffer))
  return bytes
}
export const u32 = (value: number) => make(4, (view) => view.setUint32(0, value, true))
export const u64 = (value: number | bigint) =>
  make(8, (view) => view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true))
const f32 = (value: number) => make(4, (view) => view.setFloat32(0, value, true))
export const join = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts)
export const text = (value: string | Uint8Array): Uint8Array => {
  const bytes = typeof value === 'string' ? utf8.encode(value) : value
  return join(u64(bytes.length), bytes)
}
export const list = (type: number, items: readonly Uint8Array[], count: number | bigint = items.length): Value => ({
  type: 9,
  bytes: Buffer.concat([u32(type), u64(count), ...items]),
})

function encode(value: Value): Uint8Array {
  const typed = (type: number, bytes: Uint8Array) => join(u32(type), bytes)
  if ('bytes' in value) return typed(value.type, value.bytes)
  if ('text' in value) return typed(8, text(value.text))
  if ('u8' in value) return typed(0, Uint8Array.of(value.u8))
  if ('u16' in value) return typed(2, u32(value.u16).subarray(0, 2))
  if ('u32' in value) return typed(4, u32(value.u32))
  if ('i32' in value) return typed(5, u32(value.i32 >>> 0))
  if ('f32' in value) return typed(6, f32(value.f32))
  if ('bool' in value) return typed(7, Uint8Array.of(Number(value.bool)))
  if ('texts' in value) return encode(list(8, value.texts.map(text)))
  if ('i32s' in value) return numbers(5, value.i32s, (x) => u32(x >>> 0))
  if ('f32s' in value) return numbers(6, value.f32s, f32)
  if ('bools' in value) return numbers(7, value.bools.map(Number), (x) => Uint8Array.of(x))
  return numbers(0, value.u8s, (x) => Uint8Array.of(x))
}

const numbers = (type: number, values: readonly number[], bytes: (value: number) => Uint8Array): Uint8Array =>
  encode(list(type, values.map(bytes)))

export function ggufFile(parts: GgufParts): Uint8Array {
  const { pairs = [], tensors = [], alignment = 32 } = parts
  const up = (size: number) => Math.ceil(size / alignment) * alignment
  let at = 0
  const infos = tensors.map(({ name, dims, type, data, offset }) => {
    const info = join(text(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset ?? at))
    at += up(data?.length ?? 0)
    return info
  })
  const header = join(
    utf8.encode(parts.magic ?? 'GGUF'),
    u32(parts.version ?? 3),
    u64(parts.tensorCount ?? tensors.length),
    u64(parts.pairCount ?? pairs.length),
    ...pairs.map(([key, value]) => join(text(key), encode(value))),
    ...infos,
  )
  const padded = (bytes: Uint8Array) => join(bytes, new Uint8Array(up(bytes.length) - bytes.length))
  const data = tensors.map(({ data: bytes }) => padded(bytes ?? new Uint8Array(0)))
  return join(tensors.length === 0 ? header : padded(header), ...data, parts.tail ?? new Uint8Array(0))
}

/** Numbers as the bytes of an F32 tensor. */
export const floats = (values: ArrayLike<number>): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)
