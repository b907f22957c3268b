// Diagonal blocks of a blocked Cholesky factorisation, in float64 (two lanes): T = V^T V with V upper triangular, and V^-1.
// Row by row, so that every inner loop runs along memory. An even first column means the lane left of it is changed as
// well: it lies below the diagonal, where nothing is read.

export function heapBase(): usize {
  return __heap_base
}

/** y[from, n) -= s * x[from, n), from rounded down to even. */
function subtract(y: usize, x: usize, s: f64, from: i32, n: i32): void {
  const factor = f64x2.splat(s)
  for (let p = (<usize>(from & ~1)) << 3, end = (<usize>n) << 3; p < end; p += 16)
    v128.store(y + p, f64x2.sub(v128.load(y + p), f64x2.mul(factor, v128.load(x + p))))
}

function scale(y: usize, s: f64, from: i32, n: i32): void {
  const factor = f64x2.splat(s)
  for (let p = (<usize>(from & ~1)) << 3, end = (<usize>n) << 3; p < end; p += 16)
    v128.store(y + p, f64x2.mul(v128.load(y + p), factor))
}

/** t [n, n] float32, its upper half read: becomes V; inverse [n, n] float32 becomes V^-1, both with zeros below the diagonal.
 *  least [n] float32: a pivot must be larger. work: 2 n (n + 1) float64. Returns the first bad pivot's index, or -1. */
export function factorBlock(t: usize, inverse: usize, least: usize, work: usize, n: i32): i32 {
  const stride = (<usize>((n + 1) & ~1)) << 3
  const other = work + stride * n
  memory.fill(work, 0, 2 * stride * n)
  for (let i = 0; i < n; i++)
    for (let j = i; j < n; j++)
      store<f64>(work + <usize>i * stride + ((<usize>j) << 3), <f64>load<f32>(t + ((<usize>i * n + j) << 2)))

  for (let k = 0; k < n; k++) {
    const row = work + <usize>k * stride
    const pivot = load<f64>(row + ((<usize>k) << 3))
    if (!(pivot > <f64>load<f32>(least + ((<usize>k) << 2))) || !isFinite(pivot)) return k
    scale(row, 1 / sqrt(pivot), k, n)
    for (let i = k + 1; i < n; i++) subtract(work + <usize>i * stride, row, load<f64>(row + ((<usize>i) << 3)), i, n)
  }

  for (let i = n - 1; i >= 0; i--) {
    const from = work + <usize>i * stride
    const to = other + <usize>i * stride
    for (let k = i + 1; k < n; k++) subtract(to, other + <usize>k * stride, load<f64>(from + ((<usize>k) << 3)), k, n)
    const diagonal = 1 / load<f64>(from + ((<usize>i) << 3))
    scale(to, diagonal, i + 1, n)
    store<f64>(to + ((<usize>i) << 3), diagonal)
  }

  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const from = <usize>i * stride + ((<usize>j) << 3)
      const at = (<usize>i * n + j) << 2
      store<f32>(t + at, j < i ? 0 : <f32>load<f64>(work + from))
      store<f32>(inverse + at, j < i ? 0 : <f32>load<f64>(other + from))
    }
  return -1
}

/** Transpose of from [rows, cols] float32 times `factor`, four by four; both sizes multiples of 4. */
export function transpose(from: usize, to: usize, rows: i32, cols: i32, factor: f32): void {
  const width = (<usize>cols) << 2
  const height = (<usize>rows) << 2
  const scale = f32x4.splat(factor)
  for (let r = 0; r < rows; r += 4) {
    for (let c = 0; c < cols; c += 4) {
      const source = from + <usize>r * width + ((<usize>c) << 2)
      const target = to + <usize>c * height + ((<usize>r) << 2)
      const a = v128.load(source)
      const b = v128.load(source + width)
      const d = v128.load(source + 2 * width)
      const e = v128.load(source + 3 * width)
      const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5)
      const ab2 = v128.shuffle<f32>(a, b, 2, 6, 3, 7)
      const de = v128.shuffle<f32>(d, e, 0, 4, 1, 5)
      const de2 = v128.shuffle<f32>(d, e, 2, 6, 3, 7)
      v128.store(target, f32x4.mul(scale, v128.shuffle<f32>(ab, de, 0, 1, 4, 5)))
      v128.store(target + height, f32x4.mul(scale, v128.shuffle<f32>(ab, de, 2, 3, 6, 7)))
      v128.store(target + 2 * height, f32x4.mul(scale, v128.shuffle<f32>(ab2, de2, 0, 1, 4, 5)))
      v128.store(target + 3 * height, f32x4.mul(scale, v128.shuffle<f32>(ab2, de2, 2, 3, 6, 7)))
    }
  }
}
