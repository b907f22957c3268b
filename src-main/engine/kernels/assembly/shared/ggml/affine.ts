// Scales and offsets of four groups at once for codes 0 .. top: x ~ s q + b.
//   for each trial (k, shift):  q = clamp(round((x - lo) k / (hi - lo) + shift))
//   s, b by least squares for these codes; explained = s sum(h x q) + b sum(h x); the trial that explains most wins
// `h` 0 stands for ones. Then codes and (s, b) are refined in turn. With `capped`, b <= 0 (the K types store -b without a sign).
import { clampLanes, inverseLanes, MAGIC, MAGIC_BITS, roundLanes, storeCodes } from './lanes'

const TINY: f32 = 1.4901161193847656e-8 // 2^-26, see lanes.ts

export let bestS: v128 = f32x4.splat(0)
export let bestB: v128 = f32x4.splat(0)
export let sumH: v128 = f32x4.splat(0) // sum h
export let sumHX: v128 = f32x4.splat(0) // sum h x
export let sumQ: v128 = f32x4.splat(0) // sum h q of the codes that gave bestS and bestB

let sumQQ: v128 = f32x4.splat(0)
let sumXQ: v128 = f32x4.splat(0)

function sums(x: usize, h: usize, n: i32, inverse: v128, shift: v128, top: v128): void {
  const zero = f32x4.splat(0)
  let q1 = f32x4.splat(0)
  let q2 = f32x4.splat(0)
  let xq = f32x4.splat(0)
  const end = x + ((<usize>n) << 4)
  if (h == 0)
    for (; x < end; x += 16) {
      const value = v128.load(x)
      const q = roundLanes(clampLanes(f32x4.add(f32x4.mul(value, inverse), shift), zero, top))
      q1 = f32x4.add(q1, q)
      q2 = f32x4.add(q2, f32x4.mul(q, q))
      xq = f32x4.add(xq, f32x4.mul(q, value))
    }
  for (; x < end; x += 16, h += 16) {
    const value = v128.load(x)
    const q = roundLanes(clampLanes(f32x4.add(f32x4.mul(value, inverse), shift), zero, top))
    const w = f32x4.mul(v128.load(h), q)
    q1 = f32x4.add(q1, w)
    q2 = f32x4.add(q2, f32x4.mul(w, q))
    xq = f32x4.add(xq, f32x4.mul(w, value))
  }
  sumQ = q1
  sumQQ = q2
  sumXQ = xq
}

/** Least squares for the gathered sums; keeps what explains more than `best` and returns the new best. */
function solve(best: v128, capped: bool): v128 {
  const det = f32x4.sub(f32x4.mul(sumH, sumQQ), f32x4.mul(sumQ, sumQ))
  let s = f32x4.div(f32x4.sub(f32x4.mul(sumH, sumXQ), f32x4.mul(sumHX, sumQ)), det)
  let b = f32x4.div(f32x4.sub(f32x4.mul(sumQQ, sumHX), f32x4.mul(sumQ, sumXQ)), det)
  if (capped) {
    const over = f32x4.gt(b, f32x4.splat(0))
    s = v128.bitselect(f32x4.div(sumXQ, sumQQ), s, over)
    b = v128.andnot(b, over)
  }
  const explained = f32x4.add(f32x4.mul(s, sumXQ), f32x4.mul(b, sumHX))
  const better = v128.and(f32x4.gt(explained, best), f32x4.gt(s, f32x4.splat(0)))
  bestS = v128.bitselect(s, bestS, better)
  bestB = v128.bitselect(b, bestB, better)
  keptQ = v128.bitselect(sumQ, keptQ, better)
  return v128.bitselect(explained, best, better)
}

let keptQ: v128 = f32x4.splat(0)

