// Two searches for a group's uniform grid beside quantize.ts.
// HQQ (Badri and Shaji 2023, section 2): minimises sum h |w - s u|^p, p < 1, which forgives outliers, by half-quadratic
// splitting, in units of the step:
//   r = w / s - u      e = sign(r) max(|r| - |r|^(p - 1) / beta, 0)      s = sum h (w - s e) u / sum h u^2      beta grows
// Elastic: one 8-bit code for all widths. Width b reads the b highest bits, rounded by the next one:
//   k = 8 - b    u_b = min((u + 2^(k - 1)) >> k, 2^(b - 1) - 1)    w_b = s 2^k u_b    s = argmin sum_b 4^b sum h (w - w_b)^2
// Everything is per row; sums run in float64 lanes, as grids.ref.ts has them.
import { copyPadded, extent, hi, lo, padded } from './shared/group'
import { storedScale } from './shared/scale'

const factors: usize = memory.data(256)

let bits: i32 = 4
let half: bool = true
let reach: i32 = 0 // HQQ: zero points tried on each side
let power: i32 = 3 // HQQ: p in quarters, 2 or 3
let beta: f32 = 10
let kappa: f32 = 1.01
let rounds: i32 = 20
let most: f64 = Infinity // HQQ: squared error that a group may end with, in those it starts with
let lowest: i32 = 2 // elastic: the narrowest width that counts
let factorCount: i32 = 0

let sumXU: f64 = 0
let sumUU: f64 = 0

export function heapBase(): usize {
  return __heap_base
}

export function factorsAt(): usize {
  return factors
}

export function configureHqq(
  newBits: i32,
  newHalf: bool,
  newReach: i32,
  newPower: i32,
  newBeta: f32,
  newKappa: f32,
  newRounds: i32,
  newMost: f64,
): void {
  bits = newBits
  half = newHalf
  reach = newReach
  power = newPower
  beta = newBeta
  kappa = newKappa
  rounds = newRounds
  most = newMost
}

export function configureElastic(newHalf: bool, newLowest: i32, newFactorCount: i32): void {
  half = newHalf
  lowest = newLowest
  factorCount = newFactorCount
}

function total(a: v128, b: v128): f64 {
  const left = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1)
  return left + (f64x2.extract_lane(b, 0) + f64x2.extract_lane(b, 1))
}

function low(v: v128): v128 {
  return f64x2.promote_low_f32x4(v)
}

function high(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3))
}

function codeOf(value: v128, least: v128, most: v128): v128 {
  return f32x4.nearest(f32x4.pmin(most, f32x4.pmax(least, value)))
}

/** sum h |w - s u|^p. */
function lossAt(x: usize, h: usize, n: i32, scale: f32, zero: f32, top: f32): f64 {
  const step = f32x4.splat(scale)
  const least = f32x4.splat(-zero)
  const most = f32x4.splat(top - zero)
  const end = x + (padded(n) << 2)
  let a = f64x2.splat(0)
  let b = f64x2.splat(0)
  while (x < end) {
    const value = v128.load(x)
    const u = codeOf(f32x4.div(value, step), least, most)
    const root = f32x4.sqrt(f32x4.abs(f32x4.sub(value, f32x4.mul(step, u))))
    const cost = power == 2 ? root : f32x4.mul(root, f32x4.sqrt(root))
    const weight = v128.load(h)
    a = f64x2.add(a, f64x2.mul(low(weight), low(cost)))
    b = f64x2.add(b, f64x2.mul(high(weight), high(cost)))
    x += 16
    h += 16
  }
  return total(a, b)
}

/** sum h (w - s u)^2. */
function squaresAt(x: usize, h: usize, n: i32, scale: f32, zero: f32, top: f32): f64 {
  const step = f32x4.splat(scale)
  const least = f32x4.splat(-zero)
  const limit = f32x4.splat(top - zero)
  const end = x + (padded(n) << 2)
  let a = f64x2.splat(0)
  let b = f64x2.splat(0)
  while (x < end) {
    const value = v128.load(x)
    const rest = f32x4.sub(value, f32x4.mul(step, codeOf(f32x4.div(value, step), least, limit)))
    const weight = v128.load(h)
    a = f64x2.add(a, f64x2.mul(low(weight), f64x2.mul(low(rest), low(rest))))
    b = f64x2.add(b, f64x2.mul(high(weight), f64x2.mul(high(rest), high(rest))))
    x += 16
    h += 16
  }
  return total(a, b)
}

