// Nearest codewords and the sums of k-means (Lloyd 1982; seeding: Arthur and Vassilvitskii 2007, "k-means++").
// Distances are summed over coordinates in their order, in float32, four codewords at a time, so that the plain twin gives
// the same bits. Sums over points are float64, in the order of the points.

export function heapBase(): usize {
  return __heap_base
}

/** codes: u32 [n], the first of the nearest. distances: f32 [n]. book: [dims, padded], codewords side by side, those behind
 *  the last one far away; padded is a multiple of 4. Returns the first point with a NaN, or -1. */
export function nearestWords(
  points: usize,
  n: i32,
  dims: i32,
  book: usize,
  padded: i32,
  codes: usize,
  distances: usize,
): i32 {
  for (let v = 0; v < n; v++) {
    const point = points + ((<usize>v * dims) << 2)
    let best = f32x4.splat(Infinity)
    let where = i32x4.splat(0)
    for (let k = 0; k < padded; k += 4) {
      let sum = f32x4.splat(0)
      for (let j = 0; j < dims; j++) {
        const off = f32x4.sub(v128.load32_splat(point + (j << 2)), v128.load(book + ((j * padded + k) << 2)))
        sum = f32x4.add(sum, f32x4.mul(off, off))
      }
      const nearer = f32x4.lt(sum, best)
      best = v128.bitselect(sum, best, nearer)
      where = v128.bitselect(i32x4.splat(k), where, nearer)
    }
    let distance = f32x4.extract_lane(best, 0)
    let code = i32x4.extract_lane(where, 0)
    for (let lane = 1; lane < 4; lane++) {
      const other =
        lane == 1 ? f32x4.extract_lane(best, 1) : lane == 2 ? f32x4.extract_lane(best, 2) : f32x4.extract_lane(best, 3)
      const at =
        lane +
        (lane == 1
          ? i32x4.extract_lane(where, 1)
          : lane == 2
            ? i32x4.extract_lane(where, 2)
            : i32x4.extract_lane(where, 3))
      if (other < distance || (other == distance && at < code)) {
        distance = other
        code = at
      }
    }
    if (!(distance < Infinity)) return v
    store<u32>(codes + ((<usize>v) << 2), code)
    store<f32>(distances + ((<usize>v) << 2), distance)
  }
  return -1
}

/** Adds points to the sums of their codewords: sums f64 [k, dims], masses f64 [k]. weights: f32 [n], or 0 for all 1. */
export function gather(
  points: usize,
  weights: usize,
  codes: usize,
  n: i32,
  dims: i32,
  sums: usize,
  masses: usize,
): void {
  for (let v = 0; v < n; v++) {
    const code = load<u32>(codes + ((<usize>v) << 2))
    const weight: f64 = weights == 0 ? 1 : <f64>load<f32>(weights + ((<usize>v) << 2))
    const point = points + ((<usize>v * dims) << 2)
    const sum = sums + ((<usize>code * dims) << 3)
    for (let j = 0; j < dims; j++)
      store<f64>(sum + (j << 3), load<f64>(sum + (j << 3)) + weight * <f64>load<f32>(point + (j << 2)))
    store<f64>(masses + ((<usize>code) << 3), load<f64>(masses + ((<usize>code) << 3)) + weight)
  }
}

/** k-means++: lowers nearest f32 [n] to the weighted distance from `center` where that is less; returns their sum. */
export function lower(points: usize, weights: usize, n: i32, dims: i32, center: usize, nearest: usize): f64 {
  let total: f64 = 0
  for (let v = 0; v < n; v++) {
    const point = points + ((<usize>v * dims) << 2)
    let sum: f32 = 0
    for (let j = 0; j < dims; j++) {
      const off = load<f32>(point + (j << 2)) - load<f32>(center + (j << 2))
      sum += off * off
    }
    if (weights != 0) sum *= load<f32>(weights + ((<usize>v) << 2))
    const least = min<f32>(sum, load<f32>(nearest + ((<usize>v) << 2)))
    store<f32>(nearest + ((<usize>v) << 2), least)
    total += <f64>least
  }
  return total
}

/** The first point at which the running sum of `nearest` exceeds `target`; the last one that counts where none does. */
export function pick(nearest: usize, n: i32, target: f64): i32 {
  let sum: f64 = 0
  let last = 0
  for (let v = 0; v < n; v++) {
    const value = <f64>load<f32>(nearest + ((<usize>v) << 2))
    if (value > 0) last = v
    sum += value
    if (value > 0 && sum > target) return v
  }
  return last
}

/** out [n, dims] = codeword of each point. */
export function place(book: usize, codes: usize, n: i32, dims: i32, out: usize): void {
  for (let v = 0; v < n; v++)
    memory.copy(
      out + ((<usize>v * dims) << 2),
      book + ((<usize>load<u32>(codes + ((<usize>v) << 2)) * dims) << 2),
      dims << 2,
    )
}
