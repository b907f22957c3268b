// Range search and rounding, per group. Sources: Jacob et al. 2018 section 2.1 (affine grid with an exact zero);
// least-squares refit of the scale for given codes as in Gong et al. 2014 / the "optimal clipping" family:
//   for each zero point z and each shrunk scale t:  u = clamp(round(x / t), -z, top - z)
//   s = sum(h x u) / sum(h u^2)      explained = sum(h x u)^2 / sum(h u^2)      the largest wins
// (of many scales every second one first, then the neighbours of the best); then s is rounded to the stored type, codes are
// chosen for that very s, and the true error decides.
// Weights that all matter alike are searched in integers, four groups at a time (shared/short-search.ts), at widths where
// those tell scales apart; the rest in floats, as above.
// [rows, cols] float32 in, codes [rows, cols], scales and zeros [rows, groups] out. Everything is per row: any split of
// the rows among threads gives the same bytes.
import {
  copyPadded,
  encode,
  errorAt,
  extent,
  hi,
  lo,
  padded,
  sumDD,
  sumOne,
  sumPair,
  sums,
  sumUU,
  sumUU2,
  sumXU,
  sumXU2,
} from './shared/group'
import { configureLanes } from './shared/lane-search'
import { storedScale } from './shared/scale'
import {
  configureShort,
  extentOfFour,
  scales as shortScales,
  searchFour,
  zeros as shortZeros,
} from './shared/short-search'

let bits: i32 = 4
let symmetric: bool = false
let half: bool = true
let steps: i32 = 0 // shrunk scales tried per zero point; 0: no search
let smallest: f32 = 1 // smallest shrink factor
let reach: i32 = 0 // zero points tried on each side
let rounds: i32 = 0 // codes <-> scale refinements of the winner

const widened = memory.data(64) // 1 / shrink factor of each step
function widen(k: i32): f32 {
  return load<f32>(widened + (k << 2))
}

let scale: f32 = 0
let zero: f32 = 0

export function heapBase(): usize {
  return __heap_base
}

export function configure(
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
  configureLanes(newBits, newSymmetric, newHalf, newSteps, newSmallest, newReach, newRounds) // for its stored scales
  configureShort(newBits, newSymmetric, newSteps, newSmallest, newReach, newRounds)
  for (let k = 0; k < steps; k++) store<f32>(widened + (k << 2), 1 / (1 - ((1 - smallest) * <f32>k) / <f32>steps))
}

/** Smallest scale with which zero point z clips nothing on the side it serves. `sign` -1 mirrors the grid. */
function tightScale(z: f32, top: f32, sign: f32): f32 {
  const low = sign < 0 ? hi : -lo
  const high = sign < 0 ? -lo : hi
  if (z == 0) return high / top
  if (z == top) return low / top
  return max<f32>(low / z, high / (top - z))
}

const WIDEST_SHORT: i32 = 6 // bits up to which 16-bit integers tell scales apart

/** Steps from which every second one is tried first, and then the neighbours of the best. */
const FEW: i32 = 4

function choose(x: usize, h: usize, n: i32): void {
  const top = <f32>((1 << bits) - 1)
  const middle = <f32>(1 << (bits - 1))
  if (lo == hi) {
    scale = 0 // nothing but zeros; the host stores 1
    zero = symmetric ? middle : 0
    return
  }
  scale = storedScale(symmetric ? tightScale(middle, top, 1) : hi / top - lo / top, half)
  zero = symmetric ? middle : min<f32>(top, nearest<f32>(-lo / scale))
  if (steps == 0) return

  bestXU = 0
  bestUU = 1
  bestInverse = 1
  const from = symmetric ? middle : max<f32>(0, zero - <f32>reach)
  const to = symmetric ? middle : min<f32>(top, zero + <f32>reach)
  const stride = steps > FEW ? 2 : 1
  for (let z = from; z <= to; z++) {
    const right: f32 = 1 / tightScale(z, top, 1)
    if (symmetric) {
      const left: f32 = -1 / tightScale(z, top, -1)
      for (let k = 0; k < steps; k += stride) offerPair(x, h, n, right, k, left, k, z, top)
    } else {
      for (let k = 0; k < steps; k += 2 * stride)
        offerPair(x, h, n, right, k, right, k + stride < steps ? k + stride : k, z, top)
    }
  }
  if (bestXU == 0) return
  if (stride == 2) {
    const tight = bestTight
    const k = bestStep
    offerPair(x, h, n, tight, max<i32>(k - 1, 0), tight, min<i32>(k + 1, steps - 1), bestZero, top)
  }

  sumOne(x, h, n, 1 / scale, zero, top)
  let error = <f64>scale * <f64>scale * sumDD
  const z = bestZero
  let ratio = <f32>(bestXU / bestUU / <f64>bestInverse)
  for (let round = 0; round < rounds; round++) {
    const candidate = storedScale(ratio, half)
    sumOne(x, h, n, 1 / candidate, z, top)
    const found = <f64>candidate * <f64>candidate * sumDD
    if (found < error) {
      error = found
      scale = candidate
      zero = z
    } else if (round > 0) return
    if (sumUU == 0) return
    ratio = <f32>((sumXU / sumUU) * <f64>candidate)
  }
}

