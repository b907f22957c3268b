// Range search of four groups at once in 16-bit integers, for weights that all matter alike. A group becomes a = round(k x),
// k = unit / its largest magnitude, two neighbouring weights a 32-bit lane and one group a lane, so that sums need no folding:
//   u = clamp((a b + 2^14) >> 15, -z, top - z)     b = 2^15 / (k t) for a scale t
//   s = sum(a u) / (k sum(u^2))     explained = sum(a u)^2 / sum(u^2), the largest wins
//   gain of a stored s: k s (2 sum(a u) - k s sum(u^2)), which is sum(a^2) less the squared error
// Sums of integers are exact in whatever order; search.ref.ts gives the same bits.
import { storedScales } from './lane-search'

let bits: i32 = 4
let symmetric: bool = false
let steps: i32 = 0
let smallest: f32 = 1
let reach: i32 = 0
let rounds: i32 = 0
let unit: f32 = 0 // the largest |a|: a and b share the 15 bits of a product between them

// Of the four groups, one a lane.
export let plainScale: v128 = f32x4.splat(0) // 0 where the group holds nothing but zeros
export let plainZero: v128 = f32x4.splat(0)
export let foundScale: v128 = f32x4.splat(0) // what the search found; the plain one where it found nothing
export let foundZero: v128 = f32x4.splat(0)

let lo: v128 = f32x4.splat(0) // min(x, 0)
let hi: v128 = f32x4.splat(0)
let firstXU: v128 = f32x4.splat(0)
let firstUU: v128 = f32x4.splat(0)
let secondXU: v128 = f32x4.splat(0)
let secondUU: v128 = f32x4.splat(0)

/** Weights whose sums stay within 32 bits at 8 bits a code. */
const SEGMENT: i32 = 1024
const MOST: f32 = 3.4028234663852886e38
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
  unit = <f32>(1 << min<i32>(11, 8 + (bits >> 1)))
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

/** An integer of each lane in both halves of it. */
function halves(value: v128): v128 {
  const word = i32x4.trunc_sat_f32x4_s(value)
  return v128.or(v128.and(word, i32x4.splat(0xffff)), i32x4.shl(word, 16))
}

function factorOf(inverse: v128, per: v128): v128 {
  const value = f32x4.nearest(f32x4.mul(inverse, per))
  return halves(f32x4.pmin(f32x4.splat(32767), f32x4.pmax(f32x4.splat(-32767), value)))
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

/** 1 / the factor by which step k shrinks a scale. */
function widen(k: v128): v128 {
  const one = f32x4.splat(1)
  const shrunk = f32x4.div(f32x4.mul(f32x4.splat(1 - smallest), k), f32x4.splat(<f32>steps))
  return f32x4.div(one, f32x4.sub(one, shrunk))
}

let explained: v128 = f32x4.splat(0)
let bestXU: v128 = f32x4.splat(0)
let bestUU: v128 = f32x4.splat(0)
let bestTight: v128 = f32x4.splat(0)
let bestStep: v128 = f32x4.splat(0)
let bestZero: v128 = f32x4.splat(0)

function offer(xu: v128, uu: v128, inverse: v128, tight: v128, step: v128, z: v128): void {
  const own = f32x4.div(f32x4.mul(xu, xu), uu)
  const better = v128.and(f32x4.gt(own, explained), f32x4.le(f32x4.abs(inverse), f32x4.splat(MOST)))
  explained = v128.bitselect(own, explained, better)
  bestXU = v128.bitselect(xu, bestXU, better)
  bestUU = v128.bitselect(uu, bestUU, better)
  bestTight = v128.bitselect(tight, bestTight, better)
  bestStep = v128.bitselect(step, bestStep, better)
  bestZero = v128.bitselect(z, bestZero, better)
}

let shortAt: usize = 0
let length: i32 = 0
let per: v128 = f32x4.splat(0) // 2^15 / k
let low: v128 = f32x4.splat(0)
let high: v128 = f32x4.splat(0)

function offerTwo(t1: v128, k1: v128, t2: v128, k2: v128, z: v128): void {
  const first = f32x4.mul(t1, widen(k1))
  const second = f32x4.mul(t2, widen(k2))
  sumTwo(shortAt, length, factorOf(first, per), factorOf(second, per), low, high)
  offer(firstXU, firstUU, first, t1, k1, z)
  offer(secondXU, secondUU, second, t2, k2, z)
}

/** Steps from which every second one is tried first, and then the neighbours of the best. */
const FEW: i32 = 4

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
  plainScale = foundScale = v128.bitselect(none, scale, empty)
  plainZero = foundZero = zero
  if (steps == 0 || !v128.any_true(v128.not(empty))) return

  const k = f32x4.pmin(f32x4.splat(MOST), f32x4.div(f32x4.splat(unit), f32x4.pmax(f32x4.neg(lo), hi)))
  per = f32x4.div(f32x4.splat(32768), k)
  shorten(x0, x1, x2, x3, count, k, short)
  shortAt = short
  length = count
  explained = none
  const side = symmetric ? 0 : reach
  const stride = steps > FEW ? 2 : 1
  for (let offset = -side; offset <= side; offset++) {
    const z = symmetric ? middle : f32x4.pmin(top, f32x4.pmax(none, f32x4.add(zero, f32x4.splat(<f32>offset))))
    low = halves(f32x4.neg(z))
    high = halves(f32x4.sub(top, z))
    const right = f32x4.div(one, tightScales(z, top, 1))
    if (symmetric) {
      const left = f32x4.div(f32x4.splat(-1), tightScales(z, top, -1))
      for (let step = 0; step < steps; step += stride)
        offerTwo(right, f32x4.splat(<f32>step), left, f32x4.splat(<f32>step), z)
    } else {
      for (let step = 0; step < steps; step += 2 * stride) {
        const next = step + stride < steps ? step + stride : step
        offerTwo(right, f32x4.splat(<f32>step), right, f32x4.splat(<f32>next), z)
      }
    }
  }
  const usable = f32x4.gt(explained, none)
  const z = bestZero
  low = halves(f32x4.neg(z))
  high = halves(f32x4.sub(top, z))
  const half = f32x4.splat(<f32>stride / 2)
  const last = f32x4.sub(f32x4.splat(<f32>steps), half)
  const tight = bestTight
  const step = bestStep
  offerTwo(tight, f32x4.pmax(none, f32x4.sub(step, half)), tight, f32x4.pmin(last, f32x4.add(step, half)), z)
  let gain = none
  let ratio = f32x4.div(bestXU, bestUU)
  for (let round = 0; round < rounds; round++) {
    const candidate = storedScales(f32x4.div(ratio, k))
    const factor = factorOf(f32x4.div(one, candidate), per)
    sumOne(short, count, factor, low, high)
    const size = f32x4.mul(candidate, k)
    const twice = f32x4.add(firstXU, firstXU)
    const own = f32x4.mul(size, f32x4.sub(twice, f32x4.mul(size, firstUU)))
    const better = v128.and(f32x4.gt(own, gain), usable)
    if (!v128.any_true(better)) break
    gain = v128.bitselect(own, gain, better)
    foundScale = v128.bitselect(candidate, foundScale, better)
    foundZero = v128.bitselect(z, foundZero, better)
    ratio = v128.bitselect(f32x4.div(firstXU, firstUU), ratio, better)
  }
}
