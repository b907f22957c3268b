// Four rows of one block of a grid type, a row a lane: values, scales and offsets as vectors.
//   weight = S value + O     S = d, d k or (MXFP4) a power of two     O = m, -dmin n, or nothing
import { halfBits, halfLanes, scaleLanes } from '../ggml/lanes'
import { HEADER, ITEM, put, putHalf, take, takeHalf } from './fields'

export let size: i32 = 0 // weights of a block
export let groups: i32 = 1
export let length: i32 = 0 // of a group
export let moves: i32 = 0
export let hasOffset: bool = false
export let isExponent: bool = false
export let hasScale: bool = false
export let hasMin: bool = false
let dAt: i32 = 0
let mAt: i32 = -1
let scaleZero: i32 = 0
let scaleSigned: bool = false
let levels: i32 = 0
let low: f32 = 0
let high: f32 = 0
let scaleLow: f32 = 0
let scaleHigh: f32 = 0
let minHigh: f32 = 0
let codeItems: usize = 0
let scaleItems: usize = 0
let minItems: usize = 0
let tables: usize = 0

// Vectors of four rows.
export let V: usize = 0 // [size] values
export let K: usize = 0 // [groups] whole-number scales
export let N: usize = 0 // [groups] whole-number mins
export let S: usize = 0 // [groups]
export let O: usize = 0 // [groups]
export let D: usize = 0 // d, then m or dmin

/** Reads the settings and lays the vectors at `scratch`; returns what is behind them. */
export function configure(settings: usize, scratch: usize): usize {
  size = load<i32>(settings)
  groups = load<i32>(settings, 4)
  isExponent = load<i32>(settings, 8) != 0
  dAt = load<i32>(settings, 12)
  mAt = load<i32>(settings, 16)
  hasScale = load<i32>(settings, 20) != 0
  hasMin = load<i32>(settings, 24) != 0
  scaleZero = load<i32>(settings, 28)
  scaleSigned = load<i32>(settings, 32) != 0
  levels = load<i32>(settings, 36)
  moves = load<i32>(settings, 40)
  tables = settings + load<i32>(settings, 44)
  low = load<f32>(settings, 64)
  high = load<f32>(settings, 68)
  scaleLow = load<f32>(settings, 72)
  scaleHigh = load<f32>(settings, 76)
  minHigh = load<f32>(settings, 80)
  hasOffset = mAt >= 0
  length = size / groups
  codeItems = settings + HEADER
  scaleItems = codeItems + size * ITEM
  minItems = scaleItems + groups * ITEM
  V = scratch
  K = V + (size << 4)
  N = K + (groups << 4)
  S = N + (groups << 4)
  O = S + (groups << 4)
  D = O + (groups << 4)
  return D + 32
}

function powerOf(exponent: i32): f32 {
  return exponent == 0 ? 2.9387358770557188e-39 : reinterpret<f32>((exponent - 1) << 23) // 2^(exponent - 128)
}

export function unpackLane(block: usize, lane: usize): void {
  const at = lane << 2
  for (let i = 0; i < size; i++) {
    const code = take(block, codeItems + i * ITEM)
    store<f32>(V + (i << 4) + at, load<f32>(tables + (code << 2)))
  }
  const d = isExponent ? powerOf(<i32>load<u8>(block + dAt)) : takeHalf(block + dAt)
  const m: f32 = hasOffset ? takeHalf(block + mAt) : 0
  store<f32>(D + at, d)
  store<f32>(D + 16 + at, m)
  for (let g = 0; g < groups; g++) {
    let k = hasScale ? take(block, scaleItems + g * ITEM) : scaleZero + 1
    if (scaleSigned) k = (k << 24) >> 24
    const n = hasMin ? take(block, minItems + g * ITEM) : 0
    store<f32>(K + (g << 4) + at, <f32>(k - scaleZero))
    store<f32>(N + (g << 4) + at, <f32>n)
  }
}

