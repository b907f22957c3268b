// Super-blocks of 256 weights: groups have small whole-number scales that share one float16 factor d (and, with offsets,
// a second one for the mins).
//   1 every group's best scale S on its own (symmetric.ts, table.ts, affine.ts)
//   2 d = the largest S / the largest whole number, rounded to float16
//   3 every group takes, of the whole numbers around S / d, the one whose error is least, error taken with fresh codes;
//     in the last round also, of the mins within `reach` of the one that suits the scale, the best
//   4 d by least squares over the whole super-block for the codes of 3, rounded; back to 3
// The round with the least total error is kept.
import * as affine from './affine'
import { outer, reach, rounds, TRIALS, trials } from './effort'
import { inverseLanes, storedScale } from './lanes'
import * as symmetric from './symmetric'
import * as table from './table'

const GROUP_SCALES = memory.data(64) // [16] float32: S, then what the whole numbers stand for
const GROUP_OFFSETS = memory.data(64)
const GROUP_Q = memory.data(64) // sums of affine.ts a group
const GROUP_H = memory.data(64)
const GROUP_HX = memory.data(64)
const INTS = memory.data(64) // [16] float32 whole numbers of the round
const MIN_INTS = memory.data(64)
const FIT = memory.data(48)
export const KEPT = memory.data(64) // whole numbers of the best round, float32
export const KEPT_MINS = memory.data(64)
export let d: f32 = 0
export let dmin: f32 = 0

function at(base: usize, batch: i32): usize {
  return base + ((<usize>batch) << 4)
}

/** Importance of the groups `part` bytes on; 0 stays 0. */
function importanceAt(h: usize, part: usize): usize {
  return h == 0 ? 0 : h + part
}

function total(v: v128): f32 {
  const left = f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)
  return left + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
}

/** `nonlinear`: values of table.ts instead of low .. high. Whole-number scales lie in -limit .. limit - 1. */
export function chooseSymmetric(
  x: usize,
  h: usize,
  n: i32,
  range: usize,
  nonlinear: bool,
  low: v128,
  high: v128,
  limit: f32,
): void {
  const batches = 64 / n
  let most: f32 = 0
  let signed: f32 = 0
  for (let b = 0; b < batches; b++) {
    const part = <usize>b * n * 16
    const scale = nonlinear
      ? table.bestScale(x + part, importanceAt(h, part), n, range + (b << 5), TRIALS, trials, rounds)
      : symmetric.bestScale(x + part, importanceAt(h, part), n, range + (b << 5), low, high, TRIALS, trials, rounds)
    v128.store(at(GROUP_SCALES, b), scale)
    for (let lane = 0; lane < 4; lane++) {
      const s = load<f32>(at(GROUP_SCALES, b) + (lane << 2))
      if (abs<f32>(s) > most) {
        most = abs<f32>(s)
        signed = s
      }
    }
  }
  d = storedScale(-signed / limit)
  memory.fill(KEPT, 0, 64)
  if (d == 0) {
    d = 0 // and not -0
    return
  }
  let factor = d
  let least: f32 = Infinity
  const bottom = f32x4.splat(-limit)
  const top = f32x4.splat(limit - 1)
  for (let round = 0; ; round++) {
    const lanes = f32x4.splat(factor)
    const inverse = inverseLanes(lanes)
    let sum: f32 = 0
    let num: f32 = 0
    let den: f32 = 0
    for (let b = 0; b < batches; b++) {
      const part = <usize>b * n * 16
      const center = f32x4.nearest(f32x4.mul(v128.load(at(GROUP_SCALES, b)), inverse))
      let error = f32x4.splat(Infinity)
      let chosen = f32x4.splat(0)
      for (let step: f32 = -1; step <= 1; step++) {
        const int = f32x4.pmin(top, f32x4.pmax(bottom, f32x4.add(center, f32x4.splat(step))))
        const scale = f32x4.mul(lanes, int)
        const e = nonlinear
          ? table.errorOf(x + part, importanceAt(h, part), n, scale)
          : symmetric.errorOf(x + part, importanceAt(h, part), n, scale, low, high)
        const better = f32x4.lt(e, error)
        error = v128.bitselect(e, error, better)
        chosen = v128.bitselect(int, chosen, better)
      }
      v128.store(at(INTS, b), chosen)
      sum += total(error)
      if (round == outer) continue
      const scale = f32x4.mul(lanes, chosen)
      if (nonlinear) table.fitSums(x + part, importanceAt(h, part), n, scale, FIT)
      else symmetric.fitSums(x + part, importanceAt(h, part), n, scale, low, high, FIT)
      // A group whose chosen number is 0 has code sums too, but they count 0 times.
      num += total(f32x4.mul(chosen, v128.load(FIT)))
      den += total(f32x4.mul(f32x4.mul(chosen, chosen), v128.load(FIT, 16)))
    }
    if (sum < least) {
      least = sum
      d = factor
      memory.copy(KEPT, INTS, 64)
    }
    if (round == outer || !(den > 0)) return
    factor = storedScale(num / den)
    if (factor == 0) return
  }
}

