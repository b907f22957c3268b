// Arithmetic on one group of weights. The group is copied to scratch, padded with zeros to a multiple of 16: a padded
// element has code 0 and importance 0 and so adds nothing. Sums run in 8 float32 lanes over segments of 256 elements and
// in float64 across segments; search.ref.ts mirrors that order, so both give the same bits.
const SEGMENT: i32 = 256 * 4 // bytes

export let lo: f32 = 0 // min(x, 0)
export let hi: f32 = 0 // max(x, 0)
export let sumXU: f64 = 0 // sum of h * (x * inverse) * u, u = code - zero
export let sumUU: f64 = 0 // sum of h * u * u
export let sumXU2: f64 = 0 // the same of a second grid
export let sumUU2: f64 = 0
export let sumDD: f64 = 0 // sum of h * (x * inverse - u)^2

export function padded(n: i32): i32 {
  return (n + 15) & ~15
}

export function copyPadded(target: usize, source: usize, n: i32): void {
  memory.copy(target, source, n << 2)
  memory.fill(target + (n << 2), 0, (padded(n) - n) << 2)
}

/** Range of the group with zero in it; NaN or infinite when a weight is. */
export function extent(x: usize, n: i32): void {
  let low = f32x4.splat(0)
  let high = f32x4.splat(0)
  const end = x + (padded(n) << 2)
  for (let p = x; p < end; p += 16) {
    const value = v128.load(p)
    low = f32x4.min(low, value)
    high = f32x4.max(high, value)
  }
  lo = min<f32>(
    min<f32>(f32x4.extract_lane(low, 0), f32x4.extract_lane(low, 1)),
    min<f32>(f32x4.extract_lane(low, 2), f32x4.extract_lane(low, 3)),
  )
  hi = max<f32>(
    max<f32>(f32x4.extract_lane(high, 0), f32x4.extract_lane(high, 1)),
    max<f32>(f32x4.extract_lane(high, 2), f32x4.extract_lane(high, 3)),
  )
}

function total(a: v128, b: v128): f64 {
  const sum = f32x4.add(a, b)
  const left = <f64>f32x4.extract_lane(sum, 0) + <f64>f32x4.extract_lane(sum, 1)
  return left + (<f64>f32x4.extract_lane(sum, 2) + <f64>f32x4.extract_lane(sum, 3))
}

const MAGIC: f32 = 12582912 // 1.5 * 2^23: added, it leaves the nearest integer in the low bits, ties to the even one

/** v rounded within the grid's range, as integer bits over those of MAGIC. */
function magicOf(value: v128, low: v128, high: v128): v128 {
  return f32x4.add(f32x4.pmin(high, f32x4.pmax(low, value)), f32x4.splat(MAGIC))
}

function codeOf(value: v128, low: v128, high: v128): v128 {
  return f32x4.sub(magicOf(value, low, high), f32x4.splat(MAGIC))
}

/** Least-squares sums of the codes that the grid (1 / inverse, zero) gives; sets sumXU and sumUU. */
export function sums(x: usize, h: usize, n: i32, inverse: f32, zero: f32, top: f32): void {
  const scale = f32x4.splat(inverse)
  const low = f32x4.splat(-zero)
  const high = f32x4.splat(top - zero)
  const end = x + (padded(n) << 2)
  let a: f64 = 0
  let b: f64 = 0
  while (x < end) {
    let a0 = f32x4.splat(0),
      a1 = f32x4.splat(0),
      b0 = f32x4.splat(0),
      b1 = f32x4.splat(0)
    const stop = min<usize>(x + SEGMENT, end)
    while (x < stop) {
      const v0 = f32x4.mul(v128.load(x), scale)
      const v1 = f32x4.mul(v128.load(x, 16), scale)
      const u0 = codeOf(v0, low, high)
      const u1 = codeOf(v1, low, high)
      const w0 = f32x4.mul(v128.load(h), u0)
      const w1 = f32x4.mul(v128.load(h, 16), u1)
      a0 = f32x4.add(a0, f32x4.mul(w0, v0))
      a1 = f32x4.add(a1, f32x4.mul(w1, v1))
      b0 = f32x4.add(b0, f32x4.mul(w0, u0))
      b1 = f32x4.add(b1, f32x4.mul(w1, u1))
      x += 32
      h += 32
    }
    a += total(a0, a1)
    b += total(b0, b1)
  }
  sumXU = a
  sumUU = b
}

function fold(sum: v128): f64 {
  const left = <f64>f32x4.extract_lane(sum, 0) + <f64>f32x4.extract_lane(sum, 1)
  return left + (<f64>f32x4.extract_lane(sum, 2) + <f64>f32x4.extract_lane(sum, 3))
}

