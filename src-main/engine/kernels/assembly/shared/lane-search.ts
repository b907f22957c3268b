// The range search of quantize.ts for four groups at once, one a lane: weights lie column by column, so sums need no
// folding across lanes. Same candidates, same criterion; sums are float32 in the order of the columns, in units of the
// group's largest weight, so that none can leave float32's range.
//   u = clamp(round(x / t), -z, top - z)   s = sum(h x u) / sum(h u^2)   the largest sum(h x u)^2 / sum(h u^2) wins

let bits: i32 = 4
let symmetric: bool = false
let half: bool = true
let steps: i32 = 0
let smallest: f32 = 1
let reach: i32 = 0
let rounds: i32 = 0

export let scale: v128 = f32x4.splat(0) // 0 where the group holds nothing but zeros
export let zero: v128 = f32x4.splat(0)

let lo: v128 = f32x4.splat(0)
let hi: v128 = f32x4.splat(0)
let firstXU: v128 = f32x4.splat(0)
let firstUU: v128 = f32x4.splat(0)
let secondXU: v128 = f32x4.splat(0)
let secondUU: v128 = f32x4.splat(0)

export function configureLanes(
  newBits: i32,
  newSymmetric: bool,
  newHalf: bool,
  newSteps: i32,
  newSmallest: f32,
  newReach: i32,
  newRounds: i32,
): void {
  bits = newBits
  symmetric = newSymmetric
  half = newHalf
  steps = newSteps
  smallest = newSmallest
  reach = newReach
  rounds = newRounds
}

// As scale.ts, in four lanes.
export function storedScales(value: v128): v128 {
  const sign = v128.and(value, i32x4.splat(0x80000000))
  let size = f32x4.abs(value)
  if (half) {
    const word = i32x4.add(size, i32x4.splat(0xfff))
    const odd = v128.and(i32x4.shr_u(size, 13), i32x4.splat(1))
    const normal = v128.and(i32x4.add(word, odd), i32x4.splat(~0x1fff))
    const small = f32x4.sub(f32x4.add(size, f32x4.splat(0.5)), f32x4.splat(0.5))
    size = v128.bitselect(small, normal, f32x4.lt(size, f32x4.splat(6.103515625e-5)))
    size = f32x4.pmin(f32x4.splat(65504), f32x4.pmax(f32x4.splat(5.9604644775390625e-8), size))
  } else {
    size = f32x4.pmin(f32x4.splat(3.4028234663852886e38), f32x4.pmax(f32x4.splat(1.1754943508222875e-38), size))
  }
  return v128.or(size, sign)
}

function codeOf(value: v128, low: v128, high: v128): v128 {
  return f32x4.nearest(f32x4.pmin(high, f32x4.pmax(low, value)))
}

/** 1 / the factor by which step k shrinks a scale. */
function widen(k: i32): f32 {
  return 1 / (1 - ((1 - smallest) * <f32>k) / <f32>steps)
}

/** Smallest scales with which zero points z clip nothing on the side they serve; sign -1 mirrors the grid. */
function tightScale(z: v128, top: v128, sign: f32): v128 {
  const low = sign < 0 ? hi : f32x4.neg(lo)
  const high = sign < 0 ? f32x4.neg(lo) : hi
  const none = f32x4.splat(0)
  const room = f32x4.sub(top, z)
  // Where a side has no codes, dividing by 0 gives infinity or NaN: the other side decides alone.
  const below = v128.bitselect(none, f32x4.div(low, z), f32x4.eq(z, none))
  const above = v128.bitselect(none, f32x4.div(high, room), f32x4.eq(room, none))
  return f32x4.pmax(below, above)
}

/** Sums of two candidate scales for n columns, `stride` bytes apart; h is one float32 a column. */
function sums(x: usize, h: usize, n: i32, stride: usize, a: v128, b: v128, zeros: v128, top: v128): void {
  const low = f32x4.neg(zeros)
  const high = f32x4.sub(top, zeros)
  let a0 = f32x4.splat(0),
    a1 = f32x4.splat(0),
    b0 = f32x4.splat(0),
    b1 = f32x4.splat(0)
  for (let c = 0; c < n; c++, x += stride, h += 4) {
    const value = v128.load(x)
    const weight = v128.load32_splat(h)
    const v = f32x4.mul(value, a)
    const u = codeOf(v, low, high)
    const w = f32x4.mul(weight, u)
    a0 = f32x4.add(a0, f32x4.mul(w, v))
    a1 = f32x4.add(a1, f32x4.mul(w, u))
    const v2 = f32x4.mul(value, b)
    const u2 = codeOf(v2, low, high)
    const w2 = f32x4.mul(weight, u2)
    b0 = f32x4.add(b0, f32x4.mul(w2, v2))
    b1 = f32x4.add(b1, f32x4.mul(w2, u2))
  }
  firstXU = a0
  firstUU = a1
  secondXU = b0
  secondUU = b1
}

