// One row of one block of a code-book type, and the search for the signed words of eight weights under a metric.
//   f(q) = q M q - 2 q y     q_j = s sigma_j v_j     M is 8 x 8, shared by all rows
// For given signs every word is looked at: with a = -2 s sigma y and P = s^2 sigma sigma M, f = sum a_j v_j + sum P_jk v_j v_k,
// products of levels stand in a table. Words of four weights go to their best in turn, then signs turn one or two at a
// time (two where their number must stay even), until nothing gains.
import { HEADER, ITEM, put, putHalf, take, takeHalf } from './fields'

export let run: i32 = 32
export let dims: i32 = 8
let words: i32 = 256
let even: bool = false
let base: f32 = 0
let step: f32 = 0
let wordItems: usize = 0
let signItems: usize = 0
let scaleItems: usize = 0
let terms: i32 = 44

let planes: usize = 0 // f32 [terms, words]: levels v_j, then products v_j v_k (twice those of j < k)
let coefficients: usize = 0 // vectors [terms]
export let word: usize = 0 // u16 [64]
export let sigma: usize = 0 // f32 [256]
export let scale: usize = 0 // i32 [16]
export let d: f32 = 0
export function setD(value: f32): void {
  d = value
}

/** Reads the settings and lays tables at `scratch`; returns what is behind them. */
export function configure(settings: usize, scratch: usize): usize {
  words = load<i32>(settings)
  dims = load<i32>(settings, 4)
  run = load<i32>(settings, 8)
  even = load<i32>(settings, 12) != 0
  const values = settings + load<i32>(settings, 16)
  base = load<f32>(settings, 64)
  step = load<f32>(settings, 68)
  wordItems = settings + HEADER
  signItems = wordItems + (256 / dims) * ITEM
  scaleItems = signItems + 32 * ITEM
  terms = dims + (dims * (dims + 1)) / 2
  planes = scratch
  coefficients = planes + ((terms * words) << 2)
  word = coefficients + (terms << 4)
  sigma = word + 128
  scale = sigma + 1024
  let plane = planes
  for (let j = 0; j < dims; j++, plane += words << 2)
    for (let w = 0; w < words; w++) store<f32>(plane + (w << 2), <f32>load<i8>(values + w * dims + j))
  for (let j = 0; j < dims; j++) {
    for (let k = j; k < dims; k++, plane += words << 2) {
      const times: f32 = j == k ? 1 : 2
      for (let w = 0; w < words; w++) store<f32>(plane + (w << 2), times * level(j, w) * level(k, w))
    }
  }
  return scale + 64
}

function level(j: i32, w: i32): f32 {
  return load<f32>(planes + ((j * words + w) << 2))
}

export function scaleOf(code: i32): f32 {
  return d * (base + step * <f32>code)
}

export function unpack(block: usize): void {
  d = takeHalf(block)
  for (let slot = 0; slot < 256 / dims; slot++)
    store<u16>(word + (slot << 1), <u16>take(block, wordItems + slot * ITEM))
  for (let g = 0; g < 32; g++) {
    let signs = take(block, signItems + g * ITEM)
    if (even) signs |= (popcnt<u32>(signs) & 1) << 7
    for (let j = 0; j < 8; j++) store<f32>(sigma + ((g * 8 + j) << 2), (signs >> j) & 1 ? -1 : 1)
  }
  for (let r = 0; r < 256 / run; r++) store<i32>(scale + (r << 2), take(block, scaleItems + r * ITEM))
}

export function pack(block: usize): void {
  putHalf(block, d)
  for (let slot = 0; slot < 256 / dims; slot++) put(block, wordItems + slot * ITEM, load<u16>(word + (slot << 1)))
  for (let g = 0; g < 32; g++) {
    let signs = 0
    for (let j = 0; j < 8; j++) signs |= (<i32>(load<f32>(sigma + ((g * 8 + j) << 2)) < 0)) << j
    put(block, signItems + g * ITEM, signs) // of seven bits the eighth follows from evenness
  }
  for (let r = 0; r < 256 / run; r++) put(block, scaleItems + r * ITEM, load<i32>(scale + (r << 2)))
}

/** Weights first to last at scale s, to q. */
export function weights(first: i32, last: i32, s: f32, q: usize): void {
  for (let i = first; i < last; i++) {
    const w = <i32>load<u16>(word + ((i / dims) << 1))
    store<f32>(q + (i << 2), s * level(i % dims, w) * load<f32>(sigma + (i << 2)))
  }
}

/** The best of all words for part `o` (0 or 4) of eight weights whose first is `i`, by the coefficients. */
function scan(): i32 {
  let least = f32x4.splat(f32.MAX_VALUE)
  let where = i32x4.splat(0)
  let index = i32x4(0, 1, 2, 3)
  const plane = (<usize>words) << 2
  const lastTerm = coefficients + (terms << 4)
  for (let w: usize = 0; w < plane; w += 64) {
    let a = f32x4.splat(0)
    let b = a
    let c = a
    let e = a
    let at = planes + w
    for (let term = coefficients; term < lastTerm; term += 16, at += plane) {
      const by = v128.load(term)
      a = f32x4.add(a, f32x4.mul(by, v128.load(at)))
      b = f32x4.add(b, f32x4.mul(by, v128.load(at, 16)))
      c = f32x4.add(c, f32x4.mul(by, v128.load(at, 32)))
      e = f32x4.add(e, f32x4.mul(by, v128.load(at, 48)))
    }
    for (let part = 0; part < 4; part++) {
      const cost = part == 0 ? a : part == 1 ? b : part == 2 ? c : e
      const better = f32x4.lt(cost, least)
      least = v128.bitselect(cost, least, better)
      where = v128.bitselect(index, where, better)
      index = i32x4.add(index, i32x4.splat(4))
    }
  }
  let best = f32x4.extract_lane(least, 0)
  let found = i32x4.extract_lane(where, 0)
  const indices = where
  const second = f32x4.extract_lane(least, 1)
  if (second < best) {
    best = second
    found = i32x4.extract_lane(indices, 1)
  }
  const third = f32x4.extract_lane(least, 2)
  if (third < best) {
    best = third
    found = i32x4.extract_lane(indices, 2)
  }
  if (f32x4.extract_lane(least, 3) < best) found = i32x4.extract_lane(indices, 3)
  return found
}

