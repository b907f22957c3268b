// Weights on a small set of levels with one scale a group: w ~ scale * level. Two kinds of sets:
//   a table of at most 16 levels, rising, searched by its bounds (the midpoints)
//   a small float of OFP8 or OCP MX: `mantissa` bits, exponents from `minExponent`, magnitudes up to `top`, which saturates;
//   rounded to nearest, ties to even, by integer arithmetic on the float32 bits
// The scale of a group is the one with the least sum h (x - s level)^2 among the plain one (largest magnitude on the top
// level) and its multiples by `factors`, then refined: s = sum(h x level) / sum(h level^2) (least squares for these levels),
// each rounded to its stored type before its error counts. So the error is never above the plain scale's.
// Everything is per row: any split of the rows among threads gives the same bytes. Sums run in float64.
import { padded, copyPadded, extent, hi, lo } from './shared/group'
import { storedScale } from './shared/scale'

const HALF = 0
const SINGLE = 1
const HALF_POWER = 2 // a power of two that float16 holds
const E8M0 = 3
const E4M3 = 4 // float8e4m3fn over a divisor for the whole tensor

const tables: usize = memory.data(64 + 64 + 16 + 128 + 16) // levels, bounds, codes, factors
const LEVELS: usize = 0
const BOUNDS: usize = 64
const CODES: usize = 128
const FACTORS: usize = 144

let count: i32 = 0 // levels of the table; 0: a small float
let mantissa: i32 = 0
let minExponent: i32 = 0
let signBit: i32 = 0 // of a small float's code
let top: f32 = 1 // largest magnitude
let zeroCode: i32 = 0
let kind: i32 = HALF
let divisor: f32 = 1
let factorCount: i32 = 0
let rounds: i32 = 0

let sumXL: f64 = 0
let sumLL: f64 = 0

export function heapBase(): usize {
  return __heap_base
}

export function tablesAt(): usize {
  return tables
}

export function configure(
  newCount: i32,
  newMantissa: i32,
  newMinExponent: i32,
  newSignBit: i32,
  newTop: f32,
  newZeroCode: i32,
  newKind: i32,
  newDivisor: f32,
  newFactorCount: i32,
  newRounds: i32,
): void {
  count = newCount
  mantissa = newMantissa
  minExponent = newMinExponent
  signBit = newSignBit
  top = newTop
  zeroCode = newZeroCode
  kind = newKind
  divisor = newDivisor
  factorCount = newFactorCount
  rounds = newRounds
}

/** Nearest level of each lane. */
function nearestLevel(v: v128): v128 {
  if (count == 0) return nearestFloat(v)
  let level = v128.load32_splat(tables + LEVELS)
  for (let k = 1; k < count; k++) {
    const above = f32x4.gt(v, v128.load32_splat(tables + BOUNDS + ((k - 1) << 2)))
    level = v128.bitselect(v128.load32_splat(tables + LEVELS + (k << 2)), level, above)
  }
  return level
}

function nearestFloat(v: v128): v128 {
  const size = f32x4.pmin(f32x4.splat(top), f32x4.abs(v))
  const drop = 23 - mantissa
  const odd = v128.and(i32x4.shr_u(size, drop), i32x4.splat(1))
  const half = i32x4.add(i32x4.splat((1 << (drop - 1)) - 1), odd)
  const normal = v128.and(i32x4.add(size, half), i32x4.splat(~((1 << drop) - 1)))
  // Adding 1.5 * 2^23 units of the last place leaves whole units.
  const magic = f32x4.splat(reinterpret<f32>(((127 + 23 + minExponent - mantissa) << 23) | 0x400000))
  const small = f32x4.sub(f32x4.add(size, magic), magic)
  const isSmall = f32x4.lt(size, f32x4.splat(reinterpret<f32>((127 + minExponent) << 23)))
  const rounded = v128.bitselect(small, normal, isSmall)
  return v128.or(rounded, v128.and(v, i32x4.splat(0x80000000)))
}

