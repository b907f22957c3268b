// Super-blocks of 256 weights. `x` and `h` are spread (lanes.ts) four groups at a time.
import { rounds, TRIALS, trials } from './effort'
import { halfBits, scaleLanes } from './lanes'
import * as pack from './pack'
import * as symmetric from './symmetric'
import * as table from './table'
import * as affine from './affine'
import * as level from './two-level'

const CODES = memory.data(1024)
const SPARE = memory.data(256)
const SCALES = memory.data(16) // whole numbers as bytes
const MINS = memory.data(16)
const LANES = memory.data(16)

/** Whole numbers of the chosen round as bytes, `shift` added. */
function takeInts(from: usize, groups: i32, shift: i32, to: usize): void {
  for (let g = 0; g < groups; g++) store<u8>(to + g, <u8>(<i32>load<f32>(from + (g << 2)) + shift))
}

function encodeSymmetric(x: usize, n: i32, low: v128, high: v128, zero: i32): void {
  for (let b = 0; b < 64 / n; b++) {
    const scale = f32x4.mul(f32x4.splat(level.d), v128.load(level.KEPT + (b << 4)))
    symmetric.encodeLanes(x + ((<usize>b * n) << 4), n, scale, low, high, zero, CODES + b * n * 4)
  }
}

function encodeAffine(x: usize, n: i32, top: v128): void {
  for (let b = 0; b < 64 / n; b++) {
    const s = f32x4.mul(f32x4.splat(level.d), v128.load(level.KEPT + (b << 4)))
    const min = f32x4.mul(f32x4.splat(level.dmin), v128.load(level.KEPT_MINS + (b << 4)))
    affine.encodeLanes(x + ((<usize>b * n) << 4), n, s, f32x4.neg(min), top, CODES + b * n * 4)
  }
}

export function encodeQ2_K(x: usize, h: usize, range: usize, out: usize): usize {
  const top = f32x4.splat(3)
  level.chooseAffine(x, h, 16, range, top, 15)
  encodeAffine(x, 16, top)
  takeInts(level.KEPT, 16, 0, SCALES)
  takeInts(level.KEPT_MINS, 16, 0, MINS)
  v128.store(out, v128.or(v128.load(SCALES), i16x8.shl(v128.load(MINS), 4)))
  pack.packCrumbs(CODES, out + 16)
  store<u16>(out, halfBits(level.d), 80)
  store<u16>(out, halfBits(level.dmin), 82)
  return out + 84
}

export function encodeQ3_K(x: usize, h: usize, range: usize, out: usize): usize {
  const low = f32x4.splat(-4)
  const high = f32x4.splat(3)
  level.chooseSymmetric(x, h, 16, range, false, low, high, 32)
  encodeSymmetric(x, 16, low, high, 4)
  takeInts(level.KEPT, 16, 32, SCALES)
  pack.packBits(CODES, 2, out)
  pack.packCrumbs(CODES, out + 32)
  pack.packQ3Scales(SCALES, out + 96)
  store<u16>(out, halfBits(level.d), 108)
  return out + 110
}

export function encodeQ4_K(x: usize, h: usize, range: usize, out: usize): usize {
  const top = f32x4.splat(15)
  level.chooseAffine(x, h, 32, range, top, 63)
  encodeAffine(x, 32, top)
  takeInts(level.KEPT, 8, 0, SCALES)
  takeInts(level.KEPT_MINS, 8, 0, MINS)
  store<u16>(out, halfBits(level.d))
  store<u16>(out, halfBits(level.dmin), 2)
  pack.packSixes(SCALES, MINS, out + 4)
  pack.packNibbles(CODES, out + 16)
  return out + 144
}

export function encodeQ5_K(x: usize, h: usize, range: usize, out: usize): usize {
  const top = f32x4.splat(31)
  level.chooseAffine(x, h, 32, range, top, 63)
  encodeAffine(x, 32, top)
  takeInts(level.KEPT, 8, 0, SCALES)
  takeInts(level.KEPT_MINS, 8, 0, MINS)
  store<u16>(out, halfBits(level.d))
  store<u16>(out, halfBits(level.dmin), 2)
  pack.packSixes(SCALES, MINS, out + 4)
  pack.packBits(CODES, 4, out + 16)
  pack.packNibbles(CODES, out + 48)
  return out + 176
}

export function encodeQ6_K(x: usize, h: usize, range: usize, out: usize): usize {
  const low = f32x4.splat(-32)
  const high = f32x4.splat(31)
  level.chooseSymmetric(x, h, 16, range, false, low, high, 128)
  encodeSymmetric(x, 16, low, high, 32)
  pack.packWideNibbles(CODES, out)
  pack.packHighCrumbs(CODES, out + 128, SPARE)
  takeInts(level.KEPT, 16, 0, out + 192)
  store<u16>(out, halfBits(level.d), 208)
  return out + 210
}

export function encodeIQ4_XS(x: usize, h: usize, range: usize, out: usize): usize {
  const zero = f32x4.splat(0)
  level.chooseSymmetric(x, h, 32, range, true, zero, zero, 32)
  for (let b = 0; b < 2; b++) {
    const scale = f32x4.mul(f32x4.splat(level.d), v128.load(level.KEPT + (b << 4)))
    table.encodeLanes(x + (b << 9), 32, scale, CODES + (b << 7))
  }
  takeInts(level.KEPT, 8, 32, SCALES)
  store<u16>(out, halfBits(level.d))
  pack.packXsScales(SCALES, out + 2)
  for (let g = 0; g < 8; g++) pack.packHalves(CODES + (g << 5), out + 8 + (g << 4))
  return out + 136
}

/** Four blocks at once, a lane each. All four codes -1 .. 2 are used; a negative scale mirrors them. */
export function encodeTQ2_0(x: usize, h: usize, range: usize, out: usize, blocks: i32): usize {
  const low = f32x4.splat(-1)
  const high = f32x4.splat(2)
  const scale = scaleLanes(symmetric.bestScale(x, h, 256, range, low, high, TRIALS, trials, rounds))
  symmetric.encodeLanes(x, 256, scale, low, high, 1, CODES)
  v128.store(LANES, scale)
  for (let b = 0; b < blocks; b++, out += 66) {
    pack.packCrumbs(CODES + (b << 8), out)
    store<u16>(out, halfBits(load<f32>(LANES + (b << 2))), 64)
  }
  return out
}
