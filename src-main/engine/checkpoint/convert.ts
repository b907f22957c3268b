// Element types to float32 and back, as tight loops over typed arrays. IEEE 754-2008 for float16; bfloat16 is the upper
// half of a float32; the 8-bit floats follow the OCP 8-bit Floating Point Specification (OFP8) rev 1.0 and ONNX's *FNUZ.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { type DataType, bitsOf } from '../graph/ir.ts'

const scratch = new Float32Array(1)
const scratchBits = new Uint32Array(scratch.buffer)

/** Value of a small float: sign, `exponentBits`, `mantissaBits`; subnormals included. */
function smallFloat(code: number, exponentBits: number, mantissaBits: number, bias: number): number {
  const mantissa = code & ((1 << mantissaBits) - 1)
  const exponent = (code >>> mantissaBits) & ((1 << exponentBits) - 1)
  const sign = code >>> (mantissaBits + exponentBits) ? -1 : 1
  const unit = 2 ** -mantissaBits
  return sign * (exponent === 0 ? mantissa * unit * 2 ** (1 - bias) : (1 + mantissa * unit) * 2 ** (exponent - bias))
}

const table = (size: number, value: (code: number) => number) => Float32Array.from({ length: size }, (_, i) => value(i))
const lazily = <T>(make: () => T) => {
  let made: T | undefined
  return () => (made ??= make())
}

// float32 bit patterns, so that NaN payloads survive.
const halfTable = lazily(() => {
  const bits = new Uint32Array(65536)
  for (let code = 0; code < 65536; code++) {
    const special = (code & 0x7c00) === 0x7c00
    scratch[0] = special ? 0 : smallFloat(code & 0x7fff, 5, 10, 15)
    const magnitude = special ? 0x7f800000 | ((code & 0x3ff) << 13) : (scratchBits[0] ?? 0)
    bits[code] = (magnitude | ((code & 0x8000) << 16)) >>> 0
  }
  return bits
})

const eightBitTables: Partial<Record<DataType, () => Float32Array>> = {
  float8e4m3fn: lazily(() => table(256, (c) => ((c & 0x7f) === 0x7f ? Number.NaN : smallFloat(c, 4, 3, 7)))),
  float8e4m3fnuz: lazily(() => table(256, (c) => (c === 0x80 ? Number.NaN : smallFloat(c, 4, 3, 8)))),
  float8e5m2: lazily(() =>
    table(256, (c) => {
      if ((c & 0x7c) !== 0x7c) return smallFloat(c, 5, 2, 15)
      return (c & 3) === 0 ? (c & 0x80 ? -Infinity : Infinity) : Number.NaN
    }),
  ),
  float8e5m2fnuz: lazily(() => table(256, (c) => (c === 0x80 ? Number.NaN : smallFloat(c, 5, 2, 16)))),
  float8e8m0: lazily(() => table(256, (c) => (c === 0xff ? Number.NaN : 2 ** (c - 127)))),
}

// Two to a byte, the lower half first.
const fourBitTables: Partial<Record<DataType, () => Float32Array>> = {
  uint4: lazily(() => table(16, (c) => c)),
  int4: lazily(() => table(16, (c) => (c < 8 ? c : c - 16))),
  float4e2m1: lazily(() => table(16, (c) => smallFloat(c, 2, 1, 1))),
}

/** float16 bits -> float32. */
export function halfToFloat(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Uint32Array(bits.length)
  const map = halfTable()
  for (let i = 0; i < bits.length; i++) out[i] = map[bits[i] as number] as number
  return new Float32Array(out.buffer)
}

/** float32 -> float16 bits, to nearest, ties to even; above 65504 to infinity. */
export function floatToHalf(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(values.length)
  for (let i = 0; i < out.length; i++) {
    const word = bits[i] as number
    const magnitude = word & 0x7fffffff
    let half: number
    if (magnitude >= 0x47800000) {
      half = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00
    } else if (magnitude >= 0x38800000) {
      half = (magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13
    } else {
      // Subnormal: adding 0.5 leaves exactly the ten bits that count, rounded by the hardware.
      scratchBits[0] = magnitude
      scratch[0] = (scratch[0] as number) + 0.5
      half = (scratchBits[0] as number) - 0x3f000000
    }
    out[i] = half | ((word >>> 16) & 0x8000)
  }
  return out
}

/** bfloat16 bits -> float32, exact. */
export function bfloatToFloat(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) out[i] = (bits[i] as number) << 16
  return new Float32Array(out.buffer)
}

/** float32 -> bfloat16 bits, to nearest, ties to even; NaN stays NaN. */
export function floatToBfloat(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(values.length)
  for (let i = 0; i < out.length; i++) {
    const word = bits[i] as number
    out[i] = (word & 0x7fffffff) > 0x7f800000 ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
  return out
}

const views = {
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
} as const

/** Bytes at an address every typed array accepts. */
export const aligned = (bytes: Uint8Array): Uint8Array => (bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes)) // copies into its own buffer

/** Little-endian elements of any numeric type as float32 (rounded to nearest where wider). Faults 'unsupported' for text and complex numbers. */
export function toFloat32(raw: Uint8Array, dtype: DataType): Float32Array {
  const bytes = aligned(raw)
  const count = (bytes.byteLength * 8) / (bitsOf[dtype] || 8)
  const { byteOffset } = bytes
  const buffer = bytes.buffer as ArrayBuffer // never shared: it was read from a file
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer, byteOffset, count)
    case 'float16':
      return halfToFloat(new Uint16Array(buffer, byteOffset, count))
    case 'bfloat16':
      return bfloatToFloat(new Uint16Array(buffer, byteOffset, count))
    case 'int64':
      return Float32Array.from(new BigInt64Array(buffer, byteOffset, count), Number)
    case 'uint64':
      return Float32Array.from(new BigUint64Array(buffer, byteOffset, count), Number)
    case 'float64':
    case 'int8':
    case 'uint8':
    case 'bool':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'uint32':
      return new Float32Array(new views[dtype](buffer, byteOffset, count))
    default:
      return fromTable(bytes, dtype, count)
  }
}

function fromTable(bytes: Uint8Array, dtype: DataType, count: number): Float32Array {
  const out = new Float32Array(count)
  const eight = eightBitTables[dtype]?.()
  const four = fourBitTables[dtype]?.()
  if (eight) for (let i = 0; i < count; i++) out[i] = eight[bytes[i] as number] as number
  else if (four)
    for (let i = 0; i < count; i++) out[i] = four[((bytes[i >> 1] as number) >> ((i & 1) * 4)) & 15] as number
  else throw new Fault('unsupported', `tensors of type ${dtype} cannot be read as numbers`, { data: { found: dtype } })
  return out
}

/** float32 as the bytes of a float type of the graph. Faults 'unsupported' for other targets. */
export function fromFloat32(values: Float32Array, dtype: DataType): Uint8Array {
  const bytes = (array: Float32Array | Uint16Array | Float64Array) =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  switch (dtype) {
    case 'float32':
      return bytes(values)
    case 'float16':
      return bytes(floatToHalf(values))
    case 'bfloat16':
      return bytes(floatToBfloat(values))
    case 'float64':
      return bytes(new Float64Array(values))
    default:
      throw new Fault('unsupported', `float32 weights cannot be stored as ${dtype}`, { data: { expected: dtype } })
  }
}
