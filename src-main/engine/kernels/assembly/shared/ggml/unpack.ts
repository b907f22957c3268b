// The bit fields of a block back to what they stand for: VALUES (int8, one a weight), SCALES and OFFSETS (float32, one a
// group): weight = scale * value + offset. Places: ggml/layout.ts. The products are rounded in ggml's order.
import { readOne } from './source'

export const VALUES = memory.data(256)
export const SCALES = memory.data(64)
export const OFFSETS = memory.data(64)

const NONLINEAR = memory.data<i8>([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])
const MICRO = memory.data<i8>([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12])
const BITS = memory.data<u8>([1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128])

function half(at: usize): f32 {
  return readOne(1, at)
}

function low(v: v128): v128 {
  return v128.and(v, i8x16.splat(15))
}

function high(v: v128): v128 {
  return v128.and(i16x8.shr_u(v, 4), i8x16.splat(15))
}

/** 16 bytes of codes -> 32 values: the low halves, then the high ones, `zero` taken away. */
export function nibbles(from: usize, to: usize, zero: i8): void {
  const bytes = v128.load(from)
  v128.store(to, i8x16.sub(low(bytes), i8x16.splat(zero)))
  v128.store(to, i8x16.sub(high(bytes), i8x16.splat(zero)), 16)
}

function lookUp(from: usize, to: usize, table: usize): void {
  const bytes = v128.load(from)
  const values = v128.load(table)
  v128.store(to, i8x16.swizzle(values, low(bytes)))
  v128.store(to, i8x16.swizzle(values, high(bytes)), 16)
}