/** Codes of levels, as 32-bit lanes. `v` as for nearestLevel. */
function codesOf(v: v128): v128 {
  if (count == 0) return floatCodes(nearestFloat(v))
  let index = i32x4.splat(0)
  for (let k = 1; k < count; k++)
    index = i32x4.sub(index, f32x4.gt(v, v128.load32_splat(tables + BOUNDS + ((k - 1) << 2))))
  const lanes = v128.or(index, i32x4.splat(0xffffff00)) // the other bytes select nothing
  return v128.and(i8x16.swizzle(v128.load(tables + CODES), lanes), i32x4.splat(0xff))
}

function floatCodes(level: v128): v128 {
  const size = f32x4.abs(level)
  const normal = i32x4.sub(i32x4.shr_u(size, 23 - mantissa), i32x4.splat((127 - 1 + minExponent) << mantissa))
  const unit = f32x4.splat(reinterpret<f32>((127 + mantissa - minExponent) << 23))
  const small = i32x4.trunc_sat_f32x4_s(f32x4.mul(size, unit))
  const isSmall = f32x4.lt(size, f32x4.splat(reinterpret<f32>((127 + minExponent) << 23)))
  const code = v128.bitselect(small, normal, isSmall)
  const negative = f32x4.lt(level, f32x4.splat(0)) // -0 has the code of 0
  return v128.or(code, v128.and(negative, i32x4.splat(1 << signBit)))
}

/** The scale as it will be stored, in float32. */
function stored(scale: f32): f32 {
  if (kind == HALF) return storedScale(scale, true)
  if (kind == SINGLE) return storedScale(scale, false)
  if (kind == E4M3) return roundE4M3(min<f32>(max<f32>(abs<f32>(scale) * divisor, 0.001953125), 448)) / divisor
  // A power of two, nearest in its exponent.
  const exponent = (reinterpret<i32>(abs<f32>(scale)) + 0x4afb0d) >> 23
  const held = kind == E8M0 ? min(max(exponent, 1), 254) : min(max(exponent, 127 - 24), 127 + 15)
  return copysign<f32>(reinterpret<f32>(held << 23), scale)
}

/** A magnitude within float8e4m3fn, rounded to it. */
function roundE4M3(size: f32): f32 {
  if (size < 0.015625) return <f32>(<f32>(size + 24576) - 24576) // units of 2^-9
  const bits = reinterpret<i32>(size)
  return reinterpret<f32>((bits + 0x7ffff + ((bits >> 20) & 1)) & ~0xfffff)
}

/** The scale without a search. Powers of two: OCP MX 1.0, section 6.3: 2^(floor(log2 most) - floor(log2 top)). */
function plainScale(most: f32): f32 {
  if (kind != HALF_POWER && kind != E8M0) return most / top
  const exponent = (reinterpret<i32>(most) >> 23) - (reinterpret<i32>(top) >> 23)
  return reinterpret<f32>(min(max(exponent + 127, 1), 254) << 23)
}

/** sum h (x - scale level)^2; padded elements have h = 0. */
function errorAt(x: usize, h: usize, n: i32, scale: f32): f64 {
  const step = f32x4.splat(scale)
  const end = x + (padded(n) << 2)
  let e0 = f64x2.splat(0)
  let e1 = f64x2.splat(0)
  while (x < end) {
    const value = v128.load(x)
    const weight = v128.load(h)
    const d = f32x4.sub(value, f32x4.mul(step, nearestLevel(f32x4.div(value, step))))
    const d0 = f64x2.promote_low_f32x4(d)
    const d1 = f64x2.promote_low_f32x4(v128.shuffle<f32>(d, d, 2, 3, 2, 3))
    const w0 = f64x2.promote_low_f32x4(weight)
    const w1 = f64x2.promote_low_f32x4(v128.shuffle<f32>(weight, weight, 2, 3, 2, 3))
    e0 = f64x2.add(e0, f64x2.mul(w0, f64x2.mul(d0, d0)))
    e1 = f64x2.add(e1, f64x2.mul(w1, f64x2.mul(d1, d1)))
    x += 16
    h += 16
  }
  return total(e0, e1)
}

