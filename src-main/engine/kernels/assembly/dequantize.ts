// Codes back to weights: w = (code - zero) * scale, one float32 product per weight, the same everywhere.

export function heapBase(): usize {
  return __heap_base
}

/** codes [rows, cols], scales and zeros [rows, ceil(cols / groupSize)] -> out [rows, cols] float32. */
export function dequantizeRows(
  codes: usize,
  scales: usize,
  zeros: usize,
  out: usize,
  rows: i32,
  cols: i32,
  groupSize: i32,
): void {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c += groupSize) {
      const n = min<i32>(groupSize, cols - c)
      dequantizeGroup(codes, out, n, load<f32>(scales), load<u8>(zeros))
      codes += n
      out += n << 2
      scales += 4
      zeros++
    }
  }
}

function dequantizeGroup(codes: usize, out: usize, n: i32, scale: f32, zero: i32): void {
  const step = f32x4.splat(scale)
  const shift = i16x8.splat(<i16>zero)
  let i = 0
  for (; i + 8 <= n; i += 8) {
    const wide = i16x8.sub(v128.load_ext<u8>(codes + i), shift)
    const low = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(wide))
    const high = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(wide))
    v128.store(out + (i << 2), f32x4.mul(low, step))
    v128.store(out + (i << 2), f32x4.mul(high, step), 16)
  }
  for (; i < n; i++) store<f32>(out + (i << 2), <f32>(<i32>load<u8>(codes + i) - zero) * scale)
}

/** [sum (x - y)^2, sum x^2] of n elements as two float64 at `out`, in four float64 lanes. */
export function distance(x: usize, y: usize, n: i32, out: usize): void {
  let d0 = f64x2.splat(0),
    d1 = f64x2.splat(0),
    s0 = f64x2.splat(0),
    s1 = f64x2.splat(0)
  const end = x + ((n & ~3) << 2)
  for (; x < end; x += 16, y += 16) {
    const a = v128.load(x)
    const b = v128.load(y)
    const a0 = f64x2.promote_low_f32x4(a)
    const a1 = f64x2.promote_low_f32x4(v128.shuffle<f32>(a, a, 2, 3, 2, 3))
    const e0 = f64x2.sub(a0, f64x2.promote_low_f32x4(b))
    const e1 = f64x2.sub(a1, f64x2.promote_low_f32x4(v128.shuffle<f32>(b, b, 2, 3, 2, 3)))
    d0 = f64x2.add(d0, f64x2.mul(e0, e0))
    d1 = f64x2.add(d1, f64x2.mul(e1, e1))
    s0 = f64x2.add(s0, f64x2.mul(a0, a0))
    s1 = f64x2.add(s1, f64x2.mul(a1, a1))
  }
  let squares = sumOf(s0, s1)
  let error = sumOf(d0, d1)
  for (let i = 0; i < (n & 3); i++, x += 4, y += 4) {
    const a = <f64>load<f32>(x)
    const e = a - <f64>load<f32>(y)
    error += e * e
    squares += a * a
  }
  store<f64>(out, error)
  store<f64>(out, squares, 8)
}

function sumOf(a: v128, b: v128): f64 {
  const left = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1)
  return left + (f64x2.extract_lane(b, 0) + f64x2.extract_lane(b, 1))
}