const LIN = memory.data(32)

function searchPart(i: i32, o: i32, y: usize, m: usize, s: f32, q: usize): bool {
  for (let j = 0; j < dims; j++) {
    let sum = load<f32>(y + ((o + j) << 2))
    if (dims == 4)
      for (let k = 0; k < 4; k++) sum -= entry(m, o + j, (o ^ 4) + k) * load<f32>(q + ((i + (o ^ 4) + k) << 2))
    store<f32>(LIN + (j << 2), sum)
  }
  let term = coefficients
  for (let j = 0; j < dims; j++, term += 16)
    v128.store(term, f32x4.splat(-2.0 * s * load<f32>(sigma + ((i + o + j) << 2)) * load<f32>(LIN + (j << 2))))
  for (let j = 0; j < dims; j++) {
    const left = s * s * load<f32>(sigma + ((i + o + j) << 2))
    for (let k = j; k < dims; k++, term += 16)
      v128.store(term, f32x4.splat(left * load<f32>(sigma + ((i + o + k) << 2)) * entry(m, o + j, o + k)))
  }
  const found = scan()
  const place = word + (((i + o) / dims) << 1)
  const isNew = <i32>load<u16>(place) != found
  store<u16>(place, <u16>found)
  weights(i + o, i + o + dims, s, q)
  return isNew
}

function entry(m: usize, j: i32, k: i32): f32 {
  return load<f32>(m + ((j * 8 + k) << 2))
}

export const RESIDUE = memory.data(32) // y - q M

export function residue(i: i32, y: usize, m: usize, q: usize): void {
  for (let j = 0; j < 8; j++) {
    let sum = load<f32>(y + (j << 2))
    for (let k = 0; k < 8; k++) sum -= entry(m, j, k) * load<f32>(q + ((i + k) << 2))
    store<f32>(RESIDUE + (j << 2), sum)
  }
}

/** Turns the sign or the two signs that lower f most. */
function turnBest(i: i32, y: usize, m: usize, q: usize): bool {
  residue(i, y, m, q)
  let least: f32 = 0
  let first = -1
  let second = -1
  for (let j = 0; j < 8; j++) {
    const e: f32 = -2.0 * load<f32>(q + ((i + j) << 2))
    const own = e * (e * entry(m, j, j) - 2 * load<f32>(RESIDUE + (j << 2)))
    if (!even && own < least) {
      least = own
      first = j
      second = -1
    }
    for (let k = j + 1; k < 8; k++) {
      const g: f32 = -2.0 * load<f32>(q + ((i + k) << 2))
      const other = g * (g * entry(m, k, k) - 2 * load<f32>(RESIDUE + (k << 2)))
      const both = own + other + 2 * e * g * entry(m, j, k)
      if (both >= least) continue
      least = both
      first = j
      second = k
    }
  }
  if (first < 0) return false
  turn(i + first, q)
  if (second >= 0) turn(i + second, q)
  return true
}

function turn(i: i32, q: usize): void {
  store<f32>(sigma + (i << 2), -load<f32>(sigma + (i << 2)))
  store<f32>(q + (i << 2), -load<f32>(q + (i << 2)))
}

const ROUNDS: i32 = 3

/** Words and signs of the eight weights from `i` on, from the signs that stand; q takes the weights (in `q`, [256]).
 *  `y` is [8]. Returns f. */
export function search(i: i32, y: usize, m: usize, s: f32, q: usize): f32 {
  for (let round = 0; round < ROUNDS; round++) {
    let isNew = searchPart(i, 0, y, m, s, q)
    if (dims == 4) isNew = searchPart(i, 4, y, m, s, q) || isNew
    if (round > 0 && !isNew) break
    let turned = false
    for (let times = 0; times < 4 && turnBest(i, y, m, q); times++) turned = true
    if (!turned && dims == 8) break
  }
  residue(i, y, m, q)
  let f: f32 = 0
  for (let j = 0; j < 8; j++)
    f -= load<f32>(q + ((i + j) << 2)) * (load<f32>(RESIDUE + (j << 2)) + load<f32>(y + (j << 2)))
  return f
}

/** Signs of eight weights as t has them; where they must be even and are not, the cheapest is turned. */
export function signsOf(i: i32, t: usize, m: usize): void {
  let odd = false
  let cheapest = 0
  let least = f32.MAX_VALUE
  for (let j = 0; j < 8; j++) {
    const x = load<f32>(t + (j << 2))
    store<f32>(sigma + ((i + j) << 2), x < 0 ? -1 : 1)
    if (x < 0) odd = !odd
    const cost = abs<f32>(x) * entry(m, j, j)
    if (cost >= least) continue
    least = cost
    cheapest = j
  }
  if (even && odd) store<f32>(sigma + ((i + cheapest) << 2), -load<f32>(sigma + ((i + cheapest) << 2)))
}
