// Column loops over a tile of rows that lies column by column, [size, lanes] float32, four rows a vector.
//   feed:   Frantar et al. 2022, "GPTQ", algorithm 1: q = grid(w_i), e_i = (w_i - q) / U_ii, w_j -= U_ij e_i for j > i
//   refine: coordinate descent: q' = grid(q_i + g_i / H_ii), t = q' - q, d_i -= t, g_j -= H_ij t for j > i
// Eight columns are done one by one, then all columns right of them take what they are owed in one pass; every weight
// still receives its terms in the order of i, so a plain loop gives the same bits.
import { chooseLanes, configureLanes, scale, storedScales, zero } from './shared/lane-search'

const AT_ONCE: i32 = 8

let top: f32 = 15

export function heapBase(): usize {
  return __heap_base
}

export function configure(
  bits: i32,
  symmetric: bool,
  half: bool,
  steps: i32,
  smallest: f32,
  reach: i32,
  rounds: i32,
): void {
  top = <f32>((1 << bits) - 1)
  configureLanes(bits, symmetric, half, steps, smallest, reach, rounds)
}

function codeOf(value: v128, low: v128, high: v128): v128 {
  return f32x4.nearest(f32x4.pmin(high, f32x4.pmax(low, value)))
}

/** Four codes as bytes. */
function storeCodes(codes: usize, value: v128): void {
  const words = i32x4.trunc_sat_f32x4_s(value)
  const shorts = i16x8.narrow_i32x4_s(words, words)
  v128.store32_lane(codes, i8x16.narrow_i16x8_u(shorts, shorts), 0)
}

function loadCodes(codes: usize): v128 {
  const shorts = i16x8.extend_low_i8x16_u(v128.load32_zero(codes))
  return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(shorts))
}

/** w[j] -= m[i, j] e[i] for the columns i in [from, to) and j in [to, size). */
function trail(w: usize, e: usize, m: usize, from: i32, to: i32, size: i32, stride: usize): void {
  const width = (<usize>size) << 2
  if (to - from != AT_ONCE) {
    for (let j = to; j < size; j++) {
      const target = w + <usize>j * stride
      for (let i = from; i < to; i++) {
        const factor = v128.load32_splat(m + <usize>i * width + ((<usize>j) << 2))
        const source = e + <usize>i * stride
        for (let p: usize = 0; p < stride; p += 16)
          v128.store(target + p, f32x4.sub(v128.load(target + p), f32x4.mul(factor, v128.load(source + p))))
      }
    }
    return
  }
  const e0 = e + <usize>from * stride
  for (let j = to; j < size; j++) {
    const target = w + <usize>j * stride
    const factors = m + <usize>from * width + ((<usize>j) << 2)
    const f0 = v128.load32_splat(factors)
    const f1 = v128.load32_splat(factors + width)
    const f2 = v128.load32_splat(factors + 2 * width)
    const f3 = v128.load32_splat(factors + 3 * width)
    const f4 = v128.load32_splat(factors + 4 * width)
    const f5 = v128.load32_splat(factors + 5 * width)
    const f6 = v128.load32_splat(factors + 6 * width)
    const f7 = v128.load32_splat(factors + 7 * width)
    for (let p: usize = 0; p < stride; p += 16) {
      let source = e0 + p
      let value = f32x4.sub(v128.load(target + p), f32x4.mul(f0, v128.load(source)))
      value = f32x4.sub(value, f32x4.mul(f1, v128.load((source += stride))))
      value = f32x4.sub(value, f32x4.mul(f2, v128.load((source += stride))))
      value = f32x4.sub(value, f32x4.mul(f3, v128.load((source += stride))))
      value = f32x4.sub(value, f32x4.mul(f4, v128.load((source += stride))))
      value = f32x4.sub(value, f32x4.mul(f5, v128.load((source += stride))))
      value = f32x4.sub(value, f32x4.mul(f6, v128.load((source += stride))))
      value = f32x4.sub(value, f32x4.mul(f7, v128.load((source += stride))))
      v128.store(target + p, value)
    }
  }
}

/** Grid of the group of n columns at x, for all rows of the tile, to scales and zeros. */
function searchGroup(x: usize, h: usize, n: i32, stride: usize, scales: usize, zeros: usize): void {
  for (let p: usize = 0; p < stride; p += 16) {
    chooseLanes(x + p, h, n, stride)
    v128.store(scales + p, v128.bitselect(f32x4.splat(1), scale, f32x4.eq(scale, f32x4.splat(0))))
    v128.store(zeros + p, zero)
  }
}

