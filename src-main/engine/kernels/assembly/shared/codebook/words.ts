// Settings and scratch of the code-book encoder (assembly/ggml-codebook.ts), and what every word costs on every slot.
export let dims: i32 = 8
export let words: i32 = 256
export let run: i32 = 32
export let base: f32 = 0.125
export let step: f32 = 0.25
export let even: bool = true
export let kind: i32 = 0
export let levels: i32 = 3
export let halfSize: i32 = 81 // levels ^ (dims / 2)

// Scratch, laid out by the host behind the data of a call.
export let digits: usize = 0 // u8 [words, dims]
export let levelValues: usize = 0 // f32 [levels]
export let halves: usize = 0 // u16 [words, 2]
export let tables: usize = 0 // f32 [3, 2, halfSize]: A, B, least of one half
export let sums: usize = 0 // f32 [3, slots, words]: A, A', B
export let signsAt: usize = 0 // u8 [32]: sign bits of each eight weights
export let runScale: usize = 0 // f32 [16]
export let scaleCode: usize = 0 // u8 [16]
export let chosenWord: usize = 0 // u16 [64]
export let turned: usize = 0 // u8 [64]: this slot holds the weight whose sign is turned
export let envelope: usize = 0 // per slot and kind of sign (plain, turned): count, then words, A and B of up to SAMPLES words

export const SAMPLES: i32 = 7
export const ENVELOPE: i32 = 4 + SAMPLES * 12 // bytes

/** Bytes of scratch a call needs. */
export function scratchBytes(newWords: i32, newDims: i32): i32 {
  return newWords * (newDims + 4) + 3 * 2 * 128 * 4 + 3 * (256 / newDims) * newWords * 4 + 128 * ENVELOPE + 1024
}

export function configure(
  newKind: i32,
  newWords: i32,
  newDims: i32,
  newLevels: i32,
  newRun: i32,
  newBase: f32,
  newStep: f32,
  newEven: bool,
): void {
  kind = newKind
  words = newWords
  dims = newDims
  levels = newLevels
  run = newRun
  base = newBase
  step = newStep
  even = newEven
  halfSize = 1
  for (let i = 0; i < dims / 2; i++) halfSize *= levels
}

function align(address: usize): usize {
  return (address + 15) & ~15
}

/** Places of the scratch; the host has put the digits at its start and the level values behind them. */
export function lay(scratch: usize): void {
  digits = scratch
  levelValues = align(digits + words * dims)
  halves = align(levelValues + 32)
  tables = align(halves + words * 4)
  sums = align(tables + 3 * 2 * halfSize * 4)
  signsAt = align(sums + 3 * (256 / dims) * words * 4)
  runScale = signsAt + 32
  scaleCode = runScale + 64
  chosenWord = scaleCode + 16
  turned = chosenWord + 128
  envelope = align(turned + 64)
  for (let w = 0; w < words; w++) {
    for (let part = 0; part < 2; part++) {
      let index = 0
      for (let j = dims / 2 - 1; j >= 0; j--) {
        index = index * levels + load<u8>(digits + w * dims + part * (dims / 2) + j)
      }
      store<u16>(halves + ((w * 2 + part) << 1), <u16>index)
    }
  }
}

export function sumsOf(which: i32, slot: i32): usize {
  return sums + (((which * (256 / dims) + slot) * words) << 2)
}

/** Tables of both halves of a slot: every combination of levels with its A, B and least h |x| v. */
function fillHalves(x: usize, h: usize): void {
  const half = dims / 2
  for (let part = 0; part < 2; part++) {
    const a = tables + ((part * halfSize) << 2)
    const b = a + ((2 * halfSize) << 2)
    const c = b + ((2 * halfSize) << 2)
    store<f32>(a, 0)
    store<f32>(b, 0)
    store<f32>(c, f32.MAX_VALUE)
    let size = 1
    for (let j = 0; j < half; j++) {
      const at = (part * half + j) << 2
      const weight = load<f32>(h + at)
      const product = weight * abs<f32>(load<f32>(x + at))
      for (let level = levels - 1; level >= 0; level--) {
        const value = load<f32>(levelValues + (level << 2))
        const more = product * value
        const square = weight * value * value
        for (let i = 0; i < size; i++) {
          const to = (level * size + i) << 2
          const from = i << 2
          store<f32>(a + to, load<f32>(a + from) + more)
          store<f32>(b + to, load<f32>(b + from) + square)
          store<f32>(c + to, min<f32>(load<f32>(c + from), more))
        }
      }
      size *= levels
    }
  }
}

/** A, A' and B of every word on one slot. With eight dimensions the signs of the slot are those of its eight weights, so
 *  only one of A and A' can apply: it stands in the first place. */
export function fillSlot(slot: i32, x: usize, h: usize, odd: bool): void {
  fillHalves(x, h)
  const a = sumsOf(0, slot)
  const turnedA = sumsOf(1, slot)
  const b = sumsOf(2, slot)
  const tableB = tables + ((2 * halfSize) << 2)
  const tableC = tables + ((4 * halfSize) << 2)
  for (let w = 0; w < words; w++) {
    const first = (<usize>load<u16>(halves + (w << 2))) << 2
    const second = (<usize>load<u16>(halves + (w << 2), 2) + halfSize) << 2
    let sum = load<f32>(tables + first) + load<f32>(tables + second)
    const least = min<f32>(load<f32>(tableC + first), load<f32>(tableC + second))
    if (odd && dims == 8) sum -= 2 * least
    else if (odd) store<f32>(turnedA + (w << 2), sum - 2 * least)
    store<f32>(a + (w << 2), sum)
    store<f32>(b + (w << 2), load<f32>(tableB + first) + load<f32>(tableB + second))
  }
}

export let scanWord: i32 = 0

/** Least s (s B - 2 A) over the words; `scanWord` is the first that reaches it in its lane. */
export function scan(a: usize, b: usize, s: f32): f32 {
  const scale = f32x4.splat(s)
  const two = f32x4.splat(2)
  let least = f32x4.splat(f32.MAX_VALUE)
  let where = i32x4.splat(0)
  let index = i32x4(0, 1, 2, 3)
  const four = i32x4.splat(4)
  for (let at: usize = 0, end = (<usize>words) << 2; at < end; at += 16) {
    const cost = f32x4.mul(scale, f32x4.sub(f32x4.mul(scale, v128.load(b + at)), f32x4.mul(two, v128.load(a + at))))
    const better = f32x4.lt(cost, least)
    least = v128.bitselect(cost, least, better)
    where = v128.bitselect(index, where, better)
    index = i32x4.add(index, four)
  }
  let best = f32x4.extract_lane(least, 0)
  scanWord = i32x4.extract_lane(where, 0)
  const second = f32x4.extract_lane(least, 1)
  if (second < best) {
    best = second
    scanWord = i32x4.extract_lane(where, 1)
  }
  const third = f32x4.extract_lane(least, 2)
  if (third < best) {
    best = third
    scanWord = i32x4.extract_lane(where, 2)
  }
  const fourth = f32x4.extract_lane(least, 3)
  if (fourth < best) {
    best = fourth
    scanWord = i32x4.extract_lane(where, 3)
  }
  return best
}
