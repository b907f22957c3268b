// Range search of four groups at once in 16-bit integers, for weights that all matter alike. A group becomes a = round(k x),
// k = unit / its largest magnitude, two neighbouring weights a 32-bit lane and one group a lane, so that sums need no folding:
//   u = clamp((a b + 2^14) >> 15, -z, top - z)     b = 2^15 / (k t) for a scale t
//   s = sum(a u) / (k sum(u^2))     explained = sum(a u)^2 / sum(u^2), the largest wins
//   gain of a stored s: k s (2 sum(a u) - k s sum(u^2)), which is sum(a^2) less the squared error
// Every second scale is tried, then the two beside the best; its s is refitted and stored while the gain grows; at last the true
// errors of that grid and the plain one decide. Sums of integers are exact in whatever order: short-search.ref.ts has the same bits.
import { storedScales } from './lane-search'

let bits: i32 = 4
let symmetric: bool = false
let steps: i32 = 0
let smallest: f32 = 1
let reach: i32 = 0
let rounds: i32 = 0
let wider: f32 = 1 // factors from a candidate to its neighbours
let narrower: f32 = 1
let unit: f32 = 0 // the largest |a|: a and b share the 15 bits of a product between them

// Of the four groups, one a lane.
export let scales: v128 = f32x4.splat(0) // 0 where the group holds nothing but zeros
export let zeros: v128 = f32x4.splat(0)

let lo: v128 = f32x4.splat(0) // min(x, 0)
let hi: v128 = f32x4.splat(0)
let firstXU: v128 = f32x4.splat(0)
let firstUU: v128 = f32x4.splat(0)
let secondXU: v128 = f32x4.splat(0)
let secondUU: v128 = f32x4.splat(0)

const widened = memory.data(64) // 1 / shrink factor of each step

/** Steps from which every second one is tried first. */
const FEW: i32 = 4

/** Weights whose sums stay within 32 bits at 8 bits a code. */
const SEGMENT: i32 = 1024
const MOST: f32 = 3.4028234663852886e38
const LIMIT: f32 = 8192 // of b: far above what weights need that are no denormals, and 16 bits hold it four times shrunk
const MAGIC: f32 = 12582912 // 1.5 * 2^23: added, it leaves the nearest integer in the low bits, ties to the even one

export function configureShort(
  newBits: i32,
  newSymmetric: bool,
  newSteps: i32,
  newSmallest: f32,
  newReach: i32,
  newRounds: i32,
): void {
  bits = newBits
  symmetric = newSymmetric
  steps = newSteps
  smallest = newSmallest
  reach = newReach
  rounds = newRounds
  unit = <f32>(1 << (8 + (bits >> 1)))
  const one: f32 = 1
  const shrink: f32 = (one - smallest) / <f32>max<i32>(1, steps)
  for (let k = 0; k < steps; k++) store<f32>(widened + (k << 2), one / (one - ((one - smallest) * <f32>k) / <f32>steps))
  const apart: f32 = steps > FEW ? 1 : 0.5
  wider = one + (apart * shrink) / (one - (shrink * <f32>(steps - 1)) / 2)
  narrower = 1 / wider
}

// Bits of floats: as signed integers the largest is the largest positive one, as unsigned ones the most negative.
function larger(a: v128, b: v128, isSigned: bool): v128 {
  return isSigned ? i32x4.max_s(a, b) : i32x4.max_u(a, b)
}

/** Lane j: the largest of the four lanes of the j-th vector. */
function across(a: v128, b: v128, c: v128, d: v128, isSigned: bool): v128 {
  const ab = larger(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7), isSigned)
  const cd = larger(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7), isSigned)
  return larger(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3), isSigned)
}

/** Ranges of four groups of `count` weights, with zero in them. False where a weight is not finite. */
export function extentOfFour(x0: usize, x1: usize, x2: usize, x3: usize, count: i32): bool {
  const none = i32x4.splat(0)
  let low0 = none,
    low1 = none,
    low2 = none,
    low3 = none
  let high0 = none,
    high1 = none,
    high2 = none,
    high3 = none
  for (let at: usize = 0, end = (<usize>count) << 2; at < end; at += 16) {
    const v0 = v128.load(x0 + at)
    const v1 = v128.load(x1 + at)
    const v2 = v128.load(x2 + at)
    const v3 = v128.load(x3 + at)
    low0 = i32x4.max_u(low0, v0)
    low1 = i32x4.max_u(low1, v1)
    low2 = i32x4.max_u(low2, v2)
    low3 = i32x4.max_u(low3, v3)
    high0 = i32x4.max_s(high0, v0)
    high1 = i32x4.max_s(high1, v1)
    high2 = i32x4.max_s(high2, v2)
    high3 = i32x4.max_s(high3, v3)
  }
  const low = across(low0, low1, low2, low3, false)
  lo = v128.and(low, i32x4.shr_s(low, 31)) // 0 where no weight is negative
  hi = across(high0, high1, high2, high3, true)
  const infinite = i32x4.splat(0x7f800000)
  const size = i32x4.max_s(hi, v128.and(lo, i32x4.splat(0x7fffffff)))
  return !v128.any_true(i32x4.ge_s(size, infinite))
}