export function packLane(block: usize, lane: usize): void {
  const at = lane << 2
  for (let i = 0; i < size; i++) {
    const value = <i32>load<f32>(V + (i << 4) + at)
    put(block, codeItems + i * ITEM, <i32>load<u8>(tables + 1024 + value + 128))
  }
  const d = load<f32>(D + at)
  if (isExponent) store<u8>(block + dAt, d < 5.877471754111438e-39 ? 0 : <u8>((reinterpret<u32>(d) >> 23) + 1))
  else store<u16>(block + dAt, halfBits(d))
  if (hasOffset) putHalf(block + mAt, load<f32>(D + 16 + at))
  for (let g = 0; g < groups; g++) {
    if (hasScale) put(block, scaleItems + g * ITEM, <i32>load<f32>(K + (g << 4) + at) + scaleZero)
    if (hasMin) put(block, minItems + g * ITEM, <i32>load<f32>(N + (g << 4) + at))
  }
}

export function scaleOf(d: v128, k: v128): v128 {
  return hasScale ? f32x4.mul(d, k) : d
}
export function offsetOf(m: v128, n: v128): v128 {
  return hasMin ? f32x4.neg(f32x4.mul(m, n)) : m
}

/** S and O of every group from what is stored. */
export function spreadScales(): void {
  const d = v128.load(D)
  const m = v128.load(D, 16)
  for (let g = 0; g < groups; g++) {
    v128.store(S + (g << 4), scaleOf(d, v128.load(K + (g << 4))))
    v128.store(O + (g << 4), offsetOf(m, v128.load(N + (g << 4))))
  }
}

/** The value nearest to t in each lane. */
export function snap(t: v128): v128 {
  if (levels == 0) return f32x4.nearest(f32x4.pmin(f32x4.splat(high), f32x4.pmax(f32x4.splat(low), t)))
  let at = tables + 1280
  let value = v128.load_splat<f32>(at)
  for (let k = 1; k < levels; k++, at += 4) {
    const below = load<f32>(at)
    const above = load<f32>(at, 4)
    const over = f32x4.gt(t, f32x4.splat((below + above) * 0.5))
    value = f32x4.add(value, v128.and(over, f32x4.splat(above - below)))
  }
  return value
}

export function weightOf(s: v128, value: v128, o: v128): v128 {
  const product = f32x4.mul(s, value)
  return hasOffset ? f32x4.add(product, o) : product
}

// A trial of a group's scale and offset.
export const TRIAL = memory.data(64) // K N D M of four lanes

/** Puts move `c` of group g in TRIAL. */
export function tryMove(c: i32, g: i32): void {
  const k = v128.load(K + (g << 4))
  const n = v128.load(N + (g << 4))
  const d = v128.load(D)
  const m = v128.load(D, 16)
  const a = v128.load_splat<f32>(tables + 1344 + (c << 3))
  const b = v128.load_splat<f32>(tables + 1348 + (c << 3))
  v128.store(TRIAL, k)
  v128.store(TRIAL, n, 16)
  v128.store(TRIAL, d, 32)
  v128.store(TRIAL, m, 48)
  if (c == 0) return
  if (hasScale) {
    const moved = f32x4.add(k, a)
    v128.store(TRIAL, f32x4.pmin(f32x4.splat(scaleHigh), f32x4.pmax(f32x4.splat(scaleLow), moved)))
    const min = f32x4.add(n, b)
    v128.store(TRIAL, f32x4.pmin(f32x4.splat(minHigh), f32x4.pmax(f32x4.splat(0), min)), 16)
    return
  }
  const scaled = f32x4.mul(d, a)
  if (isExponent) {
    const size = f32x4.abs(scaled)
    const fits = v128.and(f32x4.lt(size, f32x4.splat(4e37)), f32x4.gt(size, f32x4.splat(2e-38)))
    v128.store(TRIAL, v128.bitselect(scaled, d, fits), 32)
    return
  }
  v128.store(TRIAL, scaleLanes(scaled), 32)
  if (hasOffset) v128.store(TRIAL, halfLanes(f32x4.add(m, f32x4.mul(d, b))), 48)
}

/** Takes the trial kept at `best` (K N D M) for group g. */
export function settle(best: usize, g: i32): void {
  v128.store(K + (g << 4), v128.load(best))
  v128.store(N + (g << 4), v128.load(best, 16))
  v128.store(D, v128.load(best, 32))
  v128.store(D, v128.load(best, 48), 16)
  v128.store(S + (g << 4), scaleOf(v128.load(D), v128.load(K + (g << 4))))
  v128.store(O + (g << 4), offsetOf(v128.load(D, 16), v128.load(N + (g << 4))))
}
