// MXFP4: OCP Microscaling Formats specification 1.0. Values are 4-bit floats (E2M1), held here twice as large:
// 0 1 2 3 4 6 8 12, and the scale is a power of two, so there is nothing to fit: a few exponents are tried.
import { orOnes, inverseLanes, MAGIC, MAGIC_BITS, storeCodes } from './lanes'

/** |x| / s to the nearest of 0 1 2 3 4 6 8 12: steps of 1 up to 4, of 2 up to 8, of 4 up to 12. */
function nearest(size: v128): v128 {
  const four = f32x4.splat(4)
  const eight = f32x4.splat(8)
  const wide = v128.bitselect(four, f32x4.splat(2), f32x4.gt(size, eight))
  const step = v128.bitselect(wide, f32x4.splat(1), f32x4.gt(size, four))
  const part = v128.bitselect(f32x4.splat(0.25), f32x4.splat(0.5), f32x4.gt(size, eight))
  const inverse = v128.bitselect(part, f32x4.splat(1), f32x4.gt(size, four))
  return f32x4.mul(f32x4.nearest(f32x4.mul(f32x4.pmin(f32x4.splat(12), size), inverse)), step)
}

function errorOf(x: usize, h: usize, n: i32, scale: v128): v128 {
  const inverse = inverseLanes(scale)
  h = orOnes(h)
  let error = f32x4.splat(0)
  for (let end = x + ((<usize>n) << 4); x < end; x += 16, h += 16) {
    const size = f32x4.abs(v128.load(x))
    const e = f32x4.sub(size, f32x4.mul(scale, nearest(f32x4.mul(size, inverse))))
    error = f32x4.add(error, f32x4.mul(f32x4.mul(v128.load(h), e), e))
  }
  return error
}

/** Exponent bytes of four groups as integers; tries from one above the largest weight's own (less 2) downwards. */
export function bestExponent(x: usize, h: usize, n: i32, range: usize, trials: i32): v128 {
  const most = f32x4.pmax(v128.load(range, 16), f32x4.neg(v128.load(range)))
  const top = i32x4.sub(i32x4.shr_u(most, 23), i32x4.splat(1))
  let chosen = i32x4.splat(0)
  let best = f32x4.splat(Infinity)
  for (let t = 0; t < trials; t++) {
    const exponent = i32x4.max_s(i32x4.splat(2), i32x4.sub(top, i32x4.splat(t)))
    const error = errorOf(x, h, n, scaleOf(exponent))
    const better = f32x4.lt(error, best)
    best = v128.bitselect(error, best, better)
    chosen = v128.bitselect(exponent, chosen, better)
  }
  return v128.and(chosen, f32x4.gt(most, f32x4.splat(0)))
}

/** 2^(exponent - 128) for exponents from 2 on, 0 for 0. */
export function scaleOf(exponent: v128): v128 {
  const bits = i32x4.shl(i32x4.sub(exponent, i32x4.splat(1)), 23)
  return v128.and(bits, i32x4.gt_s(exponent, i32x4.splat(0)))
}

function codeOf(x: usize, inverse: v128): v128 {
  const value = v128.load(x)
  const u = nearest(f32x4.mul(f32x4.abs(value), inverse))
  // 0 1 2 3 4 6 8 12 -> 0 .. 7: less the half of what is above 4, less a quarter of what is above 8
  const zero = f32x4.splat(0)
  const over4 = f32x4.mul(f32x4.pmax(zero, f32x4.sub(u, f32x4.splat(4))), f32x4.splat(0.5))
  const over8 = f32x4.mul(f32x4.pmax(zero, f32x4.sub(u, f32x4.splat(8))), f32x4.splat(0.25))
  const index = f32x4.sub(f32x4.sub(u, over4), over8)
  const code = i32x4.sub(f32x4.add(index, f32x4.splat(MAGIC)), i32x4.splat(MAGIC_BITS))
  const sign = v128.and(f32x4.lt(value, zero), i32x4.gt_s(code, i32x4.splat(0)))
  return v128.or(code, v128.and(sign, i32x4.splat(8)))
}

export function encodeLanes(x: usize, n: i32, scale: v128, codes: usize): void {
  const inverse = inverseLanes(scale)
  for (let j = 0; j < n; j += 4, x += 64, codes += 4)
    storeCodes(codeOf(x, inverse), codeOf(x + 16, inverse), codeOf(x + 32, inverse), codeOf(x + 48, inverse), codes, n)
}