// The best candidate so far. It explains bestXU^2 / (bestUU bestInverse^2); candidates are compared without dividing.
let bestXU: f64 = 0
let bestUU: f64 = 1
let bestInverse: f32 = 1
let bestTight: f32 = 1 // 1 / the scale that just fits, of its sign
let bestZero: f32 = 0
let bestStep: i32 = 0

/** Two candidates with one zero point; one that has no finite scale counts for nothing. */
function offerPair(x: usize, h: usize, n: i32, t1: f32, k1: i32, t2: f32, k2: i32, z: f32, top: f32): void {
  const first = t1 * widen(k1)
  const second = t2 * widen(k2)
  const usable1 = isFinite<f32>(first)
  const usable2 = isFinite<f32>(second)
  if (!usable1 && !usable2) return
  sumPair(x, h, n, usable1 ? first : second, usable2 ? second : first, z, top)
  if (usable1) offer(sumXU, sumUU, first, t1, k1, z)
  if (usable2) offer(sumXU2, sumUU2, second, t2, k2, z)
}

function offer(xu: f64, uu: f64, inverse: f32, tight: f32, k: i32, z: f32): void {
  const own = <f64>inverse * <f64>inverse * uu
  const known = <f64>bestInverse * <f64>bestInverse * bestUU
  if (!(xu * xu * known > bestXU * bestXU * own)) return
  bestXU = xu
  bestUU = uu
  bestInverse = inverse
  bestTight = tight
  bestZero = z
  bestStep = k
}

/** scratch: 25 bytes a padded element of a group (four groups of weights, their integers, codes). Returns the flat index of the first weight that is not finite, or -1. */
export function quantizeRows(
  x: usize,
  h: usize,
  codes: usize,
  scales: usize,
  zeros: usize,
  rows: i32,
  cols: i32,
  groupSize: i32,
  scratch: usize,
): i32 {
  if (steps == 0 || (bits <= WIDEST_SHORT && allOnes(h, cols)))
    return quantizeAlike(x, codes, scales, zeros, rows, cols, groupSize, scratch)
  const top = <f32>((1 << bits) - 1)
  const scratchH = scratch + (padded(groupSize) << 2)
  const spare = scratchH + (padded(groupSize) << 2)
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c += groupSize) {
      const n = min<i32>(groupSize, cols - c)
      const source = x + ((<usize>r * cols + c) << 2)
      let at = source
      let weights = h + (c << 2)
      if (n & 15) {
        copyPadded(scratch, source, n)
        at = scratch
        copyPadded(scratchH, weights, n)
        weights = scratchH
      }
      extent(at, n)
      if (!isFinite<f32>(lo) || !isFinite<f32>(hi)) return firstBad(source, n) + r * cols + c
      choose(at, weights, n)
      store<f32>(scales, scale)
      store<u8>(zeros, <u8>zero)
      const target = codes + <usize>r * cols + c
      if (scale == 0) memory.fill(target, <u8>zero, n)
      else encode(at, n, 1 / scale, zero, top, n & 15 ? spare : target, target)
      scales += 4
      zeros++
    }
  }
  return -1
}

const four = memory.data(4 * 24) // of four groups: address of the weights, flat index, weights in it
const grids = memory.data(3 * 16, 16) // their scales, zero points and 1 / scales

