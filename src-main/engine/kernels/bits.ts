import type { Arena } from './arena.ts'
import { openKernel } from './load.ts'

interface BitsExports {
  pack(codes: number, packed: number, groups: number, bits: bigint): void
  unpack(packed: number, codes: number, groups: number, bits: bigint): void
}

const BLOCK = 1 << 20 // codes at a time, a multiple of 8: every block but the last ends on a byte
let kernel: Arena<BitsExports> | null = null

/** Bytes that `count` codes of `bits` bits take as one bit stream. */
export const packedBytes = (count: number, bits: number): number => Math.ceil((count * bits) / 8)

/** Codes (one a byte, each < 2^bits) to a little-endian bit stream: code i takes bits [i * bits, (i + 1) * bits). */
export function packBits(codes: Uint8Array, bits: number): Uint8Array {
  kernel ??= openKernel('bits')
  const packed = new Uint8Array(packedBytes(codes.length, bits))
  for (let begin = 0; begin < codes.length; begin += BLOCK) {
    const part = codes.subarray(begin, begin + BLOCK)
    const groups = Math.ceil(part.length / 8)
    const [from = 0, to = 0] = kernel.lay(groups * 8, groups * bits + 8)
    const source = kernel.bytes(from, groups * 8)
    source.set(part)
    source.fill(0, part.length)
    kernel.exports.pack(from, to, groups, BigInt(bits))
    packed.set(kernel.bytes(to, packedBytes(part.length, bits)), (begin / 8) * bits)
  }
  return packed
}

/** The inverse of packBits for `count` codes. */
export function unpackBits(packed: Uint8Array, bits: number, count: number): Uint8Array {
  kernel ??= openKernel('bits')
  const codes = new Uint8Array(count)
  for (let begin = 0; begin < count; begin += BLOCK) {
    const length = Math.min(BLOCK, count - begin)
    const groups = Math.ceil(length / 8)
    const [from = 0, to = 0] = kernel.lay(groups * bits + 8, groups * 8)
    const first = (begin / 8) * bits
    kernel.bytes(from, groups * bits + 8).fill(0)
    kernel.bytes(from, groups * bits).set(packed.subarray(first, first + packedBytes(length, bits)))
    kernel.exports.unpack(from, to, groups, BigInt(bits))
    codes.set(kernel.bytes(to, length), begin)
  }
  return codes
}
