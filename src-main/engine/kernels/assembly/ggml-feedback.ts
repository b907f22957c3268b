// Codes of the grid types of GGUF chosen under a Hessian, four rows side by side, one block of columns at a time.
//   feedback:  E_i = (w_i - q_i) / U_ii,  w_j -= E_i U_ij for j > i        (Frantar et al. 2022, "GPTQ", section 3.3;
//              Chee et al. 2023, "QuIP", section 3: the same as LDLQ). Each group takes, of some scales around its own,
//              the one whose errors E have the least squares.
//   refine:    with G = (W - Q) H, moving q_i by e changes tr((W - Q) H (W - Q)^T) by e (e H_ii - 2 G_i), and G_j by
//              -e H_ij. Each group's codes go to their best in turn, on its own grid and on those of some other scales;
//              then d (and m) by least squares over the block. Nothing that does not lower the error is kept.
// Cost O(size) a weight for feedback, O(size + moves * length) for a sweep.
import { halfLanes, inverseLanes, scaleLanes } from './shared/ggml/lanes'
import * as grid from './shared/feedback/grid'
import {
  D,
  groups,
  hasMin,
  hasOffset,
  hasScale,
  isExponent,
  K,
  length,
  moves,
  N,
  O,
  S,
  size,
  snap,
  TRIAL,
  V,
  weightOf,
} from './shared/feedback/grid'

let T: usize = 0 // [size] fed-back weights, or G
let Q: usize = 0 // [size] weights of the codes
let E: usize = 0 // [size] errors, or moves
let work: usize = 0 // [length] T of a trial
let triedV: usize = 0
let triedE: usize = 0 // E, or q
let bestV: usize = 0
let bestE: usize = 0
let slope: usize = 0 // [size] direction of a least-squares step
let slopeH: usize = 0 // [size]
let first: usize = 0 // [size] Q on entry
let metric: usize = 0 // [size, size]: U, or H
const BEST = memory.data(64)

export function heapBase(): usize {
  return __heap_base
}

/** Bytes of scratch for blocks of `n` weights. */
export function scratchBytes(n: i32): i32 {
  return n * 16 * 14 + 4096
}

function lay(settings: usize, scratch: usize, metricAt: usize): void {
  metric = metricAt
  T = grid.configure(settings, scratch)
  const step = (<usize>size) << 4
  Q = T + step
  E = Q + step
  work = E + step
  triedV = work + step
  triedE = triedV + step
  bestV = triedE + step
  bestE = bestV + step
  slope = bestE + step
  slopeH = slope + step
  first = slopeH + step
}

function metricAt(i: i32, j: i32): usize {
  return metric + ((i * size + j) << 2)
}

/** to[j] -= by * metric[i, j] for j from begin to end. */
function subtract(to: usize, by: v128, i: i32, begin: i32, end: i32): void {
  let from = metricAt(i, begin)
  for (let last = to + ((<usize>(end - begin)) << 4); to < last; to += 16, from += 4)
    v128.store(to, f32x4.sub(v128.load(to), f32x4.mul(by, v128.load_splat<f32>(from))))
}

function keep(better: v128): void {
  for (let at: usize = 0, end = (<usize>length) << 4; at < end; at += 16) {
    v128.store(bestV + at, v128.bitselect(v128.load(triedV + at), v128.load(bestV + at), better))
    v128.store(bestE + at, v128.bitselect(v128.load(triedE + at), v128.load(bestE + at), better))
  }
  for (let at: usize = 0; at < 64; at += 16)
    v128.store(BEST + at, v128.bitselect(v128.load(TRIAL + at), v128.load(BEST + at), better))
}

function feedGroup(begin: i32, s: v128, o: v128): v128 {
  const inverse = inverseLanes(s)
  let loss = f32x4.splat(0)
  memory.copy(work, T + (begin << 4), length << 4)
  for (let i = 0; i < length; i++) {
    const at = i << 4
    const t = v128.load(work + at)
    const value = snap(f32x4.mul(f32x4.sub(t, o), inverse))
    const e = f32x4.div(f32x4.sub(t, weightOf(s, value, o)), v128.load_splat<f32>(metricAt(begin + i, begin + i)))
    loss = f32x4.add(loss, f32x4.mul(e, e))
    v128.store(triedV + at, value)
    v128.store(triedE + at, e)
    subtract(work + at + 16, e, begin + i, begin + i + 1, begin + length)
  }
  return loss
}

/** [size, rows] fed-back weights at `target` (columns `stride` apart, a multiple of 4), U at `metricBytes`, a block a row at `blocks`, which tells the scales to
 *  begin with and takes the codes; E goes to `out`. `tried`: of the scales around its own, so many are tried for a group. */
