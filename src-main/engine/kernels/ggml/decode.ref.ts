// Plain twin of assembly/ggml-decode.ts: float32 products and sums in ggml's order, so all three give the same bits.
import { fromHalfBits } from '../float16.ts'
import { type BlockLayout, type LaidOutType, layoutOf, layouts } from './layout.ts'
import { type GgmlType, ggmlTypes } from './types.ts'
import { type Fields, unpackReference, unpackTrits } from './unpack.ref.ts'

const f = Math.fround
const signedByte = (code: number) => (code << 24) >> 24

/** 2^(exponent - 128), subnormal for 0. */
const halfPower = (exponent: number) => 2 ** (exponent - 128)

const floatOf = (bits: number) => new DataView(Uint32Array.of(bits).buffer).getFloat32(0, true)
const scaleOf = ({ dType }: BlockLayout, d: number) =>
  dType === 'exponent' ? halfPower(d) : dType === 'float32' ? floatOf(d) : fromHalfBits(d)

/** What a block's groups are multiplied with and what is added; -0 is added where the type has no offset. */
export function groupsOf(layout: BlockLayout, { d, m, scales, mins }: Fields): { scale: number; offset: number }[] {
  const [whole, offset] = [scaleOf(layout, d), layout.m === undefined ? -0 : fromHalfBits(m)]
  return Array.from({ length: layout.groups }, (_, g) => {
    const scale = layout.scaleSigned ? signedByte(scales[g] ?? 0) : (scales[g] ?? 0) - layout.scaleZero
    return {
      scale: layout.scale ? f(whole * scale) : whole,
      offset: layout.min ? -f(offset * (mins[g] ?? 0)) : offset,
    }
  })
}

function decodeBlock(type: LaidOutType, block: Uint8Array): Float32Array {
  const layout = layoutOf(type)
  const fields = unpackReference(type, block)
  const groups = groupsOf(layout, fields)
  const { blockSize } = ggmlTypes[type]
  return Float32Array.from(fields.codes, (code, i) => {
    const value = layout.table?.[code] ?? (layout.signed ? signedByte(code) : code - layout.zero)
    const { scale, offset } = groups[Math.floor((i * layout.groups) / blockSize)] ?? { scale: NaN, offset: NaN }
    return f(f(scale * value) + offset)
  })
}

/** int64 -> float32, rounded once: the bits that float64 would drop are kept as one sticky bit. */
function fromInt64(value: bigint): number {
  if (value > -(1n << 53n) && value < 1n << 53n) return f(Number(value))
  return f(Number((value >> 12n) | ((value & 4095n) === 0n ? 0n : 1n)) * 4096)
}

const scalars: Partial<Record<GgmlType, (view: DataView, at: number) => number>> = {
  F32: (view, at) => view.getFloat32(at, true),
  F16: (view, at) => fromHalfBits(view.getUint16(at, true)),
  BF16: (view, at) => floatOf(view.getUint16(at, true) * 65536),
  F64: (view, at) => f(view.getFloat64(at, true)),
  I8: (view, at) => view.getInt8(at),
  I16: (view, at) => view.getInt16(at, true),
  I32: (view, at) => f(view.getInt32(at, true)),
  I64: (view, at) => fromInt64(view.getBigInt64(at, true)),
}

/** Undefined for types that have no plain twin here. */
export function decodeReference(type: GgmlType, bytes: Uint8Array): Float32Array | undefined {
  const { blockSize, blockBytes } = ggmlTypes[type]
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const out = new Float32Array((bytes.length / blockBytes) * blockSize)
  const scalar = scalars[type]
  for (let block = 0; block * blockBytes < bytes.length; block++) {
    const at = block * blockBytes
    const part = bytes.subarray(at, at + blockBytes)
    if (scalar) out[block] = scalar(view, at)
    else if (type === 'TQ1_0') {
      const d = fromHalfBits(view.getUint16(at + 52, true))
      out.set(
        Float32Array.from(unpackTrits(part), (trit) => trit * d),
        block * blockSize,
      )
    } else if (Object.hasOwn(layouts, type)) out.set(decodeBlock(type as LaidOutType, part), block * blockSize)
    else return undefined
  }
  return out
}