/** Sets bestS, bestB, sumH, sumHX and sumQ. `table`: `trials` pairs (k, shift) of float32. */
export function bestLine(
  x: usize,
  h: usize,
  n: i32,
  range: usize,
  top: v128,
  capped: bool,
  table: usize,
  trials: i32,
  rounds: i32,
): void {
  let lo = v128.load(range)
  let hi = v128.load(range, 16)
  if (capped) {
    lo = f32x4.pmin(lo, f32x4.splat(0))
    hi = f32x4.pmax(hi, f32x4.splat(0))
  }
  let h1 = f32x4.splat(0)
  let hx = f32x4.splat(0)
  const end = x + ((<usize>n) << 4)
  if (h == 0) {
    h1 = f32x4.splat(<f32>n)
    for (let p = x; p < end; p += 16) hx = f32x4.add(hx, v128.load(p))
  } else
    for (let p = x, w = h; p < end; p += 16, w += 16) {
      const weight = v128.load(w)
      h1 = f32x4.add(h1, weight)
      hx = f32x4.add(hx, f32x4.mul(weight, v128.load(p)))
    }
  sumH = h1
  sumHX = hx
  bestS = f32x4.splat(0)
  bestB = f32x4.div(hx, h1)
  if (capped) bestB = f32x4.pmin(bestB, f32x4.splat(0))
  keptQ = f32x4.splat(0)
  let best = f32x4.mul(bestB, hx)
  const width = f32x4.sub(hi, lo)
  const unit = v128.and(f32x4.div(f32x4.splat(1), width), f32x4.gt(width, f32x4.splat(TINY)))
  for (let t = 0; t < trials; t++) {
    const inverse = f32x4.mul(unit, v128.load_splat<f32>(table + (t << 3)))
    const shift = f32x4.sub(v128.load_splat<f32>(table + (t << 3), 4), f32x4.mul(lo, inverse))
    sums(x, h, n, inverse, shift, top)
    best = solve(best, capped)
  }
  for (let round = 0; round < rounds; round++) {
    const inverse = inverseLanes(bestS)
    sums(x, h, n, inverse, f32x4.neg(f32x4.mul(bestB, inverse)), top)
    best = solve(best, capped)
  }
  sumQ = keptQ
}

/** sum h (x - (s q + b))^2 a lane, q the codes nearest to (x - b) / s. */
export function errorOf(x: usize, h: usize, n: i32, s: v128, b: v128, top: v128): v128 {
  const inverse = inverseLanes(s)
  const shift = f32x4.neg(f32x4.mul(b, inverse))
  const zero = f32x4.splat(0)
  let error = f32x4.splat(0)
  const end = x + ((<usize>n) << 4)
  if (h == 0)
    for (; x < end; x += 16) {
      const value = v128.load(x)
      const q = roundLanes(clampLanes(f32x4.add(f32x4.mul(value, inverse), shift), zero, top))
      const e = f32x4.sub(value, f32x4.add(f32x4.mul(s, q), b))
      error = f32x4.add(error, f32x4.mul(e, e))
    }
  for (; x < end; x += 16, h += 16) {
    const value = v128.load(x)
    const q = roundLanes(clampLanes(f32x4.add(f32x4.mul(value, inverse), shift), zero, top))
    const e = f32x4.sub(value, f32x4.add(f32x4.mul(s, q), b))
    error = f32x4.add(error, f32x4.mul(f32x4.mul(v128.load(h), e), e))
  }
  return error
}

/** Sums for the refit across groups: [sum h q, sum h q^2, sum h x q] vectors at `out`. */
export function fitSums(x: usize, h: usize, n: i32, s: v128, b: v128, top: v128, out: usize): void {
  const inverse = inverseLanes(s)
  sums(x, h, n, inverse, f32x4.neg(f32x4.mul(b, inverse)), top)
  v128.store(out, sumQ)
  v128.store(out, sumQQ, 16)
  v128.store(out, sumXQ, 32)
}

/** Codes of four groups as bytes, group g at codes + g * n. */
export function encodeLanes(x: usize, n: i32, s: v128, b: v128, top: v128, codes: usize): void {
  const inverse = inverseLanes(s)
  const shift = f32x4.neg(f32x4.mul(b, inverse))
  const magic = f32x4.splat(MAGIC)
  const base = i32x4.splat(MAGIC_BITS)
  const zero = f32x4.splat(0)
  for (let j = 0; j < n; j += 4, x += 64, codes += 4) {
    const a = clampLanes(f32x4.add(f32x4.mul(v128.load(x), inverse), shift), zero, top)
    const c = clampLanes(f32x4.add(f32x4.mul(v128.load(x, 16), inverse), shift), zero, top)
    const d = clampLanes(f32x4.add(f32x4.mul(v128.load(x, 32), inverse), shift), zero, top)
    const e = clampLanes(f32x4.add(f32x4.mul(v128.load(x, 48), inverse), shift), zero, top)
    storeCodes(
      i32x4.sub(f32x4.add(a, magic), base),
      i32x4.sub(f32x4.add(c, magic), base),
      i32x4.sub(f32x4.add(d, magic), base),
      i32x4.sub(f32x4.add(e, magic), base),
      codes,
      n,
    )
  }
}