/** Sets sumXL = sum h x level and sumLL = sum h level^2. */
function sums(x: usize, h: usize, n: i32, scale: f32): void {
  const step = f32x4.splat(scale)
  const end = x + (padded(n) << 2)
  let a0 = f64x2.splat(0)
  let a1 = f64x2.splat(0)
  let b0 = f64x2.splat(0)
  let b1 = f64x2.splat(0)
  while (x < end) {
    const value = v128.load(x)
    const weight = v128.load(h)
    const level = nearestLevel(f32x4.div(value, step))
    const x0 = f64x2.promote_low_f32x4(value)
    const x1 = f64x2.promote_low_f32x4(v128.shuffle<f32>(value, value, 2, 3, 2, 3))
    const l0 = f64x2.promote_low_f32x4(level)
    const l1 = f64x2.promote_low_f32x4(v128.shuffle<f32>(level, level, 2, 3, 2, 3))
    const w0 = f64x2.mul(f64x2.promote_low_f32x4(weight), l0)
    const w1 = f64x2.mul(f64x2.promote_low_f32x4(v128.shuffle<f32>(weight, weight, 2, 3, 2, 3)), l1)
    a0 = f64x2.add(a0, f64x2.mul(w0, x0))
    a1 = f64x2.add(a1, f64x2.mul(w1, x1))
    b0 = f64x2.add(b0, f64x2.mul(w0, l0))
    b1 = f64x2.add(b1, f64x2.mul(w1, l1))
    x += 16
    h += 16
  }
  sumXL = total(a0, a1)
  sumLL = total(b0, b1)
}

function total(a: v128, b: v128): f64 {
  const left = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1)
  return left + (f64x2.extract_lane(b, 0) + f64x2.extract_lane(b, 1))
}

function choose(x: usize, h: usize, n: i32, most: f32): f32 {
  const plain = plainScale(most)
  let scale = stored(plain)
  if (factorCount == 0) return scale
  let error = errorAt(x, h, n, scale)
  for (let k = 0; k < factorCount; k++) {
    const tried = stored(plain * load<f32>(tables + FACTORS + (k << 2)))
    const found = errorAt(x, h, n, tried)
    if (found < error) {
      error = found
      scale = tried
    }
  }
  for (let round = 0; round < rounds; round++) {
    sums(x, h, n, scale)
    if (sumLL == 0) break
    const tried = stored(<f32>(sumXL / sumLL))
    if (tried == scale) break
    const found = errorAt(x, h, n, tried)
    if (!(found < error)) break
    error = found
    scale = tried
  }
  return scale
}

function encode(x: usize, n: i32, scale: f32, codes: usize): void {
  const step = f32x4.splat(scale)
  let i = 0
  for (; i + 4 <= n; i += 4) {
    const lanes = codesOf(f32x4.div(v128.load(x + (i << 2)), step))
    const narrow = i16x8.narrow_i32x4_u(lanes, lanes)
    store<i32>(codes + i, i32x4.extract_lane(i8x16.narrow_i16x8_u(narrow, narrow), 0))
  }
  for (; i < n; i++) {
    const lanes = codesOf(f32x4.div(v128.load32_splat(x + (i << 2)), step))
    store<u8>(codes + i, <u8>i32x4.extract_lane(lanes, 0))
  }
}

/** scratch: 8 bytes a padded element. Returns the flat index of the first weight that is not finite, or -1. A group of zeros
 *  gets scale 0, which the host replaces where the stored type has none. */
export function levelRows(
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
      const scale: f32 = most == 0 ? 0 : choose(scratch, scratchH, n, most)
      const target = codes + <usize>r * cols + c
      store<f32>(scales, scale)
      scales += 4
      if (scale == 0) memory.fill(target, <u8>zeroCode, n)
      else encode(scratch, n, scale, target)
    }
  }
  return -1
}

