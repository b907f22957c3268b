// Blocks of a GGUF type to float32, bit for bit what ggml's own routines give. First a block's fields become small whole
// numbers and float32 scales (shared/ggml/unpack.ts), then weight = scale * value (+ offset).
import { decodeBook } from './shared/ggml/books'
import { readOne, readWeights, widenHalf } from './shared/ggml/source'
import * as unpacked from './shared/ggml/unpack'

export function heapBase(): usize {
  return __heap_base
}

function unpackBlock(type: i32, block: usize): void {
  if (type == 10) unpacked.unpackQ2_K(block)
  else if (type == 11) unpacked.unpackQ3_K(block)
  else if (type == 12) unpacked.unpackQ4_K(block)
  else if (type == 13) unpacked.unpackQ5_K(block)
  else if (type == 14) unpacked.unpackQ6_K(block)
  else if (type == 23) unpacked.unpackIQ4_XS(block)
  else if (type == 34) unpacked.unpackTQ1_0(block)
  else unpacked.unpackWhole(type, block)
}

/** `offsets`: whether the type has them. */
export function decode(
  type: i32,
  from: usize,
  to: usize,
  blocks: i32,
  blockBytes: i32,
  blockSize: i32,
  groups: i32,
  offsets: bool,
): void {
  const n = blockSize / groups
  for (let b = 0; b < blocks; b++, from += blockBytes) {
    unpackBlock(type, from)
    let values = unpacked.VALUES
    for (let g = 0; g < groups; g++) {
      const scale = v128.load_splat<f32>(unpacked.SCALES + (g << 2))
      const offset = v128.load_splat<f32>(unpacked.OFFSETS + (g << 2))
      for (let i = 0; i < n; i += 8, values += 8, to += 32) {
        const wide = v128.load_ext<i8>(values)
        let first = f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(wide)))
        let second = f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(wide)))
        if (offsets) {
          first = f32x4.add(first, offset)
          second = f32x4.add(second, offset)
        }
        v128.store(to, first)
        v128.store(to, second, 16)
      }
    }
  }
}

/** Types with a code book, whose values (int8) the host has put at `book`. */
export function decodeBooks(type: i32, from: usize, book: usize, to: usize, blocks: i32, blockBytes: i32): void {
  for (let b = 0; b < blocks; b++, from += blockBytes, to += 1024) decodeBook(type, from, book, to)
}

/** Codes (value + zero, or with `mirrored` zero - value) and scales (float32, `groups` a block). */
export function unpack(
  type: i32,
  from: usize,
  codes: usize,
  scales: usize,
  blocks: i32,
  blockBytes: i32,
  blockSize: i32,
  groups: i32,
  zero: i32,
  mirrored: bool,
): void {
  const middle = i8x16.splat(<i8>zero)
  for (let b = 0; b < blocks; b++, from += blockBytes, scales += groups << 2) {
    unpackBlock(type, from)
    for (let i = 0; i < blockSize; i += 16, codes += 16) {
      const values = v128.load(unpacked.VALUES + i)
      v128.store(codes, mirrored ? i8x16.sub(middle, values) : i8x16.add(middle, values))
    }
    memory.copy(scales, unpacked.SCALES, groups << 2)
  }
}

/** Plain numbers: F32, F16, BF16, F64, I8, I16, I32, I64 by their number in ggml. */
export function widen(type: i32, from: usize, to: usize, n: i32): void {
  if (type == 1) {
    for (const end = to + (((<usize>n) & ~3) << 2); to < end; from += 8, to += 16)
      v128.store(to, widenHalf(v128.load_ext<u16>(from)))
    for (let i = 0; i < (n & 3); i++) store<f32>(to + (i << 2), readOne(1, from + (i << 1)))
    return
  }
  if (type == 0 || type == 30) {
    readWeights(type == 30 ? 2 : type, from, to, n, n, 0)
    return
  }
  for (let end = to + ((<usize>n) << 2); to < end; to += 4) {
    if (type == 24) {
      store<f32>(to, <f32>load<i8>(from))
      from += 1
    } else if (type == 25) {
      store<f32>(to, <f32>load<i16>(from))
      from += 2
    } else if (type == 26) {
      store<f32>(to, <f32>load<i32>(from))
      from += 4
    } else if (type == 27) {
      store<f32>(to, <f32>load<i64>(from))
      from += 8
    } else {
      store<f32>(to, <f32>load<f64>(from))
      from += 8
    }
  }
}
