// Which entries of a row are largest in magnitude: the `keep` largest of all, or n of every m. Among equal ones the first
// counts as larger. Rows are independent. Magnitudes of floats are ordered as their bits without the sign.

export function heapBase(): usize {
  return __heap_base
}

function size(at: usize): u32 {
  return load<u32>(at) & 0x7fffffff
}

const INFINITE: u32 = 0x7f800000

/** mask: u8 [rows, cols], 1 for the `keep` largest of each row. counts: scratch of 1,024 bytes. Radix selection: four passes
 *  of eight bits find the least size that stays. Returns the flat index of the first NaN, or -1. */
export function topRows(x: usize, rows: i32, cols: i32, keep: i32, mask: usize, counts: usize): i32 {
  for (let r = 0; r < rows; r++) {
    const row = x + ((<usize>r * cols) << 2)
    const out = mask + <usize>r * cols
    for (let c = 0; c < cols; c++) if (size(row + (c << 2)) > INFINITE) return r * cols + c
    let prefix: u32 = 0
    let fixed: u32 = 0
    let left = keep
    for (let shift = 24; shift >= 0; shift -= 8) {
      memory.fill(counts, 0, 1024)
      for (let c = 0; c < cols; c++) {
        const bits = size(row + (c << 2))
        if ((bits & fixed) != prefix) continue
        const bin = counts + (((bits >> shift) & 255) << 2)
        store<u32>(bin, load<u32>(bin) + 1)
      }
      let digit = 255
      while (digit > 0) {
        const count = load<u32>(counts + (digit << 2))
        if (left <= <i32>count) break
        left -= count
        digit--
      }
      prefix |= (<u32>digit) << shift
      fixed |= (<u32>255) << shift
    }
    for (let c = 0; c < cols; c++) {
      const bits = size(row + (c << 2))
      const stays = keep > 0 && (bits > prefix || (bits == prefix && left > 0))
      if (stays && bits == prefix) left--
      store<u8>(out + c, u8(stays))
    }
  }
  return -1
}

/** mask: 1 for the n largest of every m neighbours; of a shorter last group of t, ceil(t n / m). Returns as topRows. */
export function someOfEach(x: usize, rows: i32, cols: i32, n: i32, m: i32, mask: usize): i32 {
  for (let r = 0; r < rows; r++) {
    const row = x + ((<usize>r * cols) << 2)
    const out = mask + <usize>r * cols
    for (let begin = 0; begin < cols; begin += m) {
      const length = min<i32>(m, cols - begin)
      const keep = (length * n + m - 1) / m
      for (let i = 0; i < length; i++) {
        const own = size(row + ((begin + i) << 2))
        if (own > INFINITE) return r * cols + begin + i
        let larger = 0
        for (let j = 0; j < length; j++) {
          const other = size(row + ((begin + j) << 2))
          larger += i32(other > own || (other == own && j < i))
        }
        store<u8>(out + begin + i, u8(larger < keep))
      }
    }
  }
  return -1
}
