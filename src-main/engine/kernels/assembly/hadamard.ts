// Products with Hadamard matrices, and scaling and contraction along an axis of an array.

export function heapBase(): usize {
  return __heap_base
}

/** a, b <- a + b, a - b over n floats. */
function pair(a: usize, b: usize, n: i32): void {
  const end = a + ((n & ~3) << 2)
  for (; a < end; a += 16, b += 16) {
    const x = v128.load(a)
    const y = v128.load(b)
    v128.store(a, f32x4.add(x, y))
    v128.store(b, f32x4.sub(x, y))
  }
  for (let i = n & 3; i > 0; i--, a += 4, b += 4) {
    const x = load<f32>(a)
    const y = load<f32>(b)
    store<f32>(a, x + y)
    store<f32>(b, x - y)
  }
}

/** Steps of width 1 and 2 within four neighbours: lane i gets its partner, itself counted negative where it is the second. */
function quads(x: usize, n: i32): void {
  const odd = f32x4(1, -1, 1, -1)
  const high = f32x4(1, 1, -1, -1)
  for (const end = x + (n << 2); x < end; x += 16) {
    let v = v128.load(x)
    v = f32x4.add(f32x4.mul(v, odd), v128.shuffle<f32>(v, v, 1, 0, 3, 2))
    v = f32x4.add(f32x4.mul(v, high), v128.shuffle<f32>(v, v, 2, 3, 0, 1))
    v128.store(x, v)
  }
}

/** Sylvester's matrix of order p (a power of two) along the middle of x [blocks, p, inner]. */
function sylvester(x: usize, blocks: i32, p: i32, inner: i32): void {
  const total = blocks * p * inner
  let h = 1
  if (inner == 1 && p >= 4) {
    quads(x, total)
    h = 4
  }
  for (; h < p; h <<= 1) {
    const run = h * inner
    for (let at = 0; at < total; at += run << 1) pair(x + (at << 2), x + ((at + run) << 2), run)
  }
}

/** out <- scale * (base [m, m] of +1 and -1) * x [m, run]; with `turned`, its transpose. */
function dense(x: usize, out: usize, base: usize, m: i32, run: i32, turned: bool, scale: f32): void {
  const bytes = run << 2
  const factor = f32x4.splat(scale)
  const byRow = turned ? 1 : m
  const byColumn = turned ? m : 1
  for (let i = 0; i < m; i++) {
    const to = out + i * bytes
    const signs = base + i * byRow
    let c = 0
    for (; c + 4 <= run; c += 4) {
      let sum = f32x4.splat(0)
      let from = x + (c << 2)
      for (let j = 0; j < m; j++, from += bytes) {
        const v = v128.load(from)
        sum = load<i8>(signs + j * byColumn) > 0 ? f32x4.add(sum, v) : f32x4.sub(sum, v)
      }
      v128.store(to + (c << 2), f32x4.mul(sum, factor))
    }
    for (; c < run; c++) {
      let sum: f32 = 0
      for (let j = 0; j < m; j++) {
        const v = load<f32>(x + j * bytes + (c << 2))
        sum = load<i8>(signs + j * byColumn) > 0 ? sum + v : sum - v
      }
      store<f32>(to + (c << 2), sum * scale)
    }
  }
}

/** x [count, m * p, inner] <- scale * (base kron sylvester(p)) x along the middle, in place. `spare`: m * p * inner floats. */
export function transform(
  x: usize,
  spare: usize,
  base: usize,
  count: i32,
  m: i32,
  p: i32,
  inner: i32,
  turned: i32,
  scale: f32,
): void {
  const run = p * inner
  const bytes = (m * run) << 2
  for (let i = 0; i < count; i++, x += bytes) {
    sylvester(x, m, p, inner)
    if (m > 1) {
      dense(x, spare, base, m, run, turned != 0, scale)
      memory.copy(x, spare, bytes)
    } else scaleBy(x, run, scale)
  }
}

function scaleBy(x: usize, n: i32, scale: f32): void {
  const factor = f32x4.splat(scale)
  const end = x + ((n & ~3) << 2)
  for (; x < end; x += 16) v128.store(x, f32x4.mul(v128.load(x), factor))
  for (let i = n & 3; i > 0; i--, x += 4) store<f32>(x, load<f32>(x) * scale)
}

/** x [count, size, inner] <- x * factors [size]. */
export function scale(x: usize, factors: usize, count: i32, size: i32, inner: i32): void {
  if (inner == 1) {
    for (let i = 0; i < count; i++) {
      let j = 0
      for (; j + 4 <= size; j += 4, x += 16) v128.store(x, f32x4.mul(v128.load(x), v128.load(factors + (j << 2))))
      for (; j < size; j++, x += 4) store<f32>(x, load<f32>(x) * load<f32>(factors + (j << 2)))
    }
    return
  }
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < size; j++, x += inner << 2) scaleBy(x, inner, load<f32>(factors + (j << 2)))
  }
}

/** out [count, inner] (float64) <- out + the sum over the middle of x [count, size, inner] * factors [size] (float32). */
export function contract(x: usize, factors: usize, out: usize, count: i32, size: i32, inner: i32): void {
  for (let i = 0; i < count; i++, out += inner << 3) {
    for (let j = 0; j < size; j++) {
      const factor = <f64>load<f32>(factors + (j << 2))
      for (let k = 0; k < inner; k++, x += 4) {
        const to = out + (k << 3)
        store<f64>(to, load<f64>(to) + factor * <f64>load<f32>(x))
      }
    }
  }
}
