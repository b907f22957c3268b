// Scales of four groups at once for a grid of whole numbers low .. high, low <= 0 <= high:
// `h` 0 stands for ones.
//   for each trial k:  u = clamp(round(x k / extreme))    s = sum(h x u) / sum(h u^2)    explained = sum(h x u) s
// The trial that explains most wins; then u and s are refined in turn. k < 0 mirrors the grid, s is then negative.
import { clampLanes, inverseLanes, MAGIC, MAGIC_BITS, roundLanes, storeCodes, unitOf } from './lanes'

let sumXU: v128 = f32x4.splat(0)
let sumUU: v128 = f32x4.splat(0)
let sumXU2: v128 = f32x4.splat(0)
let sumUU2: v128 = f32x4.splat(0)

/** Sums for one inverse scale a lane. */
function sums(x: usize, h: usize, n: i32, inverse: v128, low: v128, high: v128): void {
  let xu = f32x4.splat(0)
  let uu = f32x4.splat(0)
  const end = x + ((<usize>n) << 4)
  if (h == 0)
    for (; x < end; x += 16) {
      const value = v128.load(x)
      const u = roundLanes(clampLanes(f32x4.mul(value, inverse), low, high))
      xu = f32x4.add(xu, f32x4.mul(u, value))
      uu = f32x4.add(uu, f32x4.mul(u, u))
    }
  else
    for (; x < end; x += 16, h += 16) {
      const value = v128.load(x)
      const u = roundLanes(clampLanes(f32x4.mul(value, inverse), low, high))
      const w = f32x4.mul(v128.load(h), u)
      xu = f32x4.add(xu, f32x4.mul(w, value))
      uu = f32x4.add(uu, f32x4.mul(w, u))
    }
  sumXU = xu
  sumUU = uu
}

/** The same for two inverse scales, whose chains of additions overlap. */
function sumsOfTwo(x: usize, h: usize, n: i32, first: v128, second: v128, low: v128, high: v128): void {
  let xu = f32x4.splat(0)
  let uu = f32x4.splat(0)
  let xu2 = f32x4.splat(0)
  let uu2 = f32x4.splat(0)
  const end = x + ((<usize>n) << 4)
  if (h == 0)
    for (; x < end; x += 16) {
      const value = v128.load(x)
      const u = roundLanes(clampLanes(f32x4.mul(value, first), low, high))
      const u2 = roundLanes(clampLanes(f32x4.mul(value, second), low, high))
      xu = f32x4.add(xu, f32x4.mul(u, value))
      uu = f32x4.add(uu, f32x4.mul(u, u))
      xu2 = f32x4.add(xu2, f32x4.mul(u2, value))
      uu2 = f32x4.add(uu2, f32x4.mul(u2, u2))
    }
  for (; x < end; x += 16, h += 16) {
    const value = v128.load(x)
    const weight = v128.load(h)
    const u = roundLanes(clampLanes(f32x4.mul(value, first), low, high))
    const u2 = roundLanes(clampLanes(f32x4.mul(value, second), low, high))
    const w = f32x4.mul(weight, u)
    const w2 = f32x4.mul(weight, u2)
    xu = f32x4.add(xu, f32x4.mul(w, value))
    uu = f32x4.add(uu, f32x4.mul(w, u))
    xu2 = f32x4.add(xu2, f32x4.mul(w2, value))
    uu2 = f32x4.add(uu2, f32x4.mul(w2, u2))
  }
  sumXU = xu
  sumUU = uu
  sumXU2 = xu2
  sumUU2 = uu2
}

/** The best scale a lane, not rounded to any stored type; 0 for groups too small. `trials`: an even number of float32 at
 *  `table`. `rounds`: refinements. */
export function bestScale(
  x: usize,
  h: usize,
  n: i32,
  range: usize,
  low: v128,
  high: v128,
  table: usize,
  trials: i32,
  rounds: i32,
): v128 {
  const unit = unitOf(range)
  let best = f32x4.splat(0)
  let scale = f32x4.splat(0)
  for (let t = 0; t < trials; t += 2) {
    const first = f32x4.mul(unit, v128.load_splat<f32>(table + (t << 2)))
    const second = f32x4.mul(unit, v128.load_splat<f32>(table + (t << 2), 4))
    sumsOfTwo(x, h, n, first, second, low, high)
    let ratio = f32x4.div(sumXU, sumUU)
    let explained = f32x4.mul(sumXU, ratio)
    let better = f32x4.gt(explained, best)
    best = v128.bitselect(explained, best, better)
    scale = v128.bitselect(ratio, scale, better)
    ratio = f32x4.div(sumXU2, sumUU2)
    explained = f32x4.mul(sumXU2, ratio)
    better = f32x4.gt(explained, best)
    best = v128.bitselect(explained, best, better)
    scale = v128.bitselect(ratio, scale, better)
  }
  for (let round = 0; round < rounds; round++) {
    sums(x, h, n, inverseLanes(scale), low, high)
    scale = v128.bitselect(f32x4.div(sumXU, sumUU), scale, f32x4.gt(sumUU, f32x4.splat(0)))
  }
  return scale
}

/** sum h (x - s u)^2 a lane, u the codes nearest to x / s. */
export function errorOf(x: usize, h: usize, n: i32, scale: v128, low: v128, high: v128): v128 {
  const inverse = inverseLanes(scale)
  let error = f32x4.splat(0)
  const end = x + ((<usize>n) << 4)
  if (h == 0)
    for (; x < end; x += 16) {
      const value = v128.load(x)
      const u = roundLanes(clampLanes(f32x4.mul(value, inverse), low, high))
      const e = f32x4.sub(value, f32x4.mul(scale, u))
      error = f32x4.add(error, f32x4.mul(e, e))
    }
  for (; x < end; x += 16, h += 16) {
    const value = v128.load(x)
    const u = roundLanes(clampLanes(f32x4.mul(value, inverse), low, high))
    const e = f32x4.sub(value, f32x4.mul(scale, u))
    error = f32x4.add(error, f32x4.mul(f32x4.mul(v128.load(h), e), e))
  }
  return error
}

/** sum(h x u) and sum(h u^2) at a scale, for refits across groups: [xu, uu] vectors at `out`. */
export function fitSums(x: usize, h: usize, n: i32, scale: v128, low: v128, high: v128, out: usize): void {
  sums(x, h, n, inverseLanes(scale), low, high)
  v128.store(out, sumXU)
  v128.store(out, sumUU, 16)
}

/** Codes u - low... of four groups as bytes: group g at codes + g * n, each u plus `zero`. */
export function encodeLanes(x: usize, n: i32, scale: v128, low: v128, high: v128, zero: i32, codes: usize): void {
  const inverse = inverseLanes(scale)
  const magic = f32x4.splat(MAGIC)
  const base = i32x4.splat(MAGIC_BITS - zero)
  for (let j = 0; j < n; j += 4, x += 64, codes += 4) {
    const a = f32x4.add(clampLanes(f32x4.mul(v128.load(x), inverse), low, high), magic)
    const b = f32x4.add(clampLanes(f32x4.mul(v128.load(x, 16), inverse), low, high), magic)
    const c = f32x4.add(clampLanes(f32x4.mul(v128.load(x, 32), inverse), low, high), magic)
    const d = f32x4.add(clampLanes(f32x4.mul(v128.load(x, 48), inverse), low, high), magic)
    storeCodes(i32x4.sub(a, base), i32x4.sub(b, base), i32x4.sub(c, base), i32x4.sub(d, base), codes, n)
  }
}
