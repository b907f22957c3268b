// Column loops of pruning with error feedback, over a tile of rows that lies column by column, [size, lanes], four rows a vector.
//   feed:   Frantar and Alistarh 2023, "SparseGPT", algorithm 1: q = w_i, or its grid's nearest, where kept, else 0;
//           e_i = (w_i - q) / U_ii, w_j -= U_ij e_i for j > i; of n of m the mask of a group is chosen when it is reached: the n
//           with the largest w^2 / U_ii^2
//   refine: coordinate descent over what is kept: t = g_i / H_ii, or to the grid; q_i += t, d_i -= t, g_j -= H_ij t for j > i
// Eight columns are done one by one, then all right of them take what they are owed in one pass. A mask holds one byte an
// entry, 0 or 1; codes are those of a symmetric grid, 2^(width - 1) being 0.

const AT_ONCE: i32 = 8

let half: f32 = 0
let coded: bool = false
let keepN: i32 = 0
let ofM: i32 = 0

export function heapBase(): usize {
  return __heap_base
}

/** width 0: floats. m 0: the mask is given. */
export function configure(width: i32, n: i32, m: i32): void {
  coded = width > 0
  half = coded ? <f32>(1 << (width - 1)) : 0
  keepN = n
  ofM = m
}

/** All ones where a lane's byte is 1. */
function kept(mask: usize): v128 {
  const shorts = i16x8.extend_low_i8x16_u(v128.load32_zero(mask))
  return i32x4.neg(i32x4.extend_low_i16x8_u(shorts))
}

function loadCodes(codes: usize): v128 {
  const shorts = i16x8.extend_low_i8x16_u(v128.load32_zero(codes))
  return f32x4.sub(f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(shorts)), f32x4.splat(half))
}

function storeCodes(codes: usize, value: v128): void {
  const words = i32x4.trunc_sat_f32x4_s(f32x4.add(value, f32x4.splat(half)))
  const shorts = i16x8.narrow_i32x4_s(words, words)
  v128.store32_lane(codes, i8x16.narrow_i16x8_u(shorts, shorts), 0)
}

function nearestCode(value: v128): v128 {
  const low = f32x4.splat(-half)
  const high = f32x4.splat(half - 1)
  return f32x4.nearest(f32x4.pmin(high, f32x4.pmax(low, value)))
}

/** w[j] -= m[i, j] e[i] for the columns i in [from, to) and j in [to, size), in the order of i. */
function trail(w: usize, e: usize, m: usize, from: i32, to: i32, size: i32, stride: usize): void {
  const width = (<usize>size) << 2
  for (let j = to; j < size; j++) {
    const target = w + <usize>j * stride
    const factors = m + <usize>from * width + ((<usize>j) << 2)
    for (let p: usize = 0; p < stride; p += 16) {
      let value = v128.load(target + p)
      let factor = factors
      let source = e + <usize>from * stride + p
      for (let i = from; i < to; i++) {
        value = f32x4.sub(value, f32x4.mul(v128.load32_splat(factor), v128.load(source)))
        factor += width
        source += stride
      }
      v128.store(target + p, value)
    }
  }
}

/** Mask of the columns [first, first + count) for every lane: the n of them with the largest |w / U_ii|, the first of equals. */
function chooseGroup(w: usize, u: usize, mask: usize, first: i32, count: i32, size: i32, lanes: i32): void {
  const n = (count * keepN + ofM - 1) / ofM
  for (let lane = 0; lane < lanes; lane++) {
    for (let k = 0; k < count; k++) store<u8>(mask + <usize>((first + k) * lanes + lane), 0)
    for (let round = 0; round < n; round++) {
      let best = -1
      let most: f32 = -1
      for (let k = 0; k < count; k++) {
        const c = first + k
        if (load<u8>(mask + <usize>(c * lanes + lane)) != 0) continue
        const value = load<f32>(w + ((<usize>c * lanes + lane) << 2)) / load<f32>(u + ((<usize>c * size + c) << 2))
        if (abs(value) > most) {
          most = abs(value)
          best = c
        }
      }
      if (best >= 0) store<u8>(mask + <usize>(best * lanes + lane), 1)
    }
  }
}