/** As quantizeRows with all weights alike, four groups at a time. */
function quantizeAlike(
  x: usize,
  codes: usize,
  scales: usize,
  zeros: usize,
  rows: i32,
  cols: i32,
  groupSize: i32,
  scratch: usize,
): i32 {
  const top = <f32>((1 << bits) - 1)
  const count = padded(groupSize)
  const short = scratch
  const copies = short + ((<usize>count) << 3)
  const spare = copies + ((<usize>count) << 4)
  const whole = cols % groupSize == 0 && count == groupSize
  const perRow = (cols + groupSize - 1) / groupSize
  const groups = rows * perRow
  for (let g = 0; g < groups; g += 4) {
    const here = min<i32>(4, groups - g)
    for (let j = 0; j < 4; j++) {
      const own = min<i32>(g + j, groups - 1) // lanes left over repeat the last group
      const r = own / perRow
      const c = (own - r * perRow) * groupSize
      const n = min<i32>(groupSize, cols - c)
      const index = r * cols + c
      let at = x + ((<usize>index) << 2)
      if (!whole) {
        const copy = copies + <usize>j * ((<usize>count) << 2)
        memory.copy(copy, at, n << 2)
        memory.fill(copy + (n << 2), 0, (count - n) << 2)
        at = copy
      }
      store<usize>(four + j * 24, at)
      store<i32>(four + j * 24, index, 8)
      store<i32>(four + j * 24, n, 12)
    }
    const x0 = load<usize>(four)
    const x1 = load<usize>(four, 24)
    const x2 = load<usize>(four, 48)
    const x3 = load<usize>(four, 72)
    if (!extentOfFour(x0, x1, x2, x3, count)) {
      for (let j = 0; ; j++) {
        const index = load<i32>(four + j * 24, 8)
        const n = load<i32>(four + j * 24, 12)
        const bad = firstBad(x + ((<usize>index) << 2), n)
        if (bad < n) return index + bad
      }
    }
    searchFour(x0, x1, x2, x3, count, short)
    v128.store(grids, shortScales)
    v128.store(grids, shortZeros, 16)
    v128.store(grids, f32x4.div(f32x4.splat(1), shortScales), 32)
    for (let j = 0; j < here; j++) {
      const own = grids + (j << 2)
      const scale = load<f32>(own)
      const zero = load<f32>(own, 16)
      store<f32>(scales, scale)
      store<u8>(zeros, <u8>zero)
      const target = codes + load<i32>(four + j * 24, 8)
      const n = load<i32>(four + j * 24, 12)
      if (scale == 0) memory.fill(target, <u8>zero, n)
      else encode(load<usize>(four + j * 24), n, load<f32>(own, 32), zero, top, whole ? target : spare, target)
      scales += 4
      zeros++
    }
  }
  return -1
}

function allOnes(h: usize, n: i32): bool {
  for (let i = 0; i < n; i++) if (load<f32>(h + (i << 2)) != 1) return false
  return true
}

function firstBad(x: usize, n: i32): i32 {
  for (let i = 0; i < n; i++) if (!isFinite<f32>(load<f32>(x + (i << 2)))) return i
  return n
}

// One grid for a whole tensor is searched by the host over row blocks, with the three steps below.

/** Range of rows as one group: result at `out` as [lo, hi]. Returns as quantizeRows. */
export function extentRows(x: usize, rows: i32, cols: i32, scratch: usize, out: usize): i32 {
  let low: f32 = 0
  let high: f32 = 0
  for (let r = 0; r < rows; r++) {
    copyPadded(scratch, x + ((<usize>r * cols) << 2), cols)
    extent(scratch, cols)
    if (!isFinite<f32>(lo) || !isFinite<f32>(hi)) return firstBad(scratch, cols) + r * cols
    low = min<f32>(low, lo)
    high = max<f32>(high, hi)
  }
  store<f32>(out, low)
  store<f32>(out, high, 4)
  return -1
}

/** Adds to [sumXU, sumUU, error] (float64) at `out`; the error is taken at scale = 1 / inverse only when asked. */
export function sumRows(
  x: usize,
  h: usize,
  rows: i32,
  cols: i32,
  inverse: f32,
  gridZero: f32,
  scratch: usize,
  out: usize,
): void {
  const top = <f32>((1 << bits) - 1)
  const scratchH = scratch + (padded(cols) << 2)
  copyPadded(scratchH, h, cols)
  for (let r = 0; r < rows; r++) {
    copyPadded(scratch, x + ((<usize>r * cols) << 2), cols)
    sums(scratch, scratchH, cols, inverse, gridZero, top)
    store<f64>(out, load<f64>(out) + sumXU)
    store<f64>(out, load<f64>(out, 8) + sumUU, 8)
  }
}

/** Codes of rows on a given grid (when `codes` is not 0); adds the weighted squared error to the float64 at `out`. */
export function encodeRows(
  x: usize,
  h: usize,
  codes: usize,
  rows: i32,
  cols: i32,
  gridScale: f32,
  gridZero: f32,
  scratch: usize,
  out: usize,
): void {
  const top = <f32>((1 << bits) - 1)
  const scratchH = scratch + (padded(cols) << 2)
  const spare = scratchH + (padded(cols) << 2)
  copyPadded(scratchH, h, cols)
  for (let r = 0; r < rows; r++) {
    copyPadded(scratch, x + ((<usize>r * cols) << 2), cols)
    store<f64>(out, load<f64>(out) + errorAt(scratch, scratchH, cols, gridScale, gridZero, top))
    if (codes) encode(scratch, cols, 1 / gridScale, gridZero, top, spare, codes + <usize>r * cols)
  }
}
