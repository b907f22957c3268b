// Blocks of the code-book types to float32. Places of the fields: ggml/codebook/layout.ts and, for IQ1, decode.ref.ts beside
// it. `book`: the values (int8) of every word, one word after another.
import { readOne } from './source'

/** Eight weights: factor * value, with a minus where a bit of `signs` is set. */
function eight(first: v128, second: v128, signs: u32, factor: f32, to: usize): void {
  const scale = f32x4.splat(factor)
  const bits = i32x4.splat(<i32>signs)
  const minus = i32x4.splat(<i32>0x80000000)
  const low = i32x4(1, 2, 4, 8)
  const high = i32x4(16, 32, 64, 128)
  const a = v128.and(i32x4.eq(v128.and(bits, low), low), minus)
  const b = v128.and(i32x4.eq(v128.and(bits, high), high), minus)
  v128.store(to, v128.xor(f32x4.mul(scale, first), a))
  v128.store(to, v128.xor(f32x4.mul(scale, second), b), 16)
}

function low4(values: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(values))
}

function high4(values: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(values))
}

function word8(book: usize, word: u32, signs: u32, factor: f32, to: usize): void {
  const values = v128.load_ext<i8>(book + ((<usize>word) << 3))
  eight(low4(values), high4(values), signs, factor, to)
}

function words4(book: usize, one: u32, two: u32, signs: u32, factor: f32, to: usize): void {
  const a = low4(i16x8.extend_low_i8x16_s(v128.load32_zero(book + ((<usize>one) << 2))))
  const b = low4(i16x8.extend_low_i8x16_s(v128.load32_zero(book + ((<usize>two) << 2))))
  eight(a, b, signs, factor, to)
}

/** Eight sign bits of seven: the eighth makes their number even. */
function evenSigns(seven: u32): u32 {
  return seven | ((popcnt<u32>(seven) & 1) << 7)
}

function nibble(at: usize, i: i32): f32 {
  return <f32>(((<u32>load<u8>(at + (i >> 1))) >> (4 * ((<u32>i) & 1))) & 15)
}

/** One block by its type's number in ggml. */
export function decodeBook(type: i32, from: usize, book: usize, to: usize): void {
  if (type == 19) return decodeIQ1_S(from, book, to)
  if (type == 29) return decodeIQ1_M(from, book, to)
  const d = readOne(1, from)
  for (let g = 0; g < 32; g++, to += 32) {
    const quarter = <u32>(g & 3)
    if (type == 16) {
      const part = from + 2 + ((g >> 2) << 3)
      const bits = load<u32>(part, 4)
      const factor = d * (0.125 + <f32>0.25 * <f32>(bits >> 28))
      word8(book, load<u8>(part + quarter), evenSigns((bits >> (7 * quarter)) & 127), factor, to)
    } else if (type == 17) {
      const bits = <u32>load<u16>(from + 2 + (g << 1))
      word8(book, bits & 511, evenSigns(bits >> 9), d * (0.125 + <f32>0.25 * nibble(from + 66, g >> 1)), to)
    } else if (type == 22) {
      const high = ((<u32>load<u8>(from + 66 + (g >> 2))) >> (2 * quarter)) & 3
      const word = (<u32>load<u8>(from + 2 + g)) | (high << 8)
      word8(book, word, load<u8>(from + 34 + g), d * (0.125 + <f32>0.25 * nibble(from + 74, g >> 1)), to)
    } else if (type == 18) {
      const bits = load<u32>(from + 66 + ((g >> 2) << 2))
      const words = from + 2 + (g << 1)
      const factor = d * (0.25 + <f32>0.5 * <f32>(bits >> 28))
      words4(book, load<u8>(words), load<u8>(words, 1), evenSigns((bits >> (7 * quarter)) & 127), factor, to)
    } else {
      const words = from + 2 + (g << 1)
      const ninth = (<u32>load<u8>(from + 66 + (g >> 2))) >> (2 * quarter)
      const one = (<u32>load<u8>(words)) | ((ninth & 1) << 8)
      const two = (<u32>load<u8>(words, 1)) | (((ninth >> 1) & 1) << 8)
      words4(book, one, two, load<u8>(from + 74 + g), d * (1 + 2 * nibble(from + 106, g >> 2)), to)
    }
  }
}

/** Values are moved by an eighth up or down. */
function shifted(book: usize, word: u32, down: bool, factor: f32, to: usize): void {
  const values = v128.load_ext<i8>(book + ((<usize>word) << 3))
  const shift = f32x4.splat(down ? -0.125 : 0.125)
  eight(f32x4.add(low4(values), shift), f32x4.add(high4(values), shift), 0, factor, to)
}

function decodeIQ1_S(from: usize, book: usize, to: usize): void {
  const d = readOne(1, from)
  for (let g = 0; g < 32; g++, to += 32) {
    const bits = <u32>load<u16>(from + 34 + ((g >> 2) << 1))
    const word = (<u32>load<u8>(from + 2 + g)) | (((bits >> (3 * <u32>(g & 3))) & 7) << 8)
    const odd = 2 * ((bits >> 12) & 7) + 1
    shifted(book, word, (bits & 0x8000) != 0, d * <f32>odd, to)
  }
}

const QUARTERS = memory.data(2)

function decodeIQ1_M(from: usize, book: usize, to: usize): void {
  let quarters: u32 = 0
  for (let i = 0; i < 4; i++) quarters |= ((<u32>load<u16>(from + 48 + (i << 1))) >> 12) << (4 * i)
  store<u16>(QUARTERS, <u16>quarters)
  const d = readOne(1, QUARTERS)
  for (let g = 0; g < 32; g++, to += 32) {
    const scale = ((<u32>load<u16>(from + 48 + ((g >> 3) << 1))) >> (3 * ((<u32>(g >> 1)) & 3))) & 7
    const half = ((<u32>load<u8>(from + 32 + (g >> 1))) >> (4 * ((<u32>g) & 1))) & 15
    const word = (<u32>load<u8>(from + g)) | ((half & 7) << 8)
    const odd = 2 * scale + 1
    shifted(book, word, (half & 8) != 0, d * <f32>odd, to)
  }
}