/** Codes under given scales [rows, groups]; adds the weighted squared error to the float64 at `out`. */
export function codeRows(
  x: usize,
  h: usize,
  codes: usize,
  scales: usize,
  rows: i32,
  cols: i32,
  groupSize: i32,
  scratch: usize,
  out: usize,
): void {
  const scratchH = scratch + (padded(groupSize) << 2)
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c += groupSize) {
      const n = min<i32>(groupSize, cols - c)
      copyPadded(scratch, x + ((<usize>r * cols + c) << 2), n)
      copyPadded(scratchH, h + (c << 2), n)
      const scale = load<f32>(scales)
      scales += 4
      const target = codes + <usize>r * cols + c
      if (scale == 0) {
        memory.fill(target, <u8>zeroCode, n)
        continue
      }
      store<f64>(out, load<f64>(out) + errorAt(scratch, scratchH, n, scale))
      encode(scratch, n, scale, target)
    }
  }
}

function firstBad(x: usize, n: i32): i32 {
  for (let i = 0; i < n; i++) if (!isFinite<f32>(load<f32>(x + (i << 2)))) return i
  return 0
}

/** Error feedback within a block of columns [begin, begin + size) of w [rows, size], given u, the diagonal block of U
 *  [size, size] (Frantar et al. 2022, "GPTQ", algorithm 1):
 *    e_j = (w_j - q_j) / u_jj     w_k -= e_j u_jk for k > j
 *  codes [rows, size] and e [rows, size] out. scales [rows, groups] of the whole rows. */
export function feedbackRows(
  w: usize,
  u: usize,
  e: usize,
  codes: usize,
  scales: usize,
  rows: i32,
  begin: i32,
  size: i32,
  groupSize: i32,
  groups: i32,
): void {
  const width = (<usize>size) << 2
  for (let r = 0; r < rows; r++) {
    const row = w + <usize>r * width
    for (let j = 0; j < size; j++) {
      const scale = load<f32>(scales + ((<usize>r * groups + (begin + j) / groupSize) << 2))
      const value = load<f32>(row + (j << 2))
      const at = <usize>r * size + j
      let level: f32 = 0
      if (scale == 0) store<u8>(codes + at, <u8>zeroCode)
      else {
        const v = f32x4.splat(value / scale)
        level = f32x4.extract_lane(nearestLevel(v), 0)
        store<u8>(codes + at, <u8>i32x4.extract_lane(codesOf(v), 0))
      }
      const line = u + <usize>j * width
      const error = (value - scale * level) / load<f32>(line + (j << 2))
      store<f32>(e + (at << 2), error)
      for (let k = j + 1; k < size; k++) {
        const p = row + (k << 2)
        store<f32>(p, load<f32>(p) - error * load<f32>(line + (k << 2)))
      }
    }
  }
}

/** Weights of codes: values[code] * scale; `values` holds 256 float32. */
export function decodeRows(
  codes: usize,
  values: usize,
  scales: usize,
  out: usize,
  rows: i32,
  cols: i32,
  groupSize: i32,
): void {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c += groupSize) {
      const n = min<i32>(groupSize, cols - c)
      const scale = load<f32>(scales)
      scales += 4
      for (let i = 0; i < n; i++)
        store<f32>(out + (i << 2), load<f32>(values + ((<usize>load<u8>(codes + i)) << 2)) * scale)
      codes += n
      out += (<usize>n) << 2
    }
  }
}

/** Five codes of three levels a byte: c0 + 3 c1 + 9 c2 + 27 c3 + 81 c4. `codes` is padded with zeros to whole bytes. */
export function packTrits(codes: usize, packed: usize, bytes: i32): void {
  for (let i = 0; i < bytes; i++) {
    let value: i32 = 0
    for (let k = 4; k >= 0; k--) value = value * 3 + load<u8>(codes + k)
    store<u8>(packed + i, <u8>value)
    codes += 5
  }
}

export function unpackTrits(packed: usize, codes: usize, bytes: i32): void {
  for (let i = 0; i < bytes; i++) {
    let value: i32 = load<u8>(packed + i)
    for (let k = 0; k < 5; k++) {
      store<u8>(codes + k, <u8>(value % 3))
      value /= 3
    }
    codes += 5
  }
}
