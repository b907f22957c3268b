// Eigenvalues and eigenvectors of a symmetric matrix in float64: Householder reduction to tridiagonal form from the last row
// on, then implicit QL. Rows hold what the inner loops run along: reflectors, and in the end eigenvectors.

export function heapBase(): usize {
  return __heap_base
}

const EPSILON: f64 = 2.220446049250313e-16
const PANEL: i32 = 32 // coordinates that are turned at a time: 4096 of them fit the second-level cache

function at(base: usize, i: i32): usize {
  return base + ((<usize>i) << 3)
}

/** sum x[j] y[j], j < n */
function dot(x: usize, y: usize, n: i32): f64 {
  let a = f64x2.splat(0)
  let b = f64x2.splat(0)
  let j: usize = 0
  const pairs = (<usize>(n & ~3)) << 3
  for (; j < pairs; j += 32) {
    a = f64x2.add(a, f64x2.mul(v128.load(x + j), v128.load(y + j)))
    b = f64x2.add(b, f64x2.mul(v128.load(x + j, 16), v128.load(y + j, 16)))
  }
  a = f64x2.add(a, b)
  let sum = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1)
  for (const end = (<usize>n) << 3; j < end; j += 8) sum += load<f64>(x + j) * load<f64>(y + j)
  return sum
}

/** y[j] += s x[j], j < n */
function add(y: usize, x: usize, s: f64, n: i32): void {
  const factor = f64x2.splat(s)
  let j: usize = 0
  const pairs = (<usize>(n & ~1)) << 3
  for (; j < pairs; j += 16) v128.store(y + j, f64x2.add(v128.load(y + j), f64x2.mul(factor, v128.load(x + j))))
  if (n & 1) store<f64>(y + j, load<f64>(y + j) + s * load<f64>(x + j))
}

/** row[j] -= f w[j] + g u[j], j < n */
function updateRow(row: usize, u: usize, w: usize, f: f64, g: f64, n: i32): void {
  const ff = f64x2.splat(f)
  const gg = f64x2.splat(g)
  let j: usize = 0
  const pairs = (<usize>(n & ~1)) << 3
  for (; j < pairs; j += 16) {
    const change = f64x2.add(f64x2.mul(ff, v128.load(w + j)), f64x2.mul(gg, v128.load(u + j)))
    v128.store(row + j, f64x2.sub(v128.load(row + j), change))
  }
  if (n & 1) store<f64>(row + j, load<f64>(row + j) - f * load<f64>(w + j) - g * load<f64>(u + j))
}

/** sum row[j] v[j] and p[j] += s row[j], j < n. */
function multiplyRow(row: usize, v: usize, p: usize, s: f64, n: i32): f64 {
  const factor = f64x2.splat(s)
  let sums = f64x2.splat(0)
  let j: usize = 0
  const pairs = (<usize>(n & ~1)) << 3
  for (; j < pairs; j += 16) {
    const values = v128.load(row + j)
    sums = f64x2.add(sums, f64x2.mul(values, v128.load(v + j)))
    v128.store(p + j, f64x2.add(v128.load(p + j), f64x2.mul(factor, values)))
  }
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)
  if (n & 1) {
    const value = load<f64>(row + j)
    sum += value * load<f64>(v + j)
    store<f64>(p + j, load<f64>(p + j) + s * value)
  }
  return sum
}

/** a [n, n], its lower half read: afterwards row i < n holds the vector u_i of the reflector I - u u^T / h_i over the first i
 *  coordinates (h_i 0: none). d [n]: diagonal of the tridiagonal form; e [n]: e_i stands between i - 1 and i. p [n]: room. */
export function reduce(a: usize, d: usize, e: usize, h: usize, p: usize, n: i32): void {
  const stride = (<usize>n) << 3
  for (let i = n - 1; i > 0; i--) {
    const u = a + stride * i
    store<f64>(at(d, i), load<f64>(at(u, i)))
    let largest: f64 = 0
    for (let j = 0; j < i; j++) largest = max(largest, abs(load<f64>(at(u, j))))
    const last = load<f64>(at(u, i - 1))
    let rest: f64 = 0
    if (largest > 0) {
      const scale = 1 / largest
      for (let j = 0; j < i - 1; j++) rest += (load<f64>(at(u, j)) * scale) ** 2
      rest = rest * largest * largest
    }
    if (rest === 0) {
      store<f64>(at(e, i), last)
      store<f64>(at(h, i), 0)
      continue
    }
    const length = sqrt(rest + last * last)
    const signed = last > 0 ? -length : length
    store<f64>(at(e, i), signed)
    store<f64>(at(u, i - 1), last - signed)
    const half = rest + last * last - last * signed // u.u / 2
    store<f64>(at(h, i), half)
    // p = A u / h, w = p - (u.p / 2h) u, A -= u w^T + w u^T
    memory.fill(p, 0, (<usize>i) << 3)
    for (let r = 0; r < i; r++) {
      const row = a + stride * r
      const s = load<f64>(at(u, r))
      const sum = multiplyRow(row, u, p, s, r) + load<f64>(at(row, r)) * s
      store<f64>(at(p, r), load<f64>(at(p, r)) + sum)
    }
    const over = 1 / half
    for (let j = 0; j < i; j++) store<f64>(at(p, j), load<f64>(at(p, j)) * over)
    add(p, u, -dot(u, p, i) * 0.5 * over, i)
    for (let r = 0; r < i; r++) updateRow(a + stride * r, u, p, load<f64>(at(u, r)), load<f64>(at(p, r)), r + 1)
  }
  store<f64>(d, load<f64>(a))
  store<f64>(e, 0)
  store<f64>(h, 0)
}

