// Decoding of low-rank corrected weights: out += L diag(s) R, and signs times a row's scale.

export function heapBase(): usize {
  return __heap_base
}

/** out [rows, padded] += left [rows, rank] x right [rank, padded]; padded is a multiple of 4. Components are added in their
 *  order, in float32. */
export function addProduct(out: usize, left: usize, right: usize, rows: i32, rank: i32, padded: i32): void {
  for (let r = 0; r < rows; r++) {
    const row = out + ((<usize>r * padded) << 2)
    for (let k = 0; k < rank; k++) {
      const factor = v128.load32_splat(left + ((<usize>r * rank + k) << 2))
      const other = right + ((<usize>k * padded) << 2)
      for (let c = 0; c < padded; c += 4) {
        const at = row + ((<usize>c) << 2)
        v128.store(at, f32x4.add(v128.load(at), f32x4.mul(factor, v128.load(other + ((<usize>c) << 2)))))
      }
    }
  }
}

/** bits: one a weight, rows of `rowBytes` bytes, 1 for plus. out [rows, padded] = +-scales[row], 0 behind cols. */
export function signRows(
  bits: usize,
  rowBytes: i32,
  scales: usize,
  rows: i32,
  cols: i32,
  padded: i32,
  out: usize,
): void {
  memory.fill(out, 0, (<usize>rows * padded) << 2)
  for (let r = 0; r < rows; r++) {
    const scale = load<f32>(scales + (r << 2))
    for (let c = 0; c < cols; c++) {
      const bit = ((<i32>load<u8>(bits + <usize>r * rowBytes + (c >> 3))) >> (c & 7)) & 1
      store<f32>(out + ((<usize>r * padded + c) << 2), bit != 0 ? scale : -scale)
    }
  }
}
