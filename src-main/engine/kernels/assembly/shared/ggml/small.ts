// Blocks of 32 weights with one scale (and offset): four at a time, each a lane. `x` and `h` are spread (lanes.ts).
import * as affine from './affine'
import { rounds, TRIALS, trials } from './effort'
import { clampLanes, halfBits, halfLanes, MAGIC, MAGIC_BITS, scaleLanes, storeCodes } from './lanes'
import * as micro from './micro'
import { packBit, packHalves } from './pack'
import * as symmetric from './symmetric'
import * as table from './table'

const N: i32 = 32
const CODES = memory.data(128)
const LANES = memory.data(16)
const LANES2 = memory.data(16)

export function encodeQ4_0(x: usize, h: usize, range: usize, out: usize, blocks: i32): usize {
  const low = f32x4.splat(-8)
  const high = f32x4.splat(7)
  const scale = scaleLanes(symmetric.bestScale(x, h, N, range, low, high, TRIALS, trials, rounds))
  symmetric.encodeLanes(x, N, scale, low, high, 8, CODES)
  v128.store(LANES, scale)
  for (let b = 0; b < blocks; b++, out += 18) {
    store<u16>(out, halfBits(load<f32>(LANES + (b << 2))))
    packHalves(CODES + (b << 5), out + 2)
  }
  return out
}

export function encodeQ5_0(x: usize, h: usize, range: usize, out: usize, blocks: i32): usize {
  const low = f32x4.splat(-16)
  const high = f32x4.splat(15)
  const scale = scaleLanes(symmetric.bestScale(x, h, N, range, low, high, TRIALS, trials, rounds))
  symmetric.encodeLanes(x, N, scale, low, high, 16, CODES)
  v128.store(LANES, scale)
  for (let b = 0; b < blocks; b++, out += 22) {
    store<u16>(out, halfBits(load<f32>(LANES + (b << 2))))
    packFive(CODES + (b << 5), out + 2)
  }
  return out
}

/** Fifth bits, then the low four. */
function packFive(codes: usize, to: usize): void {
  store<u32>(to, packBit(codes, 4))
  const low = i8x16.splat(15)
  const a = v128.and(v128.load(codes), low)
  const b = v128.and(v128.load(codes, 16), low)
  v128.store(to + 4, v128.or(a, i16x8.shl(b, 4)))
}

export function encodeLine(bits: i32, x: usize, h: usize, range: usize, out: usize, blocks: i32): usize {
  const top = f32x4.splat(<f32>((1 << bits) - 1))
  affine.bestLine(x, h, N, range, top, false, TRIALS, trials, rounds)
  const s = scaleLanes(affine.bestS)
  // The offset that suits the rounded scale.
  const offset = f32x4.div(f32x4.sub(affine.sumHX, f32x4.mul(s, affine.sumQ)), affine.sumH)
  const b = halfLanes(offset)
  affine.encodeLanes(x, N, s, b, top, CODES)
  v128.store(LANES, s)
  v128.store(LANES2, b)
  for (let i = 0; i < blocks; i++) {
    store<u16>(out, halfBits(load<f32>(LANES + (i << 2))))
    store<u16>(out, halfBits(load<f32>(LANES2 + (i << 2))), 2)
    if (bits == 4) packHalves(CODES + (i << 5), out + 4)
    else packFive(CODES + (i << 5), out + 4)
    out += bits == 4 ? 20 : 24
  }
  return out
}

export function encodeNonlinear(x: usize, h: usize, range: usize, out: usize, blocks: i32): usize {
  // Not scaleLanes: no value of the table is 0, so a scale that is too large by far is worse than none.
  const scale = halfLanes(table.bestScale(x, h, N, range, TRIALS, trials, rounds))
  table.encodeLanes(x, N, scale, CODES)
  v128.store(LANES, scale)
  for (let b = 0; b < blocks; b++, out += 18) {
    store<u16>(out, halfBits(load<f32>(LANES + (b << 2))))
    packHalves(CODES + (b << 5), out + 2)
  }
  return out
}

export function encodeMicro(x: usize, h: usize, range: usize, out: usize, blocks: i32): usize {
  const exponent = micro.bestExponent(x, h, N, range, trials)
  micro.encodeLanes(x, N, micro.scaleOf(exponent), CODES)
  v128.store(LANES, exponent)
  for (let b = 0; b < blocks; b++, out += 17) {
    store<u8>(out, load<u8>(LANES + (b << 2)))
    packHalves(CODES + (b << 5), out + 1)
  }
  return out
}

export function encodeQ8_0(x: usize, h: usize, range: usize, out: usize, blocks: i32): usize {
  const low = f32x4.splat(-127)
  const high = f32x4.splat(127)
  const scale = scaleLanes(symmetric.bestScale(x, h, N, range, low, high, TRIALS, trials, rounds))
  symmetric.encodeLanes(x, N, scale, low, high, 0, CODES)
  v128.store(LANES, scale)
  for (let b = 0; b < blocks; b++, out += 34) {
    store<u16>(out, halfBits(load<f32>(LANES + (b << 2))))
    memory.copy(out + 2, CODES + (b << 5), 32)
  }
  return out
}

/** Q8_0 where every weight counts alike: the scale that just fits, which no search betters by more than a few parts in a
 *  thousand. Reads the weights as they lie, one block after another. */
export function encodeQ8Plain(x: usize, out: usize, blocks: i32): usize {
  const magic = f32x4.splat(MAGIC)
  const base = i32x4.splat(MAGIC_BITS)
  const low = f32x4.splat(-127)
  const high = f32x4.splat(127)
  for (let i = 0; i < blocks; i++, x += 128, out += 34) {
    let most = f32x4.abs(v128.load(x))
    for (let p = x + 16; p < x + 128; p += 16) most = f32x4.pmax(most, f32x4.abs(v128.load(p)))
    most = f32x4.pmax(most, v128.shuffle<f32>(most, most, 2, 3, 0, 1))
    most = f32x4.pmax(most, v128.shuffle<f32>(most, most, 1, 0, 3, 2))
    const scale = scaleLanes(f32x4.mul(most, f32x4.splat(<f32>1 / 127)))
    const inverse = v128.and(f32x4.div(f32x4.splat(1), scale), f32x4.ne(scale, f32x4.splat(0)))
    store<u16>(out, halfBits(f32x4.extract_lane(scale, 0)))
    for (let j: usize = 0; j < 128; j += 64) {
      const p = x + j
      const a = i32x4.sub(f32x4.add(clampLanes(f32x4.mul(v128.load(p), inverse), low, high), magic), base)
      const b = i32x4.sub(f32x4.add(clampLanes(f32x4.mul(v128.load(p, 16), inverse), low, high), magic), base)
      const c = i32x4.sub(f32x4.add(clampLanes(f32x4.mul(v128.load(p, 32), inverse), low, high), magic), base)
      const d = i32x4.sub(f32x4.add(clampLanes(f32x4.mul(v128.load(p, 48), inverse), low, high), magic), base)
      const bytes = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d))
      v128.store(out + 2 + (j >> 2), bytes)
    }
  }
  return out
}