function rounded(x: usize, k: v128): v128 {
  const magic = f32x4.splat(MAGIC)
  const a = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), k), magic), magic)
  const b = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x, 16), k), magic), magic)
  return i16x8.narrow_i32x4_s(a, b)
}

/** Integers of the four groups, [count / 2] vectors of a pair a lane. */
function shorten(x0: usize, x1: usize, x2: usize, x3: usize, count: i32, k: v128, short: usize): void {
  const k0 = v128.shuffle<i32>(k, k, 0, 0, 0, 0)
  const k1 = v128.shuffle<i32>(k, k, 1, 1, 1, 1)
  const k2 = v128.shuffle<i32>(k, k, 2, 2, 2, 2)
  const k3 = v128.shuffle<i32>(k, k, 3, 3, 3, 3)
  for (let at: usize = 0, end = (<usize>count) << 2; at < end; at += 32) {
    const a = rounded(x0 + at, k0)
    const b = rounded(x1 + at, k1)
    const c = rounded(x2 + at, k2)
    const d = rounded(x3 + at, k3)
    const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5)
    const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5)
    const ab2 = v128.shuffle<i32>(a, b, 2, 6, 3, 7)
    const cd2 = v128.shuffle<i32>(c, d, 2, 6, 3, 7)
    v128.store(short, v128.shuffle<i64>(ab, cd, 0, 2))
    v128.store(short, v128.shuffle<i64>(ab, cd, 1, 3), 16)
    v128.store(short, v128.shuffle<i64>(ab2, cd2, 0, 2), 32)
    v128.store(short, v128.shuffle<i64>(ab2, cd2, 1, 3), 48)
    short += 64
  }
}

/** The integer nearest to each lane in both halves of it. */
function halves(value: v128): v128 {
  const word = f32x4.add(value, f32x4.splat(MAGIC))
  return v128.shuffle<i16>(word, word, 0, 0, 2, 2, 4, 4, 6, 6)
}

/** Sums of two scales. */
function sumTwo(short: usize, count: i32, b1: v128, b2: v128, low: v128, high: v128): void {
  let xu1 = f32x4.splat(0),
    uu1 = f32x4.splat(0),
    xu2 = f32x4.splat(0),
    uu2 = f32x4.splat(0)
  const end = short + ((<usize>count) << 3)
  while (short < end) {
    let p1 = i32x4.splat(0),
      q1 = i32x4.splat(0),
      p2 = i32x4.splat(0),
      q2 = i32x4.splat(0)
    const stop = min<usize>(short + (SEGMENT << 3), end)
    for (; short < stop; short += 16) {
      const a = v128.load(short)
      const u1 = i16x8.min_s(high, i16x8.max_s(low, i16x8.relaxed_q15mulr_s(a, b1)))
      const u2 = i16x8.min_s(high, i16x8.max_s(low, i16x8.relaxed_q15mulr_s(a, b2)))
      p1 = i32x4.add(p1, i32x4.dot_i16x8_s(a, u1))
      q1 = i32x4.add(q1, i32x4.dot_i16x8_s(u1, u1))
      p2 = i32x4.add(p2, i32x4.dot_i16x8_s(a, u2))
      q2 = i32x4.add(q2, i32x4.dot_i16x8_s(u2, u2))
    }
    xu1 = f32x4.add(xu1, f32x4.convert_i32x4_s(p1))
    uu1 = f32x4.add(uu1, f32x4.convert_i32x4_s(q1))
    xu2 = f32x4.add(xu2, f32x4.convert_i32x4_s(p2))
    uu2 = f32x4.add(uu2, f32x4.convert_i32x4_s(q2))
  }
  firstXU = xu1
  firstUU = uu1
  secondXU = xu2
  secondUU = uu2
}