export function feedback(
  settings: usize,
  target: usize,
  metricBytes: usize,
  blocks: usize,
  out: usize,
  rows: i32,
  stride: i32,
  blockBytes: i32,
  scratch: usize,
  tried: i32,
): void {
  lay(settings, scratch, metricBytes)
  const tries = min<i32>(tried, moves)
  for (let row = 0; row < rows; row += 4) {
    loadRows(target, stride, blocks, row, rows, blockBytes)
    for (let g = 0; g < groups; g++) {
      const begin = g * length
      let least = f32x4.splat(f32.MAX_VALUE)
      for (let c = 0; c < tries; c++) {
        grid.tryMove(c, g)
        const s = grid.scaleOf(v128.load(TRIAL, 32), v128.load(TRIAL))
        const o = grid.offsetOf(v128.load(TRIAL, 48), v128.load(TRIAL, 16))
        const loss = feedGroup(begin, s, o)
        const better = f32x4.lt(loss, least)
        least = v128.bitselect(loss, least, better)
        keep(c == 0 ? i32x4.splat(-1) : better)
      }
      grid.settle(BEST, g)
      memory.copy(V + (begin << 4), bestV, length << 4)
      memory.copy(E + (begin << 4), bestE, length << 4)
      for (let i = begin; i < begin + length; i++)
        subtract(T + ((begin + length) << 4), v128.load(E + (i << 4)), i, begin + length, size)
    }
    for (let i = 0; i < size; i++) v128.store(out + ((i * stride + row) << 2), v128.load(E + (i << 4)))
    storeBlocks(blocks, row, rows, blockBytes)
  }
}

/** Rows row .. row + 3 to lanes; behind the last row the lanes work on its block again, for nothing. */
function loadRows(target: usize, stride: i32, blocks: usize, row: i32, rows: i32, blockBytes: i32): void {
  for (let lane = 0; lane < 4; lane++) grid.unpackLane(blocks + min<i32>(row + lane, rows - 1) * blockBytes, lane)
  for (let i = 0; i < size; i++) v128.store(T + (i << 4), v128.load(target + ((i * stride + row) << 2)))
  grid.spreadScales()
}

function storeBlocks(blocks: usize, row: i32, rows: i32, blockBytes: i32): void {
  for (let lane = 0; lane < 4 && row + lane < rows; lane++) grid.packLane(blocks + (row + lane) * blockBytes, lane)
}

const PASSES: i32 = 2

/** Brings a group to its best on the grid (s, o) from where it stands, code by code. Returns the change of the error. */
function refineGroup(begin: i32, s: v128, o: v128): v128 {
  const inverse = inverseLanes(s)
  let change = f32x4.splat(0)
  memory.copy(work, T + (begin << 4), length << 4)
  memory.copy(triedE, Q + (begin << 4), length << 4)
  for (let pass = 0; pass < PASSES; pass++) {
    for (let i = 0; i < length; i++) {
      const at = i << 4
      const h = v128.load_splat<f32>(metricAt(begin + i, begin + i))
      const gradient = v128.load(work + at)
      const old = v128.load(triedE + at)
      const t = f32x4.add(old, f32x4.mul(gradient, inverseLanes(h)))
      const value = snap(f32x4.mul(f32x4.sub(t, o), inverse))
      const q = weightOf(s, value, o)
      const e = f32x4.sub(q, old)
      v128.store(triedV + at, value)
      if (!v128.any_true(f32x4.ne(e, f32x4.splat(0)))) continue
      change = f32x4.add(change, f32x4.mul(e, f32x4.sub(f32x4.mul(e, h), f32x4.add(gradient, gradient))))
      v128.store(triedE + at, q)
      subtract(work, e, begin + i, begin, begin + length)
    }
  }
  return change
}

/** Tells G of the moves of weights begin to end, at E. */
function tell(begin: i32, end: i32): void {
  for (let i = begin; i < end; i++) {
    const e = v128.load(E + (i << 4))
    if (v128.any_true(f32x4.ne(e, f32x4.splat(0)))) subtract(T, e, i, 0, size)
  }
}