/** Where the columns' grids are, and which groups are searched: all [size] int32 but the grids. */
let slots: usize = 0 // slot of each column
let starts: usize = 0 // length of the group that begins at a column and is to be searched (or refitted); else 0
let scales: usize = 0 // [slots, lanes]
let zeros: usize = 0

export function grids(newSlots: usize, newStarts: usize, newScales: usize, newZeros: usize): void {
  slots = newSlots
  starts = newStarts
  scales = newScales
  zeros = newZeros
}

function startAt(column: i32): i32 {
  return load<i32>(starts + ((<usize>column) << 2))
}

/** End of the run of columns from i that are done one by one: a group to be searched must see all it is owed. */
function runEnd(i: i32, size: i32): i32 {
  let end = i + 1
  while (end < size && end < i + AT_ONCE && startAt(end) == 0) end++
  return end
}

/** Grids of all groups that begin in the block; h [size]: importance of the columns. */
export function search(w: usize, h: usize, size: i32, lanes: i32): void {
  const stride = (<usize>lanes) << 2
  for (let i = 0; i < size; i++) {
    if (startAt(i) == 0) continue
    const slot = <usize>load<i32>(slots + ((<usize>i) << 2)) * stride
    searchGroup(w + <usize>i * stride, h + ((<usize>i) << 2), startAt(i), stride, scales + slot, zeros + slot)
  }
}

/** h [size]: importance of the columns in a search. codes [size, lanes] bytes out. lanes: a multiple of 4. */
export function feed(w: usize, e: usize, u: usize, h: usize, codes: usize, size: i32, lanes: i32): void {
  const stride = (<usize>lanes) << 2
  const last = f32x4.splat(top)
  for (let i = 0; i < size;) {
    const length = startAt(i)
    const slot = <usize>load<i32>(slots + ((<usize>i) << 2)) * stride
    if (length > 0)
      searchGroup(w + <usize>i * stride, h + ((<usize>i) << 2), length, stride, scales + slot, zeros + slot)
    const end = runEnd(i, size)
    for (let c = i; c < end; c++) {
      const from = <usize>c * stride
      const grid = <usize>load<i32>(slots + ((<usize>c) << 2)) * stride
      const inverse = f32x4.splat(1 / load<f32>(u + ((<usize>c * size + c) << 2)))
      for (let p: usize = 0; p < stride; p += 16) {
        const value = v128.load(w + from + p)
        const s = v128.load(scales + grid + p)
        const z = v128.load(zeros + grid + p)
        const code = codeOf(f32x4.div(value, s), f32x4.neg(z), f32x4.sub(last, z))
        storeCodes(codes + ((from + p) >> 2), f32x4.add(code, z))
        v128.store(e + from + p, f32x4.mul(f32x4.sub(value, f32x4.mul(code, s)), inverse))
      }
      for (let j = c + 1; j < end; j++) {
        const factor = v128.load32_splat(u + ((<usize>c * size + j) << 2))
        const to = w + <usize>j * stride
        for (let p: usize = 0; p < stride; p += 16)
          v128.store(to + p, f32x4.sub(v128.load(to + p), f32x4.mul(factor, v128.load(e + from + p))))
      }
    }
    trail(w, e, u, i, end, size, stride)
    i = end
  }
}

/** d [size, lanes]: w becomes w - what the codes stand for. */
export function difference(w: usize, codes: usize, size: i32, lanes: i32): void {
  const stride = (<usize>lanes) << 2
  for (let c = 0; c < size; c++) {
    const from = <usize>c * stride
    const grid = <usize>load<i32>(slots + ((<usize>c) << 2)) * stride
    for (let p: usize = 0; p < stride; p += 16) {
      const u = f32x4.sub(loadCodes(codes + ((from + p) >> 2)), v128.load(zeros + grid + p))
      v128.store(w + from + p, f32x4.sub(v128.load(w + from + p), f32x4.mul(u, v128.load(scales + grid + p))))
    }
  }
}

/** A better scale for the group of n columns at `first`: with its codes u fixed, s += u g / (u H u), as far as the stored
 *  type allows it and only where it lowers the error. t [size, lanes] is scratch for H u. */