/** Sums of one scale. */
function sumOne(short: usize, count: i32, b: v128, low: v128, high: v128): void {
  let xu = f32x4.splat(0),
    uu = f32x4.splat(0)
  const end = short + ((<usize>count) << 3)
  while (short < end) {
    let p = i32x4.splat(0),
      q = i32x4.splat(0)
    const stop = min<usize>(short + (SEGMENT << 3), end)
    for (; short < stop; short += 32) {
      const a1 = v128.load(short)
      const a2 = v128.load(short, 16)
      const u1 = i16x8.min_s(high, i16x8.max_s(low, i16x8.relaxed_q15mulr_s(a1, b)))
      const u2 = i16x8.min_s(high, i16x8.max_s(low, i16x8.relaxed_q15mulr_s(a2, b)))
      p = i32x4.add(p, i32x4.add(i32x4.dot_i16x8_s(a1, u1), i32x4.dot_i16x8_s(a2, u2)))
      q = i32x4.add(q, i32x4.add(i32x4.dot_i16x8_s(u1, u1), i32x4.dot_i16x8_s(u2, u2)))
    }
    xu = f32x4.add(xu, f32x4.convert_i32x4_s(p))
    uu = f32x4.add(uu, f32x4.convert_i32x4_s(q))
  }
  firstXU = xu
  firstUU = uu
}

/** As tightScale in quantize.ts, in four lanes. */
function tightScales(z: v128, top: v128, sign: f32): v128 {
  const low = sign < 0 ? hi : f32x4.neg(lo)
  const high = sign < 0 ? f32x4.neg(lo) : hi
  const none = f32x4.splat(0)
  const room = f32x4.sub(top, z)
  const below = v128.bitselect(none, f32x4.div(low, z), f32x4.eq(z, none))
  const above = v128.bitselect(none, f32x4.div(high, room), f32x4.eq(room, none))
  return f32x4.pmax(below, above)
}

// The best candidate so far.
let explained: v128 = f32x4.splat(0)
let ratio: v128 = f32x4.splat(0) // k s
let bestFactor: v128 = f32x4.splat(0) // b
let bestZero: v128 = f32x4.splat(0)

function offer(xu: v128, uu: v128, factor: v128, z: v128): void {
  const own = f32x4.div(f32x4.mul(xu, xu), uu)
  const better = f32x4.gt(own, explained)
  explained = f32x4.pmax(explained, own)
  ratio = v128.bitselect(f32x4.div(xu, uu), ratio, better)
  bestFactor = v128.bitselect(factor, bestFactor, better)
  if (!symmetric) bestZero = v128.bitselect(z, bestZero, better)
}

let shortAt: usize = 0
let length: i32 = 0
let low: v128 = f32x4.splat(0)
let high: v128 = f32x4.splat(0)

function offerTwo(first: v128, second: v128, z: v128): void {
  sumTwo(shortAt, length, halves(first), halves(second), low, high)
  offer(firstXU, firstUU, first, z)
  offer(secondXU, secondUU, second, z)
}

const tried = memory.data(64, 16) // of four groups: 1 / scale and zero point of the plain grid, the same of the found one
const squares = memory.data(128, 16) // of each group: four sums of the plain grid, four of the found one

/** Sums of (x / s - u)^2 of group j on both grids, four lanes each, over runs. */
function distances(x: usize, count: i32, j: i32): void {
  const top = f32x4.splat(<f32>((1 << bits) - 1))
  const own = tried + (j << 2)
  const s1 = v128.load32_splat(own)
  const s2 = v128.load32_splat(own, 32)
  const low1 = f32x4.neg(v128.load32_splat(own, 16))
  const low2 = f32x4.neg(v128.load32_splat(own, 48))
  const high1 = f32x4.add(top, low1)
  const high2 = f32x4.add(top, low2)
  const magic = f32x4.splat(MAGIC)
  let sum1 = f32x4.splat(0),
    sum2 = f32x4.splat(0)
  const end = x + ((<usize>count) << 2)
  while (x < end) {
    let run1 = f32x4.splat(0),
      run2 = f32x4.splat(0)
    const stop = min<usize>(x + (SEGMENT << 2), end)
    for (; x < stop; x += 16) {
      const value = v128.load(x)
      const v1 = f32x4.mul(value, s1)
      const v2 = f32x4.mul(value, s2)
      const d1 = f32x4.sub(v1, f32x4.sub(f32x4.add(f32x4.pmin(high1, f32x4.pmax(low1, v1)), magic), magic))
      const d2 = f32x4.sub(v2, f32x4.sub(f32x4.add(f32x4.pmin(high2, f32x4.pmax(low2, v2)), magic), magic))
      run1 = f32x4.add(run1, f32x4.mul(d1, d1))
      run2 = f32x4.add(run2, f32x4.mul(d2, d2))
    }
    sum1 = f32x4.add(sum1, run1)
    sum2 = f32x4.add(sum2, run2)
  }
  v128.store(squares + (j << 5), sum1)
  v128.store(squares + (j << 5), sum2, 16)
}

/** Lane j: the sum of the four lanes of the vector at at + 32 j. */
function folded(at: usize): v128 {
  const a = v128.load(at)
  const b = v128.load(at, 32)
  const c = v128.load(at, 64)
  const d = v128.load(at, 96)
  const ab = f32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7))
  const cd = f32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7))
  return f32x4.add(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3))
}