/** The same arguments, with G at `target` and H at `metricBytes`; W - Q stands at `out` and follows Q. */
export function refine(
  settings: usize,
  target: usize,
  metricBytes: usize,
  blocks: usize,
  out: usize,
  rows: i32,
  stride: i32,
  blockBytes: i32,
  scratch: usize,
  tried: i32,
): void {
  lay(settings, scratch, metricBytes)
  const tries = min<i32>(tried, moves)
  for (let row = 0; row < rows; row += 4) {
    loadRows(target, stride, blocks, row, rows, blockBytes)
    for (let i = 0; i < size; i++) {
      const g = (i / length) << 4
      v128.store(Q + (i << 4), weightOf(v128.load(S + g), v128.load(V + (i << 4)), v128.load(O + g)))
    }
    memory.copy(first, Q, size << 4)
    for (let g = 0; g < groups; g++) {
      const begin = g * length
      let least = f32x4.splat(0)
      memory.copy(bestV, V + (begin << 4), length << 4)
      memory.copy(bestE, Q + (begin << 4), length << 4)
      for (let c = 0; c < tries; c++) {
        grid.tryMove(c, g)
        if (c == 0) memory.copy(BEST, TRIAL, 64)
        const s = grid.scaleOf(v128.load(TRIAL, 32), v128.load(TRIAL))
        const o = grid.offsetOf(v128.load(TRIAL, 48), v128.load(TRIAL, 16))
        const change = refineGroup(begin, s, o)
        const better = f32x4.lt(change, least)
        least = v128.bitselect(change, least, better)
        keep(better)
      }
      grid.settle(BEST, g)
      memory.copy(V + (begin << 4), bestV, length << 4)
      for (let i = 0; i < length; i++) {
        const at = (begin + i) << 4
        v128.store(E + at, f32x4.sub(v128.load(bestE + (i << 4)), v128.load(Q + at)))
      }
      memory.copy(Q + (begin << 4), bestE, length << 4)
      tell(begin, begin + length)
    }
    if (!isExponent) fit(false)
    if (hasOffset) fit(true)
    for (let i = 0; i < size; i++) {
      const moved = f32x4.sub(v128.load(Q + (i << 4)), v128.load(first + (i << 4)))
      const place = out + ((i * stride + row) << 2)
      v128.store(place, f32x4.sub(v128.load(place), moved))
    }
    storeBlocks(blocks, row, rows, blockBytes)
  }
}

/** d, or m (or dmin) where `offset`, by least squares over the block for the codes that stand. */
function fit(offset: bool): void {
  for (let i = 0; i < size; i++) {
    const g = (i / length) << 4
    let p: v128
    if (!offset) p = hasScale ? f32x4.mul(v128.load(K + g), v128.load(V + (i << 4))) : v128.load(V + (i << 4))
    else p = hasMin ? f32x4.neg(v128.load(N + g)) : f32x4.splat(1)
    v128.store(slope + (i << 4), p)
  }
  memory.fill(slopeH, 0, size << 4)
  let num = f32x4.splat(0)
  for (let i = 0; i < size; i++) {
    const p = v128.load(slope + (i << 4))
    num = f32x4.add(num, f32x4.mul(p, v128.load(T + (i << 4))))
    subtract(slopeH, p, i, 0, size) // minus p H
  }
  let den = f32x4.splat(0)
  for (let at: usize = 0, end = (<usize>size) << 4; at < end; at += 16)
    den = f32x4.sub(den, f32x4.mul(v128.load(slope + at), v128.load(slopeH + at)))
  const usable = f32x4.gt(den, f32x4.splat(0))
  const place = D + (offset ? 16 : 0)
  const old = v128.load(place)
  const wanted = f32x4.add(old, v128.and(f32x4.mul(num, inverseLanes(den)), usable))
  let next = offset ? halfLanes(wanted) : scaleLanes(wanted)
  if (offset && hasMin) next = f32x4.pmax(next, f32x4.splat(0))
  next = v128.bitselect(next, old, v128.and(usable, f32x4.eq(wanted, wanted)))
  if (!v128.any_true(f32x4.ne(next, old))) return
  let change = f32x4.splat(0)
  // What the moves e cost: e (e H - 2 G), with e H taken from the moved G.
  memory.copy(slopeH, T, size << 4)
  v128.store(place, next)
  grid.spreadScales()
  for (let i = 0; i < size; i++) {
    const g = (i / length) << 4
    const at = i << 4
    const q = weightOf(v128.load(S + g), v128.load(V + at), v128.load(O + g))
    const e = f32x4.sub(q, v128.load(Q + at))
    v128.store(E + at, e)
    v128.store(slope + at, q)
  }
  tell(0, size)
  for (let at: usize = 0, end = (<usize>size) << 4; at < end; at += 16) {
    const both = f32x4.add(v128.load(slopeH + at), v128.load(T + at))
    change = f32x4.sub(change, f32x4.mul(v128.load(E + at), both))
  }
  const better = f32x4.lt(change, f32x4.splat(0))
  v128.store(place, v128.bitselect(next, old, better))
  grid.spreadScales()
  for (let at: usize = 0, end = (<usize>size) << 4; at < end; at += 16) {
    v128.store(Q + at, v128.bitselect(v128.load(slope + at), v128.load(Q + at), better))
    v128.store(T + at, v128.bitselect(v128.load(T + at), v128.load(slopeH + at), better))
  }
}

/** Values (int8, one a weight) of `count` blocks; with `back` the other way, scales standing. */
export function codes(
  settings: usize,
  blocks: usize,
  values: usize,
  count: i32,
  blockBytes: i32,
  scratch: usize,
  back: bool,
): void {
  lay(settings, scratch, 0)
  for (let b = 0; b < count; b++, blocks += blockBytes, values += size) {
    grid.unpackLane(blocks, 0)
    if (!back) for (let i = 0; i < size; i++) store<i8>(values + i, <i8>load<f32>(V + (i << 4)))
    else {
      for (let i = 0; i < size; i++) store<f32>(V + (i << 4), <f32>load<i8>(values + i))
      grid.packLane(blocks, 0)
    }
  }
}