/** In place of the reflectors their product Q = P_{n-1} ... P_1, transposed: row k is column k of Q. */
export function accumulate(a: usize, h: usize, u: usize, n: i32): void {
  const stride = (<usize>n) << 3
  for (let i = 0; i < n; i++) {
    const own = a + stride * i
    const half = load<f64>(at(h, i))
    memory.copy(u, own, (<usize>i) << 3)
    memory.fill(own, 0, stride)
    store<f64>(at(own, i), 1)
    if (half === 0) continue
    for (let k = 0; k < i; k++) {
      const row = a + stride * k
      add(row, u, -dot(row, u, i) / half, i)
    }
  }
}

/** Implicit QL on d, e (both [n], e_i between i - 1 and i; e is used up) from place `from` on, until done or until the room for
 *  `most` rotations is nearly full. Rotations are written as (row, cos, sin): they mix rows `row` and `row + 1`.
 *  state [2] float64: in, the largest |d| + |e|; out, the place to go on from (n: done; -1: no convergence) and the number
 *  of rotations. */
export function iterate(d: usize, e: usize, state: usize, rotations: usize, from: i32, most: i32, n: i32): void {
  const least = load<f64>(state) * EPSILON
  let count: i32 = 0
  let l = from
  let steps: i32 = 0
  while (l < n) {
    let m = l
    for (; m < n - 1; m++) if (abs(load<f64>(at(e, m + 1))) <= least) break
    if (m === l) {
      l++
      steps = 0
      continue
    }
    if (count + (m - l) > most) break
    if (++steps > 60) {
      l = -1
      break
    }
    // Wilkinson's shift from the upper end
    const dl = load<f64>(at(d, l))
    const el = load<f64>(at(e, l + 1))
    let g = (load<f64>(at(d, l + 1)) - dl) / (2 * el)
    let r = sqrt(g * g + 1)
    g = load<f64>(at(d, m)) - dl + el / (g + (g < 0 ? -r : r))
    let s: f64 = 1
    let c: f64 = 1
    let p: f64 = 0
    let i = m - 1
    for (; i >= l; i--) {
      const f = s * load<f64>(at(e, i + 1))
      const b = c * load<f64>(at(e, i + 1))
      r = sqrt(f * f + g * g)
      if (i + 2 < n) store<f64>(at(e, i + 2), r)
      if (r === 0) {
        store<f64>(at(d, i + 1), load<f64>(at(d, i + 1)) - p)
        if (m + 1 < n) store<f64>(at(e, m + 1), 0)
        break
      }
      s = f / r
      c = g / r
      g = load<f64>(at(d, i + 1)) - p
      r = (load<f64>(at(d, i)) - g) * s + 2 * c * b
      p = s * r
      store<f64>(at(d, i + 1), g + p)
      g = c * r - b
      const to = rotations + <usize>count * 24
      store<f64>(to, <f64>i)
      store<f64>(to, c, 8)
      store<f64>(to, s, 16)
      count++
    }
    if (r === 0 && i >= l) continue
    store<f64>(at(d, l), load<f64>(at(d, l)) - p)
    store<f64>(at(e, l + 1), g)
    if (m + 1 < n) store<f64>(at(e, m + 1), 0)
  }
  store<f64>(state, <f64>l)
  store<f64>(state, <f64>count, 8)
}

/** Turns rows of q [n, n] by `count` rotations, a panel of columns at a time. panel: room for n x 32 float64. */
export function rotate(q: usize, rotations: usize, panel: usize, count: i32, n: i32): void {
  const stride = (<usize>n) << 3
  for (let from = 0; from < n; from += PANEL) {
    const width = (<usize>min(PANEL, n - from)) << 3
    for (let r = 0; r < n; r++) memory.copy(panel + <usize>r * PANEL * 8, q + stride * r + ((<usize>from) << 3), width)
    for (let k = 0; k < count; k++) {
      const by = rotations + <usize>k * 24
      const low = panel + <usize>(<i32>load<f64>(by)) * PANEL * 8
      const high = low + PANEL * 8
      const c = f64x2.splat(load<f64>(by, 8))
      const s = f64x2.splat(load<f64>(by, 16))
      for (let j: usize = 0; j < width; j += 16) {
        const x = v128.load(low + j)
        const f = v128.load(high + j)
        v128.store(high + j, f64x2.add(f64x2.mul(s, x), f64x2.mul(c, f)))
        v128.store(low + j, f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, f)))
      }
    }
    for (let r = 0; r < n; r++) memory.copy(q + stride * r + ((<usize>from) << 3), panel + <usize>r * PANEL * 8, width)
  }
}