/** Grids of the four groups whose ranges are known. short: 8 bytes a weight of one group. */
export function searchFour(x0: usize, x1: usize, x2: usize, x3: usize, count: i32, short: usize): void {
  const top = f32x4.splat(<f32>((1 << bits) - 1))
  const middle = f32x4.splat(<f32>(1 << (bits - 1)))
  const none = f32x4.splat(0)
  const one = f32x4.splat(1)
  const empty = f32x4.eq(lo, hi)
  const fitting = symmetric ? tightScales(middle, top, 1) : f32x4.sub(f32x4.div(hi, top), f32x4.div(lo, top))
  const scale = v128.bitselect(one, storedScales(fitting), empty)
  const zero = symmetric ? middle : f32x4.pmin(top, f32x4.nearest(f32x4.div(f32x4.neg(lo), scale)))
  scales = v128.bitselect(none, scale, empty)
  zeros = zero
  if (steps == 0 || !v128.any_true(v128.not(empty))) return

  const k = f32x4.pmin(f32x4.splat(MOST), f32x4.div(f32x4.splat(unit), f32x4.pmax(f32x4.neg(lo), hi)))
  const per = f32x4.div(f32x4.splat(32768), k)
  shorten(x0, x1, x2, x3, count, k, short)
  shortAt = short
  length = count
  explained = none
  const side = symmetric ? 0 : reach
  const limit = f32x4.splat(LIMIT)
  const stride = steps > FEW ? 2 : 1
  for (let offset = -side; offset <= side; offset++) {
    const z = symmetric ? middle : f32x4.pmin(top, f32x4.pmax(none, f32x4.add(zero, f32x4.splat(<f32>offset))))
    low = halves(f32x4.neg(z))
    high = halves(f32x4.sub(top, z))
    const right = f32x4.pmin(limit, f32x4.div(per, tightScales(z, top, 1)))
    if (symmetric) {
      const left = f32x4.neg(f32x4.pmin(limit, f32x4.div(per, tightScales(z, top, -1))))
      for (let step = 0; step < steps; step += stride) {
        const wide = v128.load32_splat(widened + (step << 2))
        offerTwo(f32x4.mul(right, wide), f32x4.mul(left, wide), z)
      }
    } else {
      for (let step = 0; step < steps; step += 2 * stride) {
        const next = step + stride < steps ? step + stride : step
        const wide = v128.load32_splat(widened + (step << 2))
        offerTwo(f32x4.mul(right, wide), f32x4.mul(right, v128.load32_splat(widened + (next << 2))), z)
      }
    }
  }
  const usable = f32x4.gt(explained, none)
  const z = symmetric ? middle : bestZero
  low = halves(f32x4.neg(z))
  high = halves(f32x4.sub(top, z))
  const best = bestFactor
  offerTwo(f32x4.mul(best, f32x4.splat(narrower)), f32x4.mul(best, f32x4.splat(wider)), z)
  let gain = none
  let found = scale
  const most = f32x4.splat(32767)
  for (let round = 0; round < rounds; round++) {
    const candidate = storedScales(f32x4.div(ratio, k))
    const factor = f32x4.pmin(most, f32x4.pmax(f32x4.neg(most), f32x4.div(per, candidate)))
    sumOne(short, count, halves(factor), low, high)
    const size = f32x4.mul(candidate, k)
    const twice = f32x4.add(firstXU, firstXU)
    const own = f32x4.mul(size, f32x4.sub(twice, f32x4.mul(size, firstUU)))
    const better = v128.and(f32x4.gt(own, gain), usable)
    if (!v128.any_true(better)) break
    gain = v128.bitselect(own, gain, better)
    found = v128.bitselect(candidate, found, better)
    ratio = v128.bitselect(f32x4.div(firstXU, firstUU), ratio, better)
  }
  // The true errors, in squares of k x, decide: integers are too coarse where both are close.
  v128.store(tried, f32x4.div(one, scale))
  v128.store(tried, zero, 16)
  v128.store(tried, f32x4.div(one, found), 32)
  v128.store(tried, z, 48)
  distances(x0, count, 0)
  distances(x1, count, 1)
  distances(x2, count, 2)
  distances(x3, count, 3)
  const plainSize = f32x4.mul(scale, k)
  const size = f32x4.mul(found, k)
  const error = f32x4.mul(f32x4.mul(size, size), folded(squares + 16))
  const closer = f32x4.lt(error, f32x4.mul(f32x4.mul(plainSize, plainSize), folded(squares)))
  const taken = v128.andnot(v128.and(closer, usable), empty)
  scales = v128.bitselect(found, scales, taken)
  zeros = v128.bitselect(z, zero, taken)
}