/** Sets sumXU = sum h (w - s e) u and sumUU = sum h u^2. */
function proximal(x: usize, h: usize, n: i32, scale: f32, zero: f32, top: f32, b: f32): void {
  const step = f32x4.splat(scale)
  const least = f32x4.splat(-zero)
  const most = f32x4.splat(top - zero)
  const none = f32x4.splat(0)
  const end = x + (padded(n) << 2)
  let a0 = f64x2.splat(0)
  let a1 = f64x2.splat(0)
  let b0 = f64x2.splat(0)
  let b1 = f64x2.splat(0)
  while (x < end) {
    const value = v128.load(x)
    const v = f32x4.div(value, step)
    const u = codeOf(v, least, most)
    const r = f32x4.sub(v, u)
    const size = f32x4.abs(r)
    const root = f32x4.sqrt(size)
    // |r|^(p - 1) is 1 / sqrt|r| or the root of that; infinite for 0, where nothing is left anyway.
    const pull = f32x4.div(f32x4.splat(1 / b), power == 2 ? root : f32x4.sqrt(root))
    const kept = f32x4.pmax(none, f32x4.sub(size, pull))
    const e = v128.or(kept, v128.and(r, i32x4.splat(0x80000000)))
    const clean = f32x4.sub(value, f32x4.mul(step, e))
    const weight = v128.load(h)
    const w0 = f64x2.mul(low(weight), low(u))
    const w1 = f64x2.mul(high(weight), high(u))
    a0 = f64x2.add(a0, f64x2.mul(w0, low(clean)))
    a1 = f64x2.add(a1, f64x2.mul(w1, high(clean)))
    b0 = f64x2.add(b0, f64x2.mul(w0, low(u)))
    b1 = f64x2.add(b1, f64x2.mul(w1, high(u)))
    x += 16
    h += 16
  }
  sumXU = total(a0, a1)
  sumUU = total(b0, b1)
}

/** Codes of rows under the scales and zero points found; in and out: scales and zeros [rows, groups]. scratch: 8 bytes a padded
 *  element. */
export function hqqRows(
  x: usize,
  h: usize,
  codes: usize,
  scales: usize,
  zeros: usize,
  rows: i32,
  cols: i32,
  groupSize: i32,
  scratch: usize,
): void {
  const top = <f32>((1 << bits) - 1)
  const scratchH = scratch + (padded(groupSize) << 2)
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c += groupSize) {
      const n = min<i32>(groupSize, cols - c)
      const source = x + ((<usize>r * cols + c) << 2)
      copyPadded(scratch, source, n)
      copyPadded(scratchH, h + (c << 2), n)
      const startScale = load<f32>(scales)
      const startZero = <f32>load<u8>(zeros)
      let scale = startScale
      let zero = startZero
      let best = lossAt(scratch, scratchH, n, scale, zero, top)
      const limit = most < Infinity ? most * squaresAt(scratch, scratchH, n, scale, zero, top) : Infinity
      const from = max<f32>(0, startZero - <f32>reach)
      const to = min<f32>(top, startZero + <f32>reach)
      for (let z = from; z <= to; z++) {
        let current = startScale
        let b = beta
        for (let round = 0; round < rounds; round++) {
          proximal(scratch, scratchH, n, current, z, top, b)
          if (sumUU == 0) break
          const next = storedScale(<f32>(sumXU / sumUU), half)
          if (next == current && round > 0) break
          const loss = lossAt(scratch, scratchH, n, next, z, top)
          if (loss < best && (limit == Infinity || squaresAt(scratch, scratchH, n, next, z, top) <= limit)) {
            best = loss
            scale = next
            zero = z
          }
          current = next
          b *= kappa
        }
      }
      store<f32>(scales, scale)
      store<u8>(zeros, <u8>zero)
      scales += 4
      zeros++
      const target = codes + <usize>r * cols + c
      for (let i = 0; i < n; i++) {
        const u = nearest<f32>(min<f32>(top - zero, max<f32>(-zero, load<f32>(source + (i << 2)) / scale)))
        store<u8>(target + i, <u8>(u + zero))
      }
    }
  }
}