function refit(
  g: usize,
  d: usize,
  t: usize,
  m: usize,
  codes: usize,
  first: i32,
  n: i32,
  size: i32,
  stride: usize,
  slot: usize,
): void {
  const width = (<usize>size) << 2
  for (let p: usize = 0; p < stride; p += 16) {
    const z = v128.load(zeros + slot + p)
    const s = v128.load(scales + slot + p)
    let along = f32x4.splat(0)
    let square = f32x4.splat(0)
    for (let j = first; j < size; j++) {
      let sum = f32x4.splat(0)
      for (let i = first; i < first + n; i++) {
        const u = f32x4.sub(loadCodes(codes + ((<usize>i * stride + p) >> 2)), z)
        sum = f32x4.add(sum, f32x4.mul(u, v128.load32_splat(m + <usize>i * width + ((<usize>j) << 2))))
      }
      v128.store(t + <usize>j * stride + p, sum)
      if (j >= first + n) continue
      const own = f32x4.sub(loadCodes(codes + ((<usize>j * stride + p) >> 2)), z)
      square = f32x4.add(square, f32x4.mul(sum, own))
      along = f32x4.add(along, f32x4.mul(v128.load(g + <usize>j * stride + p), own))
    }
    const wanted = storedScales(f32x4.add(s, f32x4.div(along, square)))
    const change = f32x4.sub(wanted, s)
    const gain = f32x4.sub(f32x4.mul(f32x4.add(along, along), change), f32x4.mul(f32x4.mul(change, change), square))
    const good = v128.and(f32x4.gt(square, f32x4.splat(0)), f32x4.gt(gain, f32x4.splat(0)))
    const step = v128.and(change, good)
    v128.store(scales + slot + p, v128.bitselect(wanted, s, good))
    for (let j = first; j < size; j++) {
      const at = <usize>j * stride + p
      v128.store(g + at, f32x4.sub(v128.load(g + at), f32x4.mul(step, v128.load(t + at))))
      if (j >= first + n) continue
      const own = f32x4.sub(loadCodes(codes + (at >> 2)), z)
      v128.store(d + at, f32x4.sub(v128.load(d + at), f32x4.mul(step, own)))
    }
  }
}

/** g: columns of (W - Q) H, scratch; d: W - Q, updated as codes (and scales of whole groups) are; t: scratch. */
export function refine(g: usize, d: usize, t: usize, m: usize, codes: usize, size: i32, lanes: i32): void {
  const stride = (<usize>lanes) << 2
  const last = f32x4.splat(top)
  for (let i = 0; i < size;) {
    const length = startAt(i)
    const slot = <usize>load<i32>(slots + ((<usize>i) << 2)) * stride
    if (length > 0) refit(g, d, t, m, codes, i, length, size, stride, slot)
    const end = runEnd(i, size)
    for (let c = i; c < end; c++) {
      const from = <usize>c * stride
      const grid = <usize>load<i32>(slots + ((<usize>c) << 2)) * stride
      const pivot = load<f32>(m + ((<usize>c * size + c) << 2))
      const inverse = f32x4.splat(pivot > 0 ? 1 / pivot : 0)
      for (let p: usize = 0; p < stride; p += 16) {
        const s = v128.load(scales + grid + p)
        const z = v128.load(zeros + grid + p)
        const place = codes + ((from + p) >> 2)
        const old = f32x4.sub(loadCodes(place), z)
        const wish = f32x4.add(old, f32x4.div(f32x4.mul(v128.load(g + from + p), inverse), s))
        const code = codeOf(wish, f32x4.neg(z), f32x4.sub(last, z))
        storeCodes(place, f32x4.add(code, z))
        const change = f32x4.mul(f32x4.sub(code, old), s)
        v128.store(t + from + p, change)
        v128.store(d + from + p, f32x4.sub(v128.load(d + from + p), change))
      }
      for (let j = c + 1; j < end; j++) {
        const factor = v128.load32_splat(m + ((<usize>c * size + j) << 2))
        const to = g + <usize>j * stride
        for (let p: usize = 0; p < stride; p += 16)
          v128.store(to + p, f32x4.sub(v128.load(to + p), f32x4.mul(factor, v128.load(t + from + p))))
      }
    }
    trail(g, t, m, i, end, size, stride)
    i = end
  }
}
