// Points of the pyramid as numbers, and back (Fischer 1986, "A Pyramid Vector Quantizer", section III, with the values of a
// coordinate in the order 0, +1, -1, +2, -2, ...). N(d, k) points of d coordinates have sum |p| = k:
//   N(d, k) = N(d-1, k) + N(d, k-1) + N(d-1, k-1)     N(d, 0) = 1     N(0, k > 0) = 0
// A point's number is the count of points before it. The gain's code stands above: number + code * N(D, K). Numbers have
// `limbs` words of 64 bits, low first; the table holds N as [d, k, limbs], `steps` the products code * N.

let limbs: i32 = 1
let pulses: i32 = 0
let dims: i32 = 0
let table: usize = 0
let steps: usize = 0
let codes: i32 = 1

export function configureIndex(d: i32, k: i32, words: i32, at: usize, gains: usize, count: i32): void {
  dims = d
  pulses = k
  limbs = words
  table = at
  steps = gains
  codes = count
}

function entry(d: i32, k: i32): usize {
  return table + (((d * (pulses + 1) + k) * limbs) << 3)
}

function add(number: usize, other: usize): void {
  let carry: u64 = 0
  for (let i = 0; i < limbs; i++) {
    const a = load<u64>(number + (i << 3))
    const sum = a + load<u64>(other + (i << 3))
    const total = sum + carry
    carry = u64(sum < a) | u64(total < sum)
    store<u64>(number + (i << 3), total)
  }
}

function subtract(number: usize, other: usize): void {
  let borrow: u64 = 0
  for (let i = 0; i < limbs; i++) {
    const a = load<u64>(number + (i << 3))
    const b = load<u64>(other + (i << 3))
    const less = a - b
    store<u64>(number + (i << 3), less - borrow)
    borrow = u64(a < b) | u64(less < borrow)
  }
}

function below(number: usize, other: usize): bool {
  for (let i = limbs - 1; i >= 0; i--) {
    const a = load<u64>(number + (i << 3))
    const b = load<u64>(other + (i << 3))
    if (a != b) return a < b
  }
  return false
}

/** point: [dims] int8. number: [limbs] out. */
export function numberOf(point: usize, code: i32, number: usize): void {
  memory.copy(number, steps + ((code * limbs) << 3), limbs << 3)
  let left = pulses
  for (let i = 0; i < dims && left > 0; i++) {
    const rest = dims - i - 1
    const value = <i32>load<i8>(point + i)
    if (value == 0) continue
    const size = abs<i32>(value)
    add(number, entry(rest, left))
    for (let m = 1; m < size; m++) {
      add(number, entry(rest, left - m))
      add(number, entry(rest, left - m))
    }
    if (value < 0) add(number, entry(rest, left - size))
    left -= size
  }
}

/** Undoes numberOf; `number` is used up. Returns the gain's code. point: [dims] float32 out. */
export function pointOf(number: usize, point: usize): i32 {
  let code = codes - 1
  while (code > 0 && below(number, steps + ((code * limbs) << 3))) code--
  subtract(number, steps + ((code * limbs) << 3))
  let left = pulses
  for (let i = 0; i < dims; i++) {
    const rest = dims - i - 1
    let value = 0
    if (left > 0 && !below(number, entry(rest, left))) {
      subtract(number, entry(rest, left))
      for (let m = 1; m <= left; m++) {
        const count = entry(rest, left - m)
        value = m
        if (below(number, count)) break
        subtract(number, count)
        value = -m
        if (below(number, count)) break
        subtract(number, count)
      }
    }
    left -= abs<i32>(value)
    store<f32>(point + (i << 2), <f32>value)
  }
  return code
}

/** The low `bits` bits of a number, from bit `at` of the stream on. The stream behind is 0 and 16 bytes longer. */
export function writeBits(stream: usize, at: u64, number: usize, bits: i32): void {
  for (let i = 0; bits > 0; i++) {
    const value = load<u64>(number + (i << 3))
    const shift = <i32>(at & 7)
    const byte = stream + <usize>(at >> 3)
    store<u64>(byte, load<u64>(byte) | (value << shift))
    if (shift > 0) store<u8>(byte + 8, load<u8>(byte + 8) | (<u8>(value >> (64 - shift))))
    at += 64
    bits -= 64
  }
}

export function readBits(stream: usize, at: u64, number: usize, bits: i32): void {
  for (let i = 0; i < limbs; i++) {
    const shift = <i32>(at & 7)
    const byte = stream + <usize>(at >> 3)
    let value = load<u64>(byte) >> shift
    if (shift > 0) value |= (<u64>load<u8>(byte + 8)) << (64 - shift)
    if (bits < 64) value &= bits <= 0 ? 0 : ((<u64>1) << bits) - 1
    store<u64>(number + (i << 3), value)
    at += 64
    bits -= 64
  }
}