/** sum over the widths of 4^b sum h (w - w_b)^2. */
function elasticError(x: usize, h: usize, n: i32, scale: f32): f64 {
  const step = f32x4.splat(scale)
  const end = x + (padded(n) << 2)
  let e0 = f64x2.splat(0)
  let e1 = f64x2.splat(0)
  while (x < end) {
    const value = v128.load(x)
    const weight = v128.load(h)
    const u = i32x4.trunc_sat_f32x4_s(codeOf(f32x4.div(value, step), f32x4.splat(-128), f32x4.splat(127)))
    let sum = f32x4.splat(0)
    for (let b = lowest; b <= 8; b++) {
      const k = 8 - b
      const raised = i32x4.add(u, i32x4.splat((1 << k) >> 1))
      const narrow = i32x4.min_s(i32x4.shr_s(raised, k), i32x4.splat((1 << (b - 1)) - 1))
      const wide = f32x4.splat(scale * <f32>(1 << k))
      const d = f32x4.sub(value, f32x4.mul(wide, f32x4.convert_i32x4_s(narrow)))
      const steps = f32x4.div(d, step) // in steps of the parent, so that no square leaves float32
      sum = f32x4.add(sum, f32x4.mul(f32x4.splat(<f32>(1 << (2 * b))), f32x4.mul(steps, steps)))
    }
    e0 = f64x2.add(e0, f64x2.mul(low(weight), low(sum)))
    e1 = f64x2.add(e1, f64x2.mul(high(weight), high(sum)))
    x += 16
    h += 16
  }
  return total(e0, e1) * (<f64>scale * <f64>scale)
}

/** Codes 0..255 around 128 and scales [rows, groups]; 0 where a group holds nothing but zeros. Returns the flat index of the
 *  first weight that is not finite, or -1. */
export function elasticRows(
  x: usize,
  h: usize,
  codes: usize,
  scales: usize,
  rows: i32,
  cols: i32,
  groupSize: i32,
  scratch: usize,
): i32 {
  const scratchH = scratch + (padded(groupSize) << 2)
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c += groupSize) {
      const n = min<i32>(groupSize, cols - c)
      const source = x + ((<usize>r * cols + c) << 2)
      copyPadded(scratch, source, n)
      copyPadded(scratchH, h + (c << 2), n)
      extent(scratch, n)
      if (!isFinite<f32>(lo) || !isFinite<f32>(hi)) return firstBad(source, n) + r * cols + c
      const most = max<f32>(-lo, hi)
      let scale: f32 = 0
      if (most > 0) {
        const plain: f32 = most / 127
        scale = storedScale(plain, half)
        let error = elasticError(scratch, scratchH, n, scale)
        for (let k = 0; k < factorCount; k++) {
          const tried = storedScale(plain * load<f32>(factors + (k << 2)), half)
          const found = elasticError(scratch, scratchH, n, tried)
          if (found < error) {
            error = found
            scale = tried
          }
        }
      }
      store<f32>(scales, scale)
      scales += 4
      const target = codes + <usize>r * cols + c
      for (let i = 0; i < n; i++) {
        const v: f32 = scale == 0 ? 0 : load<f32>(source + (i << 2)) / scale
        store<u8>(target + i, <u8>(nearest<f32>(min<f32>(127, max<f32>(-128, v))) + 128))
      }
    }
  }
  return -1
}

function firstBad(x: usize, n: i32): i32 {
  for (let i = 0; i < n; i++) if (!isFinite<f32>(load<f32>(x + (i << 2)))) return i
  return 0
}

/** Codes 0..255 of the parent to those of a width. */
export function readBits(codes: usize, out: usize, n: i32, width: i32): void {
  const k = 8 - width
  const round = (1 << k) >> 1
  const most = (1 << width) - 1
  for (let i = 0; i < n; i++) store<u8>(out + i, <u8>min<i32>(most, (<i32>load<u8>(codes + i) + round) >> k))
}