/** Codes 0 .. top with offsets: weight = d scale q - dmin min, both whole numbers in 0 .. limit. */
export function chooseAffine(x: usize, h: usize, n: i32, range: usize, top: v128, limit: f32): void {
  const batches = 64 / n
  let mostS = f32x4.splat(0)
  let mostB = f32x4.splat(0)
  for (let b = 0; b < batches; b++) {
    const part = <usize>b * n * 16
    affine.bestLine(x + part, importanceAt(h, part), n, range + (b << 5), top, true, TRIALS, trials, rounds)
    v128.store(at(GROUP_SCALES, b), affine.bestS)
    v128.store(at(GROUP_OFFSETS, b), affine.bestB)
    v128.store(at(GROUP_Q, b), affine.sumQ)
    v128.store(at(GROUP_H, b), affine.sumH)
    v128.store(at(GROUP_HX, b), affine.sumHX)
    mostS = f32x4.pmax(mostS, affine.bestS)
    mostB = f32x4.pmax(mostB, f32x4.neg(affine.bestB))
  }
  let factor = storedScale(maximum(mostS) / limit)
  let minFactor = storedScale(maximum(mostB) / limit)
  d = factor
  dmin = minFactor
  memory.fill(KEPT, 0, 64)
  memory.fill(KEPT_MINS, 0, 64)
  let least: f32 = Infinity
  const zero = f32x4.splat(0)
  const most = f32x4.splat(limit)
  for (let round = 0; ; round++) {
    const lanes = f32x4.splat(factor)
    const minLanes = f32x4.splat(minFactor)
    const inverse = inverseLanes(lanes)
    const minInverse = inverseLanes(minLanes)
    const around = round == outer ? reach : 0
    let sum: f32 = 0
    let aa: f32 = 0
    let an: f32 = 0
    let nn: f32 = 0
    let xa: f32 = 0
    let xn: f32 = 0
    for (let b = 0; b < batches; b++) {
      const part = <usize>b * n * 16
      const center = f32x4.nearest(f32x4.mul(v128.load(at(GROUP_SCALES, b)), inverse))
      let error = f32x4.splat(Infinity)
      let chosen = zero
      let chosenMin = zero
      for (let step: f32 = -1; step <= 1; step++) {
        const int = f32x4.pmin(most, f32x4.pmax(zero, f32x4.add(center, f32x4.splat(step))))
        const s = f32x4.mul(lanes, int)
        // The offset that suits this scale and the codes at hand: (sum h x - s sum h q) / sum h.
        const wanted = f32x4.div(
          f32x4.sub(f32x4.mul(s, v128.load(at(GROUP_Q, b))), v128.load(at(GROUP_HX, b))),
          v128.load(at(GROUP_H, b)),
        )
        const nearest = f32x4.nearest(f32x4.mul(wanted, minInverse))
        for (let away = -around; away <= around; away++) {
          const min = f32x4.pmin(most, f32x4.pmax(zero, f32x4.add(nearest, f32x4.splat(<f32>away))))
          const e = affine.errorOf(x + part, importanceAt(h, part), n, s, f32x4.neg(f32x4.mul(minLanes, min)), top)
          const better = f32x4.lt(e, error)
          error = v128.bitselect(e, error, better)
          chosen = v128.bitselect(int, chosen, better)
          chosenMin = v128.bitselect(min, chosenMin, better)
        }
      }
      v128.store(at(INTS, b), chosen)
      v128.store(at(MIN_INTS, b), chosenMin)
      sum += total(error)
      if (round == outer) continue
      const s = f32x4.mul(lanes, chosen)
      affine.fitSums(x + part, importanceAt(h, part), n, s, f32x4.neg(f32x4.mul(minLanes, chosenMin)), top, FIT)
      const q = v128.load(FIT)
      const hx = v128.load(at(GROUP_HX, b))
      v128.store(at(GROUP_Q, b), q)
      aa += total(f32x4.mul(f32x4.mul(chosen, chosen), v128.load(FIT, 16)))
      an += total(f32x4.mul(f32x4.mul(chosen, chosenMin), q))
      nn += total(f32x4.mul(f32x4.mul(chosenMin, chosenMin), v128.load(at(GROUP_H, b))))
      xa += total(f32x4.mul(chosen, v128.load(FIT, 32)))
      xn += total(f32x4.mul(chosenMin, hx))
    }
    if (sum < least) {
      least = sum
      d = factor
      dmin = minFactor
      memory.copy(KEPT, INTS, 64)
      memory.copy(KEPT_MINS, MIN_INTS, 64)
    }
    if (round == outer) return
    // x ~ d A - dmin N
    const det = aa * nn - an * an
    let next: f32 = nn == 0 ? xa / aa : (xa * nn - xn * an) / det
    let nextMin: f32 = nn == 0 ? 0 : (xa * an - xn * aa) / det
    if (!(next > 0) || !(nextMin >= 0)) return
    factor = storedScale(next)
    minFactor = storedScale(nextMin)
    if (factor == 0) return
  }
}

function maximum(v: v128): f32 {
  return max<f32>(
    max<f32>(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max<f32>(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  )
}