/** 16 where a bit of the 16 is set, lowest first. */
function sixteens(bits: u32): v128 {
  const both = i16x8.splat(<i16>bits)
  const spread = v128.shuffle<u8>(both, both, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
  const mask = v128.load(BITS)
  return v128.and(i8x16.eq(v128.and(spread, mask), mask), i8x16.splat(16))
}

/** As nibbles, with the fifth bits of the codes at `bits`. */
export function fives(from: usize, bits: usize, to: usize, zero: i8): void {
  const bytes = v128.load(from)
  const fifths = load<u32>(bits)
  const shift = i8x16.splat(zero)
  v128.store(to, i8x16.sub(v128.or(low(bytes), sixteens(fifths)), shift))
  v128.store(to, i8x16.sub(v128.or(high(bytes), sixteens(fifths >> 16)), shift), 16)
}

/** 64 bytes -> 256 values of 2 bits: of each 32 bytes four runs of 32, the lowest bits first. */
export function crumbs(from: usize, zero: i8): void {
  let to = VALUES
  const mask = i8x16.splat(3)
  const shift = i8x16.splat(zero)
  for (let part = 0; part < 2; part++, from += 32)
    for (let k = 0; k < 4; k++, to += 32) {
      v128.store(to, i8x16.sub(v128.and(i16x8.shr_u(v128.load(from), 2 * k), mask), shift))
      v128.store(to, i8x16.sub(v128.and(i16x8.shr_u(v128.load(from, 16), 2 * k), mask), shift), 16)
    }
}

/** Adds `weight` to every value whose bit is set: byte l holds the bits of values l, l + 32, ... from the lowest up. */
export function addBits(from: usize, weight: i8): void {
  const one = i8x16.splat(1)
  const amount = i8x16.splat(weight)
  for (let k = 0; k < 8; k++)
    for (let l = 0; l < 32; l += 16) {
      const at = VALUES + (k << 5) + l
      const set = i8x16.eq(v128.and(i16x8.shr_u(v128.load(from + l), k), one), one)
      v128.store(at, i8x16.add(v128.load(at), v128.and(set, amount)))
    }
}

function setScale(g: i32, scale: f32): void {
  store<f32>(SCALES + (g << 2), scale)
}

function setOffset(g: i32, offset: f32): void {
  store<f32>(OFFSETS + (g << 2), offset)
}

/** Scales and mins of Q4_K and Q5_K. */
function sixes(block: usize): void {
  const d = half(block)
  const dmin = half(block + 2)
  const q = block + 4
  for (let g = 0; g < 8; g++) {
    const at = q + g
    const scale = g < 4 ? load<u8>(at) & 63 : (load<u8>(at, 4) & 15) | ((load<u8>(at - 4) >> 6) << 4)
    const min = g < 4 ? load<u8>(at, 4) & 63 : (load<u8>(at, 4) >> 4) | ((load<u8>(at) >> 6) << 4)
    setScale(g, d * <f32>scale)
    setOffset(g, -(dmin * <f32>min))
  }
}

/** One scale for the block. */
function whole(scale: f32, offset: f32): void {
  setScale(0, scale)
  setOffset(0, offset)
}

export function unpackQ2_K(block: usize): void {
  crumbs(block + 16, 0)
  const d = half(block + 80)
  const dmin = half(block + 82)
  for (let g = 0; g < 16; g++) {
    const byte = load<u8>(block + g)
    setScale(g, d * <f32>(byte & 15))
    setOffset(g, -(dmin * <f32>(byte >> 4)))
  }
}

export function unpackQ3_K(block: usize): void {
  crumbs(block + 32, 4)
  addBits(block, 4)
  const d = half(block + 108)
  const q = block + 96
  for (let g = 0; g < 16; g++) {
    const lows = (load<u8>(q + (g & 7)) >> ((<u8>(g >> 3)) << 2)) & 15
    const highs = (load<u8>(q + 8 + (g & 3)) >> ((<u8>(g >> 2)) << 1)) & 3
    setScale(g, d * <f32>(<i32>(lows | (highs << 4)) - 32))
  }
}

export function unpackQ4_K(block: usize): void {
  for (let i = 0; i < 4; i++) pairOfRuns(block + 16 + (i << 5), VALUES + (i << 6))
  sixes(block)
}

/** 32 bytes: values l in the low halves, l + 32 in the high ones. */
function pairOfRuns(from: usize, to: usize): void {
  for (let l = 0; l < 32; l += 16) {
    const bytes = v128.load(from + l)
    v128.store(to + l, low(bytes))
    v128.store(to + l, high(bytes), 32)
  }
}

export function unpackQ5_K(block: usize): void {
  for (let i = 0; i < 4; i++) pairOfRuns(block + 48 + (i << 5), VALUES + (i << 6))
  addBits(block + 16, 16)
  sixes(block)
}

export function unpackQ6_K(block: usize): void {
  const three = i8x16.splat(3)
  const shift = i8x16.splat(32)
  for (let part = 0; part < 2; part++) {
    const lows = block + (part << 6)
    const highs = block + 128 + (part << 5)
    for (let k = 0; k < 4; k++)
      for (let l = 0; l < 32; l += 16) {
        const bytes = v128.load(lows + ((k & 1) << 5) + l)
        const four = k < 2 ? low(bytes) : high(bytes)
        const two = v128.and(i16x8.shr_u(v128.load(highs + l), 2 * k), three)
        v128.store(VALUES + (part << 7) + (k << 5) + l, i8x16.sub(v128.or(four, i16x8.shl(two, 4)), shift))
      }
  }
  const d = half(block + 208)
  for (let g = 0; g < 16; g++) setScale(g, d * <f32>load<i8>(block + 192 + g))
}

export function unpackIQ4_XS(block: usize): void {
  const d = half(block)
  const highs = load<u16>(block, 2)
  for (let g = 0; g < 8; g++) {
    lookUp(block + 8 + (g << 4), VALUES + (g << 5), NONLINEAR)
    const lows = (load<u8>(block + 4 + (g >> 1)) >> ((<u8>(g & 1)) << 2)) & 15
    setScale(g, d * <f32>(<i32>(lows | (((highs >> ((<u16>g) << 1)) & 3) << 4)) - 32))
  }
}

/** Base 3: a byte is its digits' fraction of 256, so each times 3 the next digit falls out above. */
export function unpackTQ1_0(block: usize): void {
  let to = VALUES
  to = trits(block, 32, 5, to)
  to = trits(block + 32, 16, 5, to)
  trits(block + 48, 4, 4, to)
  whole(half(block + 52), -0)
}

function trits(from: usize, count: i32, digits: i32, to: usize): usize {
  let power: u32 = 1
  for (let t = 0; t < digits; t++, power *= 3)
    for (let j = 0; j < count; j++, to++) store<i8>(to, <i8>((((<u32>load<u8>(from + j) * power) & 0xff) * 3) >> 8) - 1)
  return to
}

/** Blocks of 32, and the other types with one scale. */
export function unpackWhole(type: i32, block: usize): void {
  if (type == 2) {
    nibbles(block + 2, VALUES, 8)
    whole(half(block), -0)
  } else if (type == 3) {
    nibbles(block + 4, VALUES, 0)
    whole(half(block), half(block + 2))
  } else if (type == 6) {
    fives(block + 6, block + 2, VALUES, 16)
    whole(half(block), -0)
  } else if (type == 7) {
    fives(block + 8, block + 4, VALUES, 0)
    whole(half(block), half(block + 2))
  } else if (type == 8 || type == 9) {
    memory.copy(VALUES, block + (type == 8 ? 2 : 4), 32)
    whole(half(block), -0)
  } else if (type == 15) {
    memory.copy(VALUES, block + 4, 256)
    whole(load<f32>(block), -0)
  } else if (type == 20) {
    lookUp(block + 2, VALUES, NONLINEAR)
    whole(half(block), -0)
  } else if (type == 39) {
    lookUp(block + 1, VALUES, MICRO)
    const exponent = <u32>load<u8>(block)
    whole(reinterpret<f32>(exponent < 2 ? 0x200000 << exponent : (exponent - 1) << 23), -0)
  } else {
    crumbs(block, 1)
    whole(half(block + 64), -0)
  }
}
