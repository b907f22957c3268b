// Bit fields of a block by the table that ggml/feedback/fields.ts lays out: [u16 byte, u8 shift, u8 width] twice an item.
import { halfBits } from '../ggml/lanes'
import { readOne } from '../ggml/source'

export const HEADER: i32 = 128
export const ITEM: i32 = 8

function piece(block: usize, item: usize): i32 {
  return ((<i32>load<u8>(block + load<u16>(item))) >> (<i32>load<u8>(item, 2))) & ((1 << (<i32>load<u8>(item, 3))) - 1)
}

export function take(block: usize, item: usize): i32 {
  const low = piece(block, item)
  return load<u8>(item, 7) == 0 ? low : low | (piece(block, item + 4) << (<i32>load<u8>(item, 3)))
}

function set(block: usize, item: usize, value: i32): void {
  const at = block + load<u16>(item)
  const shift = <i32>load<u8>(item, 2)
  const mask = ((1 << (<i32>load<u8>(item, 3))) - 1) << shift
  store<u8>(at, ((<i32>load<u8>(at)) & ~mask) | ((value << shift) & mask))
}

export function put(block: usize, item: usize, value: i32): void {
  set(block, item, value)
  if (load<u8>(item, 7) != 0) set(block, item + 4, value >> (<i32>load<u8>(item, 3)))
}

export function takeHalf(at: usize): f32 {
  return readOne(1, at)
}

export function putHalf(at: usize, value: f32): void {
  store<u16>(at, halfBits(value))
}
