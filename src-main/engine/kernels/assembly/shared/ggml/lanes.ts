// Four groups of weights side by side, one a lane: every search then runs on four groups at once, without sums across
// lanes, and its plain twin is the same arithmetic on one group.
//
//   [g0: a b c ... | g1: k l m ... | g2: ... | g3: ...]   ->   a k . . | b l . . | c m . . | ...

/** 4 groups of n weights (a multiple of 4), one after another at `from`, to n vectors at `to`; least and greatest weight a
 *  lane to two vectors at `range`. */
export function spread(from: usize, to: usize, n: i32, range: usize): void {
  const stride = (<usize>n) << 2
  let lo = f32x4.splat(Infinity)
  let hi = f32x4.splat(-Infinity)
  for (let end = from + stride; from < end; from += 16, to += 64) {
    const a = v128.load(from)
    const b = v128.load(from + stride)
    const c = v128.load(from + 2 * stride)
    const d = v128.load(from + 3 * stride)
    const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5)
    const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5)
    const ef = v128.shuffle<f32>(a, b, 2, 6, 3, 7)
    const gh = v128.shuffle<f32>(c, d, 2, 6, 3, 7)
    const p = v128.shuffle<f64>(ab, cd, 0, 2)
    const q = v128.shuffle<f64>(ab, cd, 1, 3)
    const r = v128.shuffle<f64>(ef, gh, 0, 2)
    const s = v128.shuffle<f64>(ef, gh, 1, 3)
    v128.store(to, p)
    v128.store(to, q, 16)
    v128.store(to, r, 32)
    v128.store(to, s, 48)
    lo = f32x4.pmin(lo, f32x4.pmin(f32x4.pmin(p, q), f32x4.pmin(r, s)))
    hi = f32x4.pmax(hi, f32x4.pmax(f32x4.pmax(p, q), f32x4.pmax(r, s)))
  }
  v128.store(range, lo)
  v128.store(range, hi, 16)
}

const TINY: f32 = 1.4901161193847656e-8 // 2^-26: smaller groups are nearer to 0 than to any float16 scale

/** 1 / the weight of largest magnitude a lane (the positive one of two equals), 0 where all are tiny. */
export function unitOf(range: usize): v128 {
  const lo = v128.load(range)
  const hi = v128.load(range, 16)
  const extreme = v128.bitselect(hi, lo, f32x4.ge(hi, f32x4.neg(lo)))
  return v128.and(f32x4.div(f32x4.splat(1), extreme), f32x4.gt(f32x4.abs(extreme), f32x4.splat(TINY)))
}

const ONES = memory.data(512) // for groups of up to 32
for (let i = 0; i < 512; i += 16) v128.store(ONES + i, f32x4.splat(1))

/** Ones where `h` is 0: all weights count alike. */
export function orOnes(h: usize): usize {
  return h == 0 ? ONES : h
}

/** Adding this to a value below 2^22 rounds it to an integer, ties to even, which then stands in the low bits. */
export const MAGIC: f32 = 12582912
export const MAGIC_BITS: i32 = 0x4b400000

export function roundLanes(v: v128): v128 {
  return f32x4.nearest(v)
}

export function clampLanes(v: v128, lo: v128, hi: v128): v128 {
  return f32x4.pmin(hi, f32x4.pmax(lo, v))
}

/** Magnitudes rounded to float16 (ties to even), signs kept; at most 65504. */
export function halfLanes(v: v128): v128 {
  const size = f32x4.abs(v)
  const even = v128.and(i32x4.shr_u(size, 13), i32x4.splat(1))
  const normal = v128.and(i32x4.add(i32x4.add(size, i32x4.splat(0xfff)), even), i32x4.splat(~0x1fff))
  const small = f32x4.sub(f32x4.add(size, f32x4.splat(0.5)), f32x4.splat(0.5))
  const rounded = v128.bitselect(small, normal, f32x4.lt(size, f32x4.splat(6.103515625e-5)))
  return v128.or(f32x4.pmin(f32x4.splat(65504), rounded), v128.and(v, i32x4.splat(<i32>0x80000000)))
}

/** Scales as they will be stored: float16, and not 0 unless they are. */
export function scaleLanes(v: v128): v128 {
  const rounded = halfLanes(v)
  const lost = v128.and(f32x4.eq(rounded, f32x4.splat(0)), f32x4.ne(v, f32x4.splat(0)))
  const least = v128.or(f32x4.splat(5.9604644775390625e-8), v128.and(v, i32x4.splat(<i32>0x80000000)))
  return v128.bitselect(least, rounded, lost)
}

export function storedScale(v: f32): f32 {
  return f32x4.extract_lane(scaleLanes(f32x4.splat(v)), 0)
}

/** Bits of a value that is a float16 already. */
export function halfBits(v: f32): u16 {
  const bits = reinterpret<u32>(v)
  const sign = (bits >> 16) & 0x8000
  const size = abs<f32>(v)
  if (size < 6.103515625e-5) return <u16>(sign | (<u32>(size * 16777216)))
  return <u16>(sign | (((bits & 0x7fffffff) >> 13) - 0x1c000))
}

/** 1 / v, and 0 where v is 0. */
export function inverseLanes(v: v128): v128 {
  return v128.and(f32x4.div(f32x4.splat(1), v), f32x4.ne(v, f32x4.splat(0)))
}

/** Four vectors of integer codes (elements j .. j + 3 of four groups) as bytes of groups of n, n at a time at `codes`. */
export function storeCodes(a: v128, b: v128, c: v128, d: v128, codes: usize, n: i32): void {
  const low = i16x8.narrow_i32x4_s(a, b)
  const high = i16x8.narrow_i32x4_s(c, d)
  const bytes = v128.shuffle<u8>(low, high, 0, 8, 16, 24, 2, 10, 18, 26, 4, 12, 20, 28, 6, 14, 22, 30)
  v128.store_lane<u32>(codes, bytes, 0)
  v128.store_lane<u32>(codes + n, bytes, 1)
  v128.store_lane<u32>(codes + 2 * n, bytes, 2)
  v128.store_lane<u32>(codes + 3 * n, bytes, 3)
}
