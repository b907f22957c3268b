// float32, float16 or bfloat16 weights to blocks of a GGUF type. Formats: see ../ggml/layout.ts; searches: symmetric.ts,
// affine.ts, table.ts, micro.ts and two-level.ts in shared/ggml. Rows are independent of each other, and where all weights
// count alike so are blocks: any split among threads gives the same bytes.
import { setEffort, TRIALS } from './shared/ggml/effort'
import { spread } from './shared/ggml/lanes'
import * as small from './shared/ggml/small'
import { firstBeyond, readWeights, sourceBytes } from './shared/ggml/source'
import * as block from './shared/ggml/super'

const SEGMENT: i32 = 1024 // weights read at a time: four super-blocks
const LINEAR = memory.data(4096)
const SPREAD = memory.data(4096)
const RANGE = memory.data(512) // least and greatest weight of four groups a lane, for every four groups of a segment

export function heapBase(): usize {
  return __heap_base
}

/** Sets the effort; its trials (float32) are written at the address returned. */
export function configure(trials: i32, rounds: i32, outer: i32, reach: i32): usize {
  setEffort(trials, rounds, outer, reach)
  return TRIALS
}

/** Weights that are encoded together: groups of 4 x 32, super-blocks, or four super-blocks. */
function unitOf(type: i32): i32 {
  if (type == 35) return 1024
  if ((type >= 10 && type <= 14) || type == 23) return 256
  return 128
}

function groupOf(type: i32): i32 {
  if (type == 35) return 256
  if (type == 10 || type == 11 || type == 14) return 16
  return 32
}

/** [cols] importance at `from`, padded with zeros to whole segments, in the order the searches want it. */
export function spreadImportance(type: i32, from: usize, to: usize, length: i32): void {
  const n = groupOf(type)
  for (let i = 0; i < length; i += 4 * n) spread(from + ((<usize>i) << 2), to + ((<usize>i) << 2), n, RANGE)
}

/** Blocks of `rows` rows to `out`. `h`: spread importance of a row, 0: all alike. `limit`: bits of
 *  the largest magnitude the type holds. Returns the flat index of the first weight beyond it, or -1. */
export function encode(
  type: i32,
  kind: i32,
  source: usize,
  h: usize,
  out: usize,
  rows: i32,
  cols: i32,
  limit: i32,
): i32 {
  const unit = unitOf(type)
  const group = groupOf(type)
  const bytes = sourceBytes(kind)
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < cols; c += SEGMENT) {
      const n = min<i32>(SEGMENT, cols - c)
      const padded = ((n + unit - 1) / unit) * unit
      if (!readWeights(kind, source, LINEAR, n, padded, limit))
        return r * cols + c + firstBeyond(kind, source, n, limit)
      source += <usize>n * bytes
      if (type == 0 || type == 1 || type == 30) {
        out = storeFloats(type, out, n)
        continue
      }
      if (type == 8 && h == 0) {
        out = small.encodeQ8Plain(LINEAR, out, n >> 5)
        continue
      }
      const perLane = 4 * group
      for (let i = 0, at = RANGE; i < padded; i += perLane, at += 32)
        spread(LINEAR + ((<usize>i) << 2), SPREAD + ((<usize>i) << 2), group, at)
      for (let i = 0; i < n; i += unit) {
        const weights = SPREAD + ((<usize>i) << 2)
        const importance: usize = h == 0 ? 0 : h + ((<usize>(c + i)) << 2)
        out = encodeUnit(type, weights, importance, RANGE + (i / perLane) * 32, out, n - i)
      }
    }
  return -1
}

function encodeUnit(type: i32, x: usize, h: usize, range: usize, out: usize, left: i32): usize {
  const blocks = min<i32>(4, left >> 5)
  if (type == 2) return small.encodeQ4_0(x, h, range, out, blocks)
  if (type == 3) return small.encodeLine(4, x, h, range, out, blocks)
  if (type == 6) return small.encodeQ5_0(x, h, range, out, blocks)
  if (type == 7) return small.encodeLine(5, x, h, range, out, blocks)
  if (type == 8) return small.encodeQ8_0(x, h, range, out, blocks)
  if (type == 10) return block.encodeQ2_K(x, h, range, out)
  if (type == 11) return block.encodeQ3_K(x, h, range, out)
  if (type == 12) return block.encodeQ4_K(x, h, range, out)
  if (type == 13) return block.encodeQ5_K(x, h, range, out)
  if (type == 14) return block.encodeQ6_K(x, h, range, out)
  if (type == 20) return small.encodeNonlinear(x, h, range, out, blocks)
  if (type == 23) return block.encodeIQ4_XS(x, h, range, out)
  if (type == 35) return block.encodeTQ2_0(x, h, range, out, min<i32>(4, left >> 8))
  if (type == 39) return small.encodeMicro(x, h, range, out, blocks)
  return unreachable()
}

/** F32, F16 and BF16, rounded to nearest, ties to even. */
function storeFloats(type: i32, out: usize, n: i32): usize {
  if (type == 0) {
    memory.copy(out, LINEAR, n << 2)
    return out + ((<usize>n) << 2)
  }
  let p = LINEAR
  for (let end = p + (((<usize>n) & ~7) << 2); p < end; p += 32, out += 16) {
    const a = shortened(type, v128.load(p))
    const b = shortened(type, v128.load(p, 16))
    v128.store(out, v128.shuffle<u16>(a, b, 0, 2, 4, 6, 8, 10, 12, 14))
  }
  for (let i = 0; i < (n & 7); i++, p += 4, out += 2)
    store<u16>(out, <u16>i32x4.extract_lane(shortened(type, f32x4.splat(load<f32>(p))), 0))
  return out
}

/** Float32 lanes as float16 or bfloat16 bits in the low halves. */
function shortened(type: i32, v: v128): v128 {
  if (type == 30) {
    const even = v128.and(i32x4.shr_u(v, 16), i32x4.splat(1))
    return i32x4.shr_u(i32x4.add(i32x4.add(v, i32x4.splat(0x7fff)), even), 16)
  }
  const size = f32x4.abs(v)
  const sign = v128.and(i32x4.shr_u(v, 16), i32x4.splat(0x8000))
  const even = v128.and(i32x4.shr_u(size, 13), i32x4.splat(1))
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(size, i32x4.splat(0xfff)), even), 13)
  const normal = i32x4.sub(rounded, i32x4.splat(0x1c000))
  const isSmall = f32x4.lt(size, f32x4.splat(6.103515625e-5))
  if (!v128.any_true(isSmall)) return v128.or(normal, sign)
  const small = i32x4.sub(f32x4.add(size, f32x4.splat(0.5)), i32x4.splat(0x3f000000)) // rounded by the addition
  return v128.or(v128.bitselect(small, normal, isSmall), sign)
}
