/** x rounded to the nearest float16 (ties to even) and back, in plain arithmetic; infinite beyond 65504's half step. */
export function roundToHalf(x: number): number {
  const size = Math.abs(x)
  if (!(size < Infinity)) return x
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.max(size, 2 ** -14))))
  const unit = 2 ** (exponent - 10)
  const rounded = roundEven(size / unit) * unit
  return Math.sign(x) * (rounded > 65504 ? Infinity : rounded)
}

/** The nearest integer, ties to the even one. */
export function roundEven(x: number): number {
  const rounded = Math.round(x)
  return Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}

const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)

/** Bits of a value that is a float16 already (see roundToHalf); others lose their low bits. */
export function toHalfBits(value: number): number {
  float[0] = value
  const bits = word[0] ?? 0
  const sign = (bits >>> 16) & 0x8000
  const exponent = (bits >>> 23) & 0xff
  if (exponent === 0xff) return sign | 0x7c00 | ((bits & 0x7fffff) !== 0 ? 0x200 : 0)
  if (exponent < 113) return sign | Math.round(Math.abs(value) * 2 ** 24)
  return sign | (Math.min(exponent - 112, 31) << 10) | (exponent > 142 ? 0 : (bits >>> 13) & 0x3ff)
}

export function fromHalfBits(bits: number): number {
  const sign = (bits & 0x8000) !== 0 ? -1 : 1
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 31) return fraction !== 0 ? NaN : sign * Infinity
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}

/** Scales on disk: float16 bits or float32, little endian. */
export function encodeScales(scales: Float32Array, type: 'float16' | 'float32'): Uint8Array {
  if (type === 'float32') return new Uint8Array(scales.slice().buffer)
  return new Uint8Array(Uint16Array.from(scales, toHalfBits).buffer)
}

export function decodeScales(bytes: Uint8Array, type: 'float16' | 'float32'): Float32Array {
  const aligned = new Uint8Array(bytes).buffer // a copy: bytes may be a Buffer, whose slice() is a view
  return type === 'float32' ? new Float32Array(aligned) : Float32Array.from(new Uint16Array(aligned), fromHalfBits)
}