/** Sum of h (x / base - s / base u)^2 for the codes nearest to x / s. */
function errorAt(x: usize, h: usize, n: i32, stride: usize, s: v128, base: v128, zeros: v128, top: v128): v128 {
  const low = f32x4.neg(zeros)
  const high = f32x4.sub(top, zeros)
  let sum = f32x4.splat(0)
  for (let c = 0; c < n; c++, x += stride, h += 4) {
    const value = v128.load(x)
    const d = f32x4.div(f32x4.sub(value, f32x4.mul(s, codeOf(f32x4.div(value, s), low, high))), base)
    sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(h), f32x4.mul(d, d)))
  }
  return sum
}

let best: v128 = f32x4.splat(0)
let ratio: v128 = f32x4.splat(0)
let ratioZero: v128 = f32x4.splat(0)

/** Takes a candidate where it explains more. `unit`: base x inverse, so that nothing leaves float32's range. */
function offer(xu: v128, uu: v128, inverse: v128, base: v128, z: v128): void {
  const unit = f32x4.mul(inverse, base)
  const along = f32x4.div(xu, unit)
  const explained = f32x4.div(f32x4.mul(along, along), uu)
  const better = f32x4.gt(explained, best)
  best = v128.bitselect(explained, best, better)
  ratio = v128.bitselect(f32x4.div(f32x4.div(xu, uu), inverse), ratio, better)
  ratioZero = v128.bitselect(z, ratioZero, better)
}

/** Grids of four groups of n columns at x; h [n]. Sets scale and zero. */
export function chooseLanes(x: usize, h: usize, n: i32, stride: usize): void {
  const top = f32x4.splat(<f32>((1 << bits) - 1))
  const middle = f32x4.splat(<f32>(1 << (bits - 1)))
  const none = f32x4.splat(0)
  lo = none
  hi = none
  for (let c = 0, p = x; c < n; c++, p += stride) {
    const value = v128.load(p)
    lo = f32x4.min(lo, value)
    hi = f32x4.max(hi, value)
  }
  const empty = f32x4.eq(lo, hi)
  const one = f32x4.splat(1)
  const base = v128.bitselect(one, f32x4.pmax(f32x4.neg(lo), hi), empty)
  const fitting = symmetric ? tightScale(middle, top, 1) : f32x4.sub(f32x4.div(hi, top), f32x4.div(lo, top))
  let chosen = v128.bitselect(one, storedScales(fitting), empty)
  let chosenZero = symmetric ? middle : f32x4.pmin(top, f32x4.nearest(f32x4.div(f32x4.neg(lo), chosen)))
  if (steps > 0) {
    let error = errorAt(x, h, n, stride, chosen, base, chosenZero, top)
    best = none
    ratio = chosen
    ratioZero = chosenZero
    const side = symmetric ? 0 : reach
    for (let offset = -side; offset <= side; offset++) {
      const z = symmetric ? middle : f32x4.pmin(top, f32x4.pmax(none, f32x4.add(chosenZero, f32x4.splat(<f32>offset))))
      if (symmetric) {
        const right = f32x4.div(one, tightScale(z, top, 1))
        const left = f32x4.div(f32x4.neg(one), tightScale(z, top, -1))
        for (let k = 0; k < steps; k++) {
          const widened = f32x4.splat(widen(k))
          const a = f32x4.mul(right, widened)
          const b = f32x4.mul(left, widened)
          sums(x, h, n, stride, a, b, z, top)
          offer(firstXU, firstUU, a, base, z)
          offer(secondXU, secondUU, b, base, z)
        }
      } else {
        const tight = f32x4.div(one, tightScale(z, top, 1))
        for (let k = 0; k < steps; k += 2) {
          const a = f32x4.mul(tight, f32x4.splat(widen(k)))
          const b = f32x4.mul(tight, f32x4.splat(widen(min<i32>(k + 1, steps - 1))))
          sums(x, h, n, stride, a, b, z, top)
          offer(firstXU, firstUU, a, base, z)
          offer(secondXU, secondUU, b, base, z)
        }
      }
    }
    for (let round = 0; round < rounds; round++) {
      const candidate = storedScales(ratio)
      const found = errorAt(x, h, n, stride, candidate, base, ratioZero, top)
      const better = f32x4.lt(found, error)
      error = v128.bitselect(found, error, better)
      chosen = v128.bitselect(candidate, chosen, better)
      chosenZero = v128.bitselect(ratioZero, chosenZero, better)
      if (round + 1 == rounds) break
      const inverse = f32x4.div(one, candidate)
      sums(x, h, n, stride, inverse, inverse, ratioZero, top)
      const usable = f32x4.gt(firstUU, none)
      ratio = v128.bitselect(f32x4.div(f32x4.div(firstXU, firstUU), inverse), ratio, usable)
    }
  }
  scale = v128.bitselect(none, chosen, empty)
  zero = v128.bitselect(symmetric ? middle : none, chosenZero, empty)
}