/** As `sums`, of two grids at once, in 4 float32 lanes: sets sumXU, sumUU, sumXU2, sumUU2. */
export function sumPair(x: usize, h: usize, n: i32, first: f32, second: f32, zero: f32, top: f32): void {
  const s1 = f32x4.splat(first)
  const s2 = f32x4.splat(second)
  const low = f32x4.splat(-zero)
  const high = f32x4.splat(top - zero)
  const end = x + (padded(n) << 2)
  let xu1: f64 = 0,
    uu1: f64 = 0,
    xu2: f64 = 0,
    uu2: f64 = 0
  while (x < end) {
    let a1 = f32x4.splat(0),
      b1 = f32x4.splat(0),
      a2 = f32x4.splat(0),
      b2 = f32x4.splat(0)
    const stop = min<usize>(x + SEGMENT, end)
    for (; x < stop; x += 16, h += 16) {
      const value = v128.load(x)
      const v1 = f32x4.mul(value, s1)
      const v2 = f32x4.mul(value, s2)
      const u1 = codeOf(v1, low, high)
      const u2 = codeOf(v2, low, high)
      const weight = v128.load(h)
      const w1 = f32x4.mul(weight, u1)
      const w2 = f32x4.mul(weight, u2)
      a1 = f32x4.add(a1, f32x4.mul(w1, v1))
      b1 = f32x4.add(b1, f32x4.mul(w1, u1))
      a2 = f32x4.add(a2, f32x4.mul(w2, v2))
      b2 = f32x4.add(b2, f32x4.mul(w2, u2))
    }
    xu1 += fold(a1)
    uu1 += fold(b1)
    xu2 += fold(a2)
    uu2 += fold(b2)
  }
  sumXU = xu1
  sumUU = uu1
  sumXU2 = xu2
  sumUU2 = uu2
}

/** Sums and squared distance of one grid in one pass, in 4 float32 lanes: sets sumXU, sumUU and sumDD. */
export function sumOne(x: usize, h: usize, n: i32, inverse: f32, zero: f32, top: f32): void {
  const scale = f32x4.splat(inverse)
  const low = f32x4.splat(-zero)
  const high = f32x4.splat(top - zero)
  const end = x + (padded(n) << 2)
  let xu: f64 = 0,
    uu: f64 = 0,
    dd: f64 = 0
  while (x < end) {
    let a = f32x4.splat(0),
      b = f32x4.splat(0),
      c = f32x4.splat(0)
    const stop = min<usize>(x + SEGMENT, end)
    for (; x < stop; x += 16, h += 16) {
      const v = f32x4.mul(v128.load(x), scale)
      const u = codeOf(v, low, high)
      const d = f32x4.sub(v, u)
      const weight = v128.load(h)
      const w = f32x4.mul(weight, u)
      const e = f32x4.mul(weight, d)
      a = f32x4.add(a, f32x4.mul(w, v))
      b = f32x4.add(b, f32x4.mul(w, u))
      c = f32x4.add(c, f32x4.mul(e, d))
    }
    xu += fold(a)
    uu += fold(b)
    dd += fold(c)
  }
  sumXU = xu
  sumUU = uu
  sumDD = dd
}

/** Sum of h * (x - scale * u)^2 in float64 for the codes nearest to x * (1 / scale): what the stored grid really costs. */
export function errorAt(x: usize, h: usize, n: i32, scale: f32, zero: f32, top: f32): f64 {
  const step = f32x4.splat(scale)
  const inverse = f32x4.splat(1 / scale)
  const low = f32x4.splat(-zero)
  const high = f32x4.splat(top - zero)
  const end = x + (padded(n) << 2)
  let e0 = f64x2.splat(0),
    e1 = f64x2.splat(0)
  while (x < end) {
    const value = v128.load(x)
    const weight = v128.load(h)
    const d = f32x4.sub(value, f32x4.mul(step, codeOf(f32x4.mul(value, inverse), low, high)))
    const d0 = f64x2.promote_low_f32x4(d)
    const d1 = f64x2.promote_low_f32x4(v128.shuffle<f32>(d, d, 2, 3, 2, 3))
    const w0 = f64x2.promote_low_f32x4(weight)
    const w1 = f64x2.promote_low_f32x4(v128.shuffle<f32>(weight, weight, 2, 3, 2, 3))
    e0 = f64x2.add(e0, f64x2.mul(w0, f64x2.mul(d0, d0)))
    e1 = f64x2.add(e1, f64x2.mul(w1, f64x2.mul(d1, d1)))
    x += 16
    h += 16
  }
  const left = f64x2.extract_lane(e0, 0) + f64x2.extract_lane(e0, 1)
  return left + (f64x2.extract_lane(e1, 0) + f64x2.extract_lane(e1, 1))
}

/** Codes nearest to x * inverse + zero, 16 at a time through `spare` (a padded group of bytes), n of them to `codes`. */
export function encode(x: usize, n: i32, inverse: f32, zero: f32, top: f32, spare: usize, codes: usize): void {
  const scale = f32x4.splat(inverse)
  const low = f32x4.splat(-zero)
  const high = f32x4.splat(top - zero)
  const base = i32x4.splat(reinterpret<i32>(MAGIC) - <i32>zero)
  const count = padded(n)
  for (let i = 0; i < count; i += 16) {
    const p = x + (i << 2)
    const c0 = i32x4.sub(magicOf(f32x4.mul(v128.load(p), scale), low, high), base)
    const c1 = i32x4.sub(magicOf(f32x4.mul(v128.load(p, 16), scale), low, high), base)
    const c2 = i32x4.sub(magicOf(f32x4.mul(v128.load(p, 32), scale), low, high), base)
    const c3 = i32x4.sub(magicOf(f32x4.mul(v128.load(p, 48), scale), low, high), base)
    const first = i16x8.narrow_i32x4_s(c0, c1)
    v128.store(spare + i, i8x16.narrow_i16x8_u(first, i16x8.narrow_i32x4_s(c2, c3)))
  }
  if (spare != codes) memory.copy(codes, spare, n)
}
