// Blocks of the code-book types from chosen words, signs and scales.
import { chosenWord, digits, dims, kind, levelValues, run, scaleCode, signsAt, turned } from './words'

/** Turns the cheapest sign of every eight weights whose signs are uneven. */
export function evenOut(x: usize, h: usize): void {
  for (let slot = 0; slot < 256 / dims; slot++) {
    if (!load<u8>(turned + slot)) continue
    const word = <i32>load<u16>(chosenWord + (slot << 1))
    let least = f32.MAX_VALUE
    let place = 0
    for (let j = 0; j < dims; j++) {
      const at = (slot * dims + j) << 2
      const level = load<u8>(digits + word * dims + j)
      const cost = load<f32>(h + at) * abs<f32>(load<f32>(x + at)) * load<f32>(levelValues + ((<i32>level) << 2))
      if (cost >= least) continue
      least = cost
      place = slot * dims + j
    }
    const group = signsAt + (place >> 3)
    store<u8>(group, <u8>((<i32>load<u8>(group)) ^ (1 << (place & 7))))
  }
}

function put(address: usize, bits: i32): void {
  store<u8>(address, load<u8>(address) | (<u8>bits))
}

export function pack(out: usize): void {
  for (let g = 0; g < 32; g++) {
    const signs = <i32>load<u8>(signsAt + g)
    const word = <i32>load<u16>(chosenWord + (g << 1))
    if (kind == 0) {
      store<u8>(out + 2 + 8 * (g >> 2) + (g & 3), <u8>word)
      const at = out + 6 + 8 * (g >> 2)
      store<u32>(at, load<u32>(at) | ((signs & 127) << (7 * (g & 3))))
    } else if (kind == 1) {
      store<u16>(out + 2 + 2 * g, <u16>(word | ((signs & 127) << 9)))
    } else if (kind == 2) {
      store<u8>(out + 2 + g, <u8>word)
      store<u8>(out + 34 + g, <u8>signs)
      put(out + 66 + (g >> 2), (word >> 8) << (2 * (g & 3)))
    } else if (kind == 3) {
      const at = out + 66 + 4 * (g >> 2)
      store<u32>(at, load<u32>(at) | ((signs & 127) << (7 * (g & 3))))
    } else {
      store<u8>(out + 74 + g, <u8>signs)
    }
  }
  if (dims == 4) {
    for (let slot = 0; slot < 64; slot++) {
      const word = <i32>load<u16>(chosenWord + (slot << 1))
      store<u8>(out + 2 + slot, <u8>word)
      if (kind == 4) put(out + 66 + (slot >> 3), (word >> 8) << (slot & 7))
    }
  }
  for (let r = 0; r < 256 / run; r++) {
    const code = <i32>load<u8>(scaleCode + r)
    if (kind == 0) put(out + 9 + 8 * r, code << 4)
    else if (kind == 3) put(out + 69 + 4 * r, code << 4)
    else put(out + (kind == 1 ? 66 : kind == 2 ? 74 : 106) + (r >> 1), code << (4 * (r & 1)))
  }
}

/** d as float16 bits; `storedScale` has rounded it. */
export function halfBits(d: f32): u16 {
  if (d < 6.103515625e-5) return <u16>(d * 16777216)
  return <u16>((reinterpret<u32>(d) - 0x38000000) >> 13)
}
