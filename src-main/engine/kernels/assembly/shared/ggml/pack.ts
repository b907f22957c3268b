// Codes (one a byte) to the bit fields of a block; the places are those of ggml/layout.ts.

/** 32 codes below 16 to 16 bytes: code j low, code j + 16 high. */
export function packHalves(codes: usize, to: usize): void {
  v128.store(to, v128.or(v128.load(codes), i16x8.shl(v128.load(codes, 16), 4)))
}

/** Bit `bit` of 32 codes (below 128) as 32 bits. */
export function packBit(codes: usize, bit: i32): u32 {
  const low = i8x16.bitmask(i16x8.shl(v128.load(codes), 7 - bit))
  const high = i8x16.bitmask(i16x8.shl(v128.load(codes, 16), 7 - bit))
  return (<u32>low) | ((<u32>high) << 16)
}

/** 256 codes below 16 to 128 bytes: of each 64, the first 32 low, the others high. */
export function packNibbles(codes: usize, to: usize): void {
  const low = i8x16.splat(15)
  for (let end = to + 128; to < end; to += 32, codes += 64) {
    v128.store(to, v128.or(v128.and(v128.load(codes), low), i16x8.shl(v128.and(v128.load(codes, 32), low), 4)))
    v128.store(to, v128.or(v128.and(v128.load(codes, 16), low), i16x8.shl(v128.and(v128.load(codes, 48), low), 4)), 16)
  }
}

/** The low two bits of 256 codes to 64 bytes: of each 128, four runs of 32 from the lowest bits up. */
export function packCrumbs(codes: usize, to: usize): void {
  const low = i8x16.splat(3)
  for (let half = 0; half < 2; half++, codes += 128)
    for (let l = 0; l < 32; l += 16, to += 16) {
      const p = codes + l
      const a = v128.and(v128.load(p), low)
      const b = i16x8.shl(v128.and(v128.load(p, 32), low), 2)
      const c = i16x8.shl(v128.and(v128.load(p, 64), low), 4)
      const d = i16x8.shl(v128.and(v128.load(p, 96), low), 6)
      v128.store(to, v128.or(v128.or(a, b), v128.or(c, d)))
    }
}

/** Bit `bit` of 256 codes to 32 bytes: byte l holds that of codes l, l + 32, ... from the lowest bit up. */
export function packBits(codes: usize, bit: i32, to: usize): void {
  const one = i8x16.splat(1)
  for (let l = 0; l < 32; l += 16) {
    let bits = i8x16.splat(0)
    for (let k = 0; k < 8; k++) {
      const code = v128.load(codes + (k << 5) + l)
      bits = v128.or(bits, i16x8.shl(v128.and(u16shr(code, bit), one), k))
    }
    v128.store(to + l, bits)
  }
}

function u16shr(v: v128, by: i32): v128 {
  return i16x8.shr_u(v, by) // stray bits of the neighbour are masked away by the caller
}

/** Low four bits of 256 codes to 128 bytes: of each 128, the first 64 low, the others high. */
export function packWideNibbles(codes: usize, to: usize): void {
  const low = i8x16.splat(15)
  for (let half = 0; half < 2; half++, codes += 128)
    for (let l = 0; l < 64; l += 16, to += 16) {
      const a = v128.and(v128.load(codes + l), low)
      const b = i16x8.shl(v128.and(v128.load(codes + l, 64), low), 4)
      v128.store(to, v128.or(a, b))
    }
}

/** Bits 4 and 5 of 256 codes to 64 bytes, in the order of packCrumbs. `spare`: 256 bytes. */
export function packHighCrumbs(codes: usize, to: usize, spare: usize): void {
  for (let i = 0; i < 256; i += 16)
    v128.store(spare + i, v128.and(i16x8.shr_u(v128.load(codes + i), 4), i8x16.splat(3)))
  packCrumbs(spare, to)
}

/** Scales and mins below 64 of 8 groups to 12 bytes (Q4_K, Q5_K). */
export function packSixes(scales: usize, mins: usize, to: usize): void {
  for (let g = 0; g < 4; g++) {
    const lateScale = load<u8>(scales + g, 4)
    const lateMin = load<u8>(mins + g, 4)
    store<u8>(to + g, load<u8>(scales + g) | ((lateScale >> 4) << 6))
    store<u8>(to + g, load<u8>(mins + g) | ((lateMin >> 4) << 6), 4)
    store<u8>(to + g, (lateScale & 15) | ((lateMin & 15) << 4), 8)
  }
}

/** Scales below 64 of 16 groups to 12 bytes (Q3_K). */
export function packQ3Scales(scales: usize, to: usize): void {
  memory.fill(to, 0, 12)
  for (let g = 0; g < 16; g++) {
    const scale = load<u8>(scales + g)
    const low = to + (g & 7)
    const high = to + 8 + (g & 3)
    const lowShift: u8 = g < 8 ? 0 : 4
    store<u8>(low, load<u8>(low) | ((scale & 15) << lowShift))
    const highShift = <u8>((g >> 2) * 2)
    store<u8>(high, load<u8>(high) | ((scale >> 4) << highShift))
  }
}

/** Scales below 64 of 8 groups: high bits to 2 bytes, low bits to the 4 after them (IQ4_XS). */
export function packXsScales(scales: usize, to: usize): void {
  let low: u32 = 0
  let high: u32 = 0
  for (let g = 0; g < 8; g++) {
    const scale = <u32>load<u8>(scales + g)
    low |= (scale & 15) << (4 * g)
    high |= (scale >> 4) << (2 * g)
  }
  store<u16>(to, <u16>high)
  store<u32>(to, low, 2)
}
