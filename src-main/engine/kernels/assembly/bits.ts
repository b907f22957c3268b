// Codes of b bits packed into a little-endian bit stream: code i takes the bits [i * b, i * b + b), bit 0 first.
//
//   b = 3   byte 0            byte 1            byte 2
//           22111000          5 4443332         77766655      (digit = code whose bit stands there, high bit left)
//
// Eight codes are exactly b bytes, so they are folded in one 64-bit word by three shifts.

export function heapBase(): usize {
  return __heap_base
}

/** Repeats the low `bits` bits of ones every `lane` bits. */
function ones(bits: u64, lane: u64): u64 {
  const mask: u64 = bits >= 64 ? ~(<u64>0) : ((<u64>1) << bits) - 1
  if (lane == 64) return mask
  const two = mask | (mask << 32)
  return lane == 32 ? two : two | (two << 16)
}

/** `groups` runs of 8 codes, one a byte, to `groups` runs of `bits` bytes. `packed` needs 8 bytes to spare. */
export function pack(codes: usize, packed: usize, groups: i32, bits: u64): void {
  const code = ones(bits, 16)
  for (let g = 0; g < groups; g++) {
    let x = load<u64>(codes)
    x = (x & code) | (((x >> 8) & code) << bits)
    x = (x & 0x0000ffff0000ffff) | (((x >> 16) & 0x0000ffff0000ffff) << (2 * bits))
    x = (x & 0x00000000ffffffff) | ((x >> 32) << (4 * bits))
    store<u64>(packed, x)
    codes += 8
    packed += <usize>bits
  }
}

/** The inverse. `packed` is read 8 bytes at a time. */
export function unpack(packed: usize, codes: usize, groups: i32, bits: u64): void {
  const four = ones(4 * bits, 64)
  const two = ones(2 * bits, 32)
  const one = ones(bits, 16)
  for (let g = 0; g < groups; g++) {
    let x = load<u64>(packed)
    x = (x & four) | (((x >> (4 * bits)) & four) << 32)
    x = (x & two) | (((x >> (2 * bits)) & two) << 16)
    x = (x & one) | (((x >> bits) & one) << 8)
    store<u64>(codes, x)
    packed += <usize>bits
    codes += 8
  }
}
