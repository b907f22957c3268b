// Six-bit floats of safetensors (F6_E2M3, F6_E3M2). No graph has such a type, so tensors of them are listed as the float32
// numbers they are.
//
//            bit    5    4..             0
//   E2M3          sign  exponent 2  mantissa 3    bias 1, no infinity, no NaN
//   E3M2          sign  exponent 3  mantissa 2    bias 3, no infinity, no NaN
//
// Element i takes bits [6 i, 6 i + 6) of the tensor's bytes, the lowest bit of a byte first: the format's reference says that
// elements are 6 bits wide and does not draw them; this is the order of its 4-bit type.
// Source: OCP Microscaling Formats 1.0, section 5.3.2.
import type { DerivedTensor } from './derived.ts'
import type { TensorSource } from './network.ts'

export const sixBitTypes = ['F6_E2M3', 'F6_E3M2'] as const
export type SixBitType = (typeof sixBitTypes)[number]

function valueOf(code: number, type: SixBitType): number {
  const [mantissaBits, bias] = type === 'F6_E2M3' ? [3, 1] : [2, 3]
  const mantissa = code & (2 ** mantissaBits - 1)
  const exponent = (code & 31) >> mantissaBits
  const sign = code & 32 ? -1 : 1
  const unit = 2 ** -mantissaBits
  return sign * (exponent === 0 ? mantissa * unit * 2 ** (1 - bias) : (1 + mantissa * unit) * 2 ** (exponent - bias))
}

const tables = new Map(
  sixBitTypes.map((type) => [type, Float32Array.from({ length: 64 }, (_, code) => valueOf(code, type))]),
)

/** Bytes of the tensor that elements [begin, end) lie in. */
const sixBitRange = (begin: number, end: number) => ({
  begin: Math.floor((begin * 6) / 8),
  end: Math.ceil((end * 6) / 8),
})

/** Elements [begin, end) from the bytes of `sixBitRange`. */
function decodeSixBit(bytes: Uint8Array, type: SixBitType, begin: number, end: number): Float32Array {
  const table = tables.get(type) ?? new Float32Array(64)
  const first = sixBitRange(begin, end).begin * 8
  return Float32Array.from({ length: end - begin }, (_, i) => {
    const bit = (begin + i) * 6 - first
    const word = (bytes[bit >> 3] ?? 0) | ((bytes[(bit >> 3) + 1] ?? 0) << 8)
    return table[(word >> (bit & 7)) & 63] ?? 0
  })
}

/** Six-bit tensors of a source as plain ones. */
export const sixBitTensors = (
  source: TensorSource,
  types: ReadonlyMap<string, SixBitType>,
): Map<string, DerivedTensor> =>
  new Map(
    [...types].flatMap(([name, type]): [string, DerivedTensor][] => {
      const info = source.tensors.get(name)
      if (!info) return []
      const count = info.shape.reduce((product, size) => product * size, 1)
      const listed = { ...info, bytes: 4 * count, stored: { type, bytes: info.bytes } }
      const stored = (begin: number, end: number) => source.read(name, { begin, end })
      const decode = (begin: number, end: number) =>
        decodeSixBit(source.read(name, sixBitRange(begin, end)), type, begin, end)
      return [[name, { info: listed, decode, stored }]]
    }),
  )
