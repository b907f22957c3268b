// Source bytes to float32, with a look at every weight: what is NaN, infinite or beyond `limit` is found on the way.

/** Of the weights: 0 float32, 1 float16, 2 bfloat16. */
export type SourceKind = i32

export function sourceBytes(kind: SourceKind): i32 {
  return kind == 0 ? 4 : 2
}

/** Four float16 in the low halves of 32-bit lanes to float32. Subnormals by taking 2^-14 away again, which is exact. */
export function widenHalf(bits: v128): v128 {
  const shifted = i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13)
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16)
  const normal = i32x4.add(shifted, i32x4.splat(0x38000000))
  const small = f32x4.sub(i32x4.add(shifted, i32x4.splat(0x38800000)), f32x4.splat(6.103515625e-5))
  const isSmall = i32x4.lt_s(shifted, i32x4.splat(0x800000))
  const special = v128.and(i32x4.ge_s(shifted, i32x4.splat(0x0f800000)), i32x4.splat(0x38000000))
  return v128.or(i32x4.add(v128.bitselect(small, normal, isSmall), special), sign)
}

/** The same for eight where none is 0, subnormal, infinite or NaN: the exponent is moved, sign and all. */
function widenNormal(bits: v128): v128 {
  const spread = v128.and(i32x4.shl(bits, 13), i32x4.splat(<i32>0x8fffe000))
  return i32x4.add(spread, i32x4.splat(0x38000000))
}

/** `n` weights to `to`, zeros up to `padded`. Returns whether all are within `limit` (a float32 bit pattern, which orders
 *  magnitudes and puts infinity and NaN above all; float16 weights need only be finite). */
export function readWeights(kind: SourceKind, from: usize, to: usize, n: i32, padded: i32, limit: i32): bool {
  const whole = n & ~7
  let good = kind == 0 ? readFloats(from, to, whole, limit) : readShorts(kind, from, to, whole, limit)
  from += <usize>whole * sourceBytes(kind)
  to += (<usize>whole) << 2
  for (let i = whole; i < n; i++) {
    const value = readOne(kind, from)
    store<f32>(to, value)
    if ((reinterpret<i32>(value) & 0x7fffffff) > limit) good = false
    from += sourceBytes(kind)
    to += 4
  }
  memory.fill(to, 0, (padded - n) << 2)
  return good
}

export function readFloats(from: usize, to: usize, n: i32, limit: i32): bool {
  let most = i32x4.splat(0)
  const magnitude = i32x4.splat(0x7fffffff)
  for (let end = from + ((<usize>n) << 2); from < end; from += 16, to += 16) {
    const a = v128.load(from)
    v128.store(to, a)
    most = i32x4.max_s(most, v128.and(a, magnitude))
  }
  return !v128.any_true(i32x4.gt_s(most, i32x4.splat(limit)))
}

function readShorts(kind: SourceKind, from: usize, to: usize, n: i32, limit: i32): bool {
  let most = i16x8.splat(0)
  const magnitude = i16x8.splat(0x7fff)
  const end = from + ((<usize>n) << 1)
  if (kind == 2) {
    for (; from < end; from += 16, to += 32) {
      const bits = v128.load(from)
      most = i16x8.max_s(most, v128.and(bits, magnitude))
      v128.store(to, i32x4.shl(i32x4.extend_low_i16x8_u(bits), 16))
      v128.store(to, i32x4.shl(i32x4.extend_high_i16x8_u(bits), 16), 16)
    }
    return !v128.any_true(i16x8.gt_s(most, i16x8.splat(<i16>(limit >> 16))))
  }
  const exponent = i16x8.splat(0x7c00)
  for (; from < end; from += 16, to += 32) {
    const bits = v128.load(from)
    most = i16x8.max_s(most, v128.and(bits, magnitude))
    if (v128.any_true(i16x8.eq(v128.and(bits, exponent), i16x8.splat(0)))) {
      v128.store(to, widenHalf(i32x4.extend_low_i16x8_u(bits)))
      v128.store(to, widenHalf(i32x4.extend_high_i16x8_u(bits)), 16)
    } else {
      v128.store(to, widenNormal(i32x4.extend_low_i16x8_s(bits)))
      v128.store(to, widenNormal(i32x4.extend_high_i16x8_s(bits)), 16)
    }
  }
  return !v128.any_true(i16x8.ge_s(most, exponent))
}

export function readOne(kind: SourceKind, from: usize): f32 {
  if (kind == 0) return load<f32>(from)
  if (kind == 2) return reinterpret<f32>((<u32>load<u16>(from)) << 16)
  return f32x4.extract_lane(widenHalf(i32x4.splat(<i32>load<u16>(from))), 0)
}

/** Index of the first weight beyond the limit. */
export function firstBeyond(kind: SourceKind, from: usize, n: i32, limit: i32): i32 {
  for (let i = 0; i < n; i++) {
    const bits = reinterpret<i32>(readOne(kind, from + <usize>i * sourceBytes(kind))) & 0x7fffffff
    if (bits > limit) return i
  }
  return -1
}
