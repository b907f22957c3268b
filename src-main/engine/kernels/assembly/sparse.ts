// Sparse matrices: kept entries out of a mask and back, and the mask as Elias and Fano's code.
//   Elias 1974, "Efficient storage and retrieval by content and address of static files"; Vigna 2013, "Quasi-succinct indices",
//   section 3: of rising places p_0 < p_1 < ..., the lowest l bits of each as they are, and the rest h_k = p_k >> l as a bit
//   at h_k + k of a stream; the zeros between are steps of 2^l.
// A mask holds one byte an entry, 0 or 1.

export function heapBase(): usize {
  return __heap_base
}

/** Entries of 4 bytes whose mask is 1, in order; gives how many. */
export function compactWords(from: usize, mask: usize, n: i32, to: usize): i32 {
  let count: usize = 0
  for (let i: usize = 0; i < <usize>n; i++) {
    store<u32>(to + (count << 2), load<u32>(from + (i << 2)))
    count += <usize>load<u8>(mask + i)
  }
  return <i32>count
}

/** The same of bytes. */
export function compactBytes(from: usize, mask: usize, n: i32, to: usize): i32 {
  let count: usize = 0
  for (let i: usize = 0; i < <usize>n; i++) {
    store<u8>(to + count, load<u8>(from + i))
    count += <usize>load<u8>(mask + i)
  }
  return <i32>count
}

/** kept[k] where the mask is 1 for the k-th time, else 0; gives how many were taken. `kept` has one entry to spare. */
export function expandWords(kept: usize, mask: usize, n: i32, to: usize): i32 {
  let count: usize = 0
  for (let i: usize = 0; i < <usize>n; i++) {
    const bit = <u32>load<u8>(mask + i)
    store<u32>(to + (i << 2), load<u32>(kept + (count << 2)) & (0 - bit))
    count += <usize>bit
  }
  return <i32>count
}

/** The same of bytes, with `rest` where the mask is 0. */
export function expandBytes(kept: usize, mask: usize, n: i32, rest: u8, to: usize): i32 {
  let count: usize = 0
  for (let i: usize = 0; i < <usize>n; i++) {
    const bit = load<u8>(mask + i)
    store<u8>(to + i, bit != 0 ? load<u8>(kept + count) : rest)
    count += <usize>bit
  }
  return <i32>count
}

/** low: one byte an entry that the mask keeps; high: bytes of bits, all 0 before. */
export function eliasEncode(mask: usize, n: i32, lowBits: i32, low: usize, high: usize): void {
  let count: i32 = 0
  const last = (1 << lowBits) - 1
  for (let i = 0; i < n; i++) {
    if (load<u8>(mask + <usize>i) == 0) continue
    store<u8>(low + <usize>count, <u8>(i & last))
    const at = (i >> lowBits) + count
    const byte = high + <usize>(at >> 3)
    const bit: i32 = 1 << (at & 7)
    store<u8>(byte, load<u8>(byte) | (<u8>bit))
    count++
  }
}

/** The inverse into a mask of zeros. Gives how many entries it set; -1 where places do not rise or leave the mask. */
export function eliasDecode(low: usize, high: usize, bits: i32, kept: i32, n: i32, lowBits: i32, mask: usize): i32 {
  let count: i32 = 0
  let before: i32 = -1
  for (let at = 0; at < bits; at++) {
    if (((load<u8>(high + <usize>(at >> 3)) >> (<u8>(at & 7))) & 1) == 0) continue
    if (count >= kept) return -1
    const place = ((at - count) << lowBits) + <i32>load<u8>(low + <usize>count)
    if (place <= before || place >= n) return -1
    store<u8>(mask + <usize>place, 1)
    before = place
    count++
  }
  return count
}

/** x [rows, cols] times a factor for each column; four at a time where a row has them. */
export function scaleColumns(x: usize, factors: usize, rows: i32, cols: i32): void {
  const whole = cols & ~3
  for (let r = 0; r < rows; r++) {
    const row = x + ((<usize>r * cols) << 2)
    let c = 0
    for (; c < whole; c += 4) {
      const at = (<usize>c) << 2
      v128.store(row + at, f32x4.mul(v128.load(row + at), v128.load(factors + at)))
    }
    for (; c < cols; c++) {
      const at = (<usize>c) << 2
      store<f32>(row + at, load<f32>(row + at) * load<f32>(factors + at))
    }
  }
}

/** out[c] (float64) += sum over rows of x[r, c]^2. */
export function columnEnergies(x: usize, rows: i32, cols: i32, out: usize): void {
  for (let r = 0; r < rows; r++) {
    const row = x + ((<usize>r * cols) << 2)
    for (let c = 0; c < cols; c++) {
      const value = <f64>load<f32>(row + ((<usize>c) << 2))
      const to = out + ((<usize>c) << 3)
      store<f64>(to, load<f64>(to) + value * value)
    }
  }
}
