// Moves of one pulse that bring g p nearer to w in a metric M, for the best g:
//   min over g of (w - g p) M (w - g p)^T = w M w^T - c^2 / n      c = w M p^T     n = p M p^T
// A move takes a pulse from i (sign t) and puts one at j (sign s):
//   c' = c - t a_i + s a_j      n' = n - 2 t b_i + 2 s b_j + M_ii + M_jj - 2 s t M_ij      a = M w^T     b = M p^T
// All pairs are tried, four j at a time; the best move is made until none helps. From a point of the pyramid whose c is
// not negative, c^2 / n never falls.

export let fitC: f32 = 0
export let fitN: f32 = 0

const ENOUGH: f32 = 1.000002 // a smaller gain is rounding

/** y = M v, all padded to `padded` (a multiple of 4); padding of v is 0. M is symmetric. */
export function product(metric: usize, v: usize, y: usize, used: i32, padded: i32): void {
  for (let j = 0; j < padded; j += 4) {
    let sum = f32x4.splat(0)
    for (let i = 0; i < used; i++)
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(v + (i << 2)), v128.load(metric + ((i * padded + j) << 2))))
    v128.store(y + (j << 2), sum)
  }
}

export function dot(x: usize, y: usize, padded: i32): f32 {
  let sum = f32x4.splat(0)
  for (let j = 0; j < padded; j += 4) sum = f32x4.add(sum, f32x4.mul(v128.load(x + (j << 2)), v128.load(y + (j << 2))))
  const low = f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1)
  return low + (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3))
}

/** a: M w. b: M p, kept up to date. first, second: scratch for the signs a new pulse may have. Sets fitC, fitN. */
export function descend(
  metric: usize,
  a: usize,
  b: usize,
  point: usize,
  first: usize,
  second: usize,
  diagonal: usize,
  used: i32,
  padded: i32,
  rounds: i32,
): void {
  const one = f32x4.splat(1)
  const zero = f32x4.splat(0)
  const two = f32x4.splat(2)
  let c = dot(a, point, padded)
  let n = dot(b, point, padded)
  for (let round = 0; round < rounds; round++) {
    for (let j = 0; j < padded; j += 4) {
      const p = v128.load(point + (j << 2))
      const sign = v128.bitselect(f32x4.neg(one), one, f32x4.lt(p, zero))
      v128.store(first + (j << 2), sign)
      v128.store(second + (j << 2), v128.bitselect(f32x4.neg(one), sign, f32x4.eq(p, zero)))
    }
    let best: f32 = c > 0 ? ((c * c) / n) * ENOUGH : 0
    let from = -1
    let to = -1
    let toSign: f32 = 1
    for (let i = 0; i < used; i++) {
      const p = load<f32>(point + (i << 2))
      if (p == 0) continue
      const t: f32 = p < 0 ? -1 : 1
      const row = metric + ((i * padded) << 2)
      const flips = abs<f32>(p) == 1
      if (flips) store<f32>(second + (i << 2), -t)
      const c1 = f32x4.splat(c - t * load<f32>(a + (i << 2)))
      const n1 = f32x4.splat(n - t * 2 * load<f32>(b + (i << 2)) + load<f32>(diagonal + (i << 2)))
      const tt = f32x4.splat(t)
      let most = f32x4.splat(best)
      let where = i32x4.splat(-1)
      for (let j = 0; j < padded; j += 4) {
        const aj = v128.load(a + (j << 2))
        const bj = f32x4.mul(two, f32x4.sub(v128.load(b + (j << 2)), f32x4.mul(tt, v128.load(row + (j << 2)))))
        const base = f32x4.add(n1, v128.load(diagonal + (j << 2)))
        const sa = v128.load(first + (j << 2))
        const ca = f32x4.max(zero, f32x4.add(c1, f32x4.mul(sa, aj)))
        const ra = f32x4.div(f32x4.mul(ca, ca), f32x4.add(base, f32x4.mul(sa, bj)))
        const sb = v128.load(second + (j << 2))
        const cb = f32x4.max(zero, f32x4.add(c1, f32x4.mul(sb, aj)))
        const rb = f32x4.div(f32x4.mul(cb, cb), f32x4.add(base, f32x4.mul(sb, bj)))
        const betterA = f32x4.gt(ra, most)
        most = v128.bitselect(ra, most, betterA)
        where = v128.bitselect(i32x4.splat(j << 1), where, betterA)
        const betterB = f32x4.gt(rb, most)
        most = v128.bitselect(rb, most, betterB)
        where = v128.bitselect(i32x4.splat((j << 1) | 1), where, betterB)
      }
      for (let lane = 0; lane < 4; lane++) {
        const value =
          lane == 0
            ? f32x4.extract_lane(most, 0)
            : lane == 1
              ? f32x4.extract_lane(most, 1)
              : lane == 2
                ? f32x4.extract_lane(most, 2)
                : f32x4.extract_lane(most, 3)
        if (!(value > best)) continue
        const place =
          lane == 0
            ? i32x4.extract_lane(where, 0)
            : lane == 1
              ? i32x4.extract_lane(where, 1)
              : lane == 2
                ? i32x4.extract_lane(where, 2)
                : i32x4.extract_lane(where, 3)
        best = value
        from = i
        to = (place >> 1) + lane
        toSign = load<f32>(((place & 1) == 1 ? second : first) + (to << 2))
      }
      if (flips) store<f32>(second + (i << 2), t)
    }
    if (from < 0) break
    const t: f32 = load<f32>(point + (from << 2)) < 0 ? -1 : 1
    store<f32>(point + (from << 2), load<f32>(point + (from << 2)) - t)
    store<f32>(point + (to << 2), load<f32>(point + (to << 2)) + toSign)
    const out = metric + ((from * padded) << 2)
    const into = metric + ((to * padded) << 2)
    const tt = f32x4.splat(t)
    const ss = f32x4.splat(toSign)
    for (let j = 0; j < padded; j += 4) {
      const moved = f32x4.sub(f32x4.mul(ss, v128.load(into + (j << 2))), f32x4.mul(tt, v128.load(out + (j << 2))))
      v128.store(b + (j << 2), f32x4.add(v128.load(b + (j << 2)), moved))
    }
    c = dot(a, point, padded)
    n = dot(b, point, padded)
  }
  fitC = c
  fitN = n
}