/** w is used up; e, and values or codes, are filled. scales [size, lanes]. */
export function feed(
  w: usize,
  e: usize,
  u: usize,
  mask: usize,
  codes: usize,
  scales: usize,
  values: usize,
  size: i32,
  lanes: i32,
): void {
  const stride = (<usize>lanes) << 2
  for (let i = 0; i < size; i += AT_ONCE) {
    const end = min(i + AT_ONCE, size)
    for (let c = i; c < end; c++) {
      if (ofM > 0 && c % ofM == 0) chooseGroup(w, u, mask, c, min(ofM, size - c), size, lanes)
      const from = <usize>c * stride
      const pivot = v128.load32_splat(u + ((<usize>c * size + c) << 2))
      for (let p: usize = 0; p < stride; p += 16) {
        const x = v128.load(w + from + p)
        const place = (from + p) >> 2
        const stays = kept(mask + place)
        let q = v128.and(x, stays)
        if (coded) {
          const s = v128.load(scales + from + p)
          const code = v128.and(nearestCode(f32x4.div(x, s)), stays)
          storeCodes(codes + place, code)
          q = f32x4.mul(code, s)
        } else v128.store(values + from + p, q)
        v128.store(e + from + p, f32x4.div(f32x4.sub(x, q), pivot))
      }
      for (let j = c + 1; j < end; j++) {
        const factor = v128.load32_splat(u + ((<usize>c * size + j) << 2))
        const to = w + <usize>j * stride
        for (let p: usize = 0; p < stride; p += 16)
          v128.store(to + p, f32x4.sub(v128.load(to + p), f32x4.mul(factor, v128.load(e + from + p))))
      }
    }
    trail(w, e, u, i, end, size, stride)
  }
}

/** d = w - q. */
export function difference(
  w: usize,
  d: usize,
  codes: usize,
  scales: usize,
  values: usize,
  size: i32,
  lanes: i32,
): void {
  const count = (<usize>(size * lanes)) << 2
  for (let p: usize = 0; p < count; p += 16) {
    const q = coded ? f32x4.mul(loadCodes(codes + (p >> 2)), v128.load(scales + p)) : v128.load(values + p)
    v128.store(d + p, f32x4.sub(v128.load(w + p), q))
  }
}

/** g: columns of (W - Q) H, used up; d: W - Q; t: scratch; all [size, lanes]. d, and values or codes, are updated. */
export function refine(
  g: usize,
  d: usize,
  t: usize,
  h: usize,
  mask: usize,
  codes: usize,
  scales: usize,
  values: usize,
  size: i32,
  lanes: i32,
): void {
  const stride = (<usize>lanes) << 2
  for (let i = 0; i < size; i += AT_ONCE) {
    const end = min(i + AT_ONCE, size)
    for (let c = i; c < end; c++) {
      const from = <usize>c * stride
      const pivot = load<f32>(h + ((<usize>c * size + c) << 2))
      const inverse = f32x4.splat(pivot > 0 ? 1 / pivot : 0)
      for (let p: usize = 0; p < stride; p += 16) {
        const place = (from + p) >> 2
        const stays = kept(mask + place)
        const wish = f32x4.mul(v128.load(g + from + p), inverse)
        let change = v128.and(wish, stays)
        if (coded) {
          const s = v128.load(scales + from + p)
          const old = loadCodes(codes + place)
          const code = v128.and(nearestCode(f32x4.add(old, f32x4.div(wish, s))), stays)
          storeCodes(codes + place, code)
          change = f32x4.mul(f32x4.sub(code, old), s)
        } else v128.store(values + from + p, f32x4.add(v128.load(values + from + p), change))
        v128.store(t + from + p, change)
        v128.store(d + from + p, f32x4.sub(v128.load(d + from + p), change))
      }
      for (let j = c + 1; j < end; j++) {
        const factor = v128.load32_splat(h + ((<usize>c * size + j) << 2))
        const to = g + <usize>j * stride
        for (let p: usize = 0; p < stride; p += 16)
          v128.store(to + p, f32x4.sub(v128.load(to + p), f32x4.mul(factor, v128.load(t + from + p))))
      }
    }
    trail(g, t, h, i, end, size, stride)
  }
}
