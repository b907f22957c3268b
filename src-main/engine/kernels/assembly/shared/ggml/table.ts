// Scales of four groups at once for the 16 values of IQ4_NL: as symmetric.ts, but u is the value nearest to x / s,
// found for 16 weights at a time: x / s is rounded to a byte, whose upper five bits choose one of 32 bins. No bin holds
// more than one border between values, so a code is the bin's first code, plus one from the border on.
import { orOnes, clampLanes, inverseLanes, MAGIC, MAGIC_BITS, unitOf } from './lanes'

const VALUES = memory.data<i8>([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])
const FIRST = memory.data<i8>([
  0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 7, 8, 9, 9, 10, 11, 11, 12, 12, 13, 13, 14, 14, 14, 15, 15, 15,
])
const BORDER = memory.data<i8>([
  127, -115, 127, 127, -93, 127, -74, 127, -57, 127, -42, 127, -28, 127, 127, -4, 7, 127, 19, 127, 127, 46, 127, 61,
  127, 79, 127, 127, 101, 127, 127, 127,
])

let sumXU: v128 = f32x4.splat(0)
let sumUU: v128 = f32x4.splat(0)

function rounded(x: usize, inverse: v128): v128 {
  const v = clampLanes(f32x4.mul(v128.load(x), inverse), f32x4.splat(-127), f32x4.splat(113))
  return i32x4.sub(f32x4.add(v, f32x4.splat(MAGIC)), i32x4.splat(MAGIC_BITS))
}

/** Codes of elements j .. j + 3 of four groups: 16 bytes, the groups of one element side by side. */
function codes16(x: usize, inverse: v128): v128 {
  const low = i16x8.narrow_i32x4_s(rounded(x, inverse), rounded(x + 16, inverse))
  const high = i16x8.narrow_i32x4_s(rounded(x + 32, inverse), rounded(x + 48, inverse))
  const v = i8x16.narrow_i16x8_s(low, high)
  const bin = v128.and(i16x8.shr_u(v128.xor(v, i8x16.splat(-128)), 3), i8x16.splat(31))
  const late = i8x16.sub(bin, i8x16.splat(16)) // a lookup beyond 15 gives 0
  const first = v128.or(i8x16.swizzle(v128.load(FIRST), bin), i8x16.swizzle(v128.load(FIRST, 16), late))
  const border = v128.or(i8x16.swizzle(v128.load(BORDER), bin), i8x16.swizzle(v128.load(BORDER, 16), late))
  return i8x16.sub(first, i8x16.ge_s(v, border))
}

function sums(x: usize, h: usize, n: i32, inverse: v128): void {
  h = orOnes(h)
  let xu = f32x4.splat(0)
  let uu = f32x4.splat(0)
  for (let end = x + ((<usize>n) << 4); x < end; x += 64, h += 64) {
    const values = i8x16.swizzle(v128.load(VALUES), codes16(x, inverse))
    const low = i16x8.extend_low_i8x16_s(values)
    const high = i16x8.extend_high_i8x16_s(values)
    const a = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low))
    const b = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low))
    const c = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high))
    const d = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high))
    const wa = f32x4.mul(v128.load(h), a)
    const wb = f32x4.mul(v128.load(h, 16), b)
    const wc = f32x4.mul(v128.load(h, 32), c)
    const wd = f32x4.mul(v128.load(h, 48), d)
    xu = f32x4.add(xu, f32x4.mul(wa, v128.load(x)))
    uu = f32x4.add(uu, f32x4.mul(wa, a))
    xu = f32x4.add(xu, f32x4.mul(wb, v128.load(x, 16)))
    uu = f32x4.add(uu, f32x4.mul(wb, b))
    xu = f32x4.add(xu, f32x4.mul(wc, v128.load(x, 32)))
    uu = f32x4.add(uu, f32x4.mul(wc, c))
    xu = f32x4.add(xu, f32x4.mul(wd, v128.load(x, 48)))
    uu = f32x4.add(uu, f32x4.mul(wd, d))
  }
  sumXU = xu
  sumUU = uu
}

/** As bestScale of symmetric.ts. */
export function bestScale(x: usize, h: usize, n: i32, range: usize, table: usize, trials: i32, rounds: i32): v128 {
  const unit = unitOf(range)
  let best = f32x4.splat(0)
  let scale = f32x4.splat(0)
  for (let t = 0; t < trials; t++) {
    sums(x, h, n, f32x4.mul(unit, v128.load_splat<f32>(table + (t << 2))))
    const ratio = f32x4.div(sumXU, sumUU)
    const explained = f32x4.mul(sumXU, ratio)
    const better = f32x4.gt(explained, best)
    best = v128.bitselect(explained, best, better)
    scale = v128.bitselect(ratio, scale, better)
  }
  for (let round = 0; round < rounds; round++) {
    sums(x, h, n, inverseLanes(scale))
    scale = v128.bitselect(f32x4.div(sumXU, sumUU), scale, f32x4.ne(scale, f32x4.splat(0)))
  }
  return scale
}

/** sum h (x - s u)^2 a lane. */
export function errorOf(x: usize, h: usize, n: i32, scale: v128): v128 {
  const inverse = inverseLanes(scale)
  h = orOnes(h)
  let error = f32x4.splat(0)
  for (let end = x + ((<usize>n) << 4); x < end; x += 64, h += 64) {
    const values = i8x16.swizzle(v128.load(VALUES), codes16(x, inverse))
    const low = i16x8.extend_low_i8x16_s(values)
    const high = i16x8.extend_high_i8x16_s(values)
    const a = f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)))
    const b = f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)))
    const c = f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)))
    const d = f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)))
    const ea = f32x4.sub(v128.load(x), a)
    const eb = f32x4.sub(v128.load(x, 16), b)
    const ec = f32x4.sub(v128.load(x, 32), c)
    const ed = f32x4.sub(v128.load(x, 48), d)
    error = f32x4.add(error, f32x4.mul(f32x4.mul(v128.load(h), ea), ea))
    error = f32x4.add(error, f32x4.mul(f32x4.mul(v128.load(h, 16), eb), eb))
    error = f32x4.add(error, f32x4.mul(f32x4.mul(v128.load(h, 32), ec), ec))
    error = f32x4.add(error, f32x4.mul(f32x4.mul(v128.load(h, 48), ed), ed))
  }
  return error
}

/** [sum h x u, sum h u^2] vectors at `out`. */
export function fitSums(x: usize, h: usize, n: i32, scale: v128, out: usize): void {
  sums(x, h, n, inverseLanes(scale))
  v128.store(out, sumXU)
  v128.store(out, sumUU, 16)
}

/** Codes of four groups as bytes, group g at codes + g * n. */
export function encodeLanes(x: usize, n: i32, scale: v128, codes: usize): void {
  const inverse = inverseLanes(scale)
  for (let j = 0; j < n; j += 4, x += 64, codes += 4) {
    const side = codes16(x, inverse)
    const bytes = v128.shuffle<u8>(side, side, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
    v128.store_lane<u32>(codes, bytes, 0)
    v128.store_lane<u32>(codes + n, bytes, 1)
    v128.store_lane<u32>(codes + 2 * n, bytes, 2)
    v128.store_lane<u32>(codes + 3 * n, bytes, 3)
  }
}
