// Weights to blocks of the code-book types (IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S). Layouts: ggml/codebook/layout.ts.
//   For a slot of weights x with importance h, a word v and a scale s (signs follow x):
//     sum h (|x| - s v)^2 = sum h x^2 - 2 s A + s^2 B      A = sum h |x| v     B = sum h v^2
//   Where the signs must be even and are not, one is turned: the one that costs least, A' = A - 2 min(h |x| v).
//   A and B of every word are sums of two halves of the slot, looked up; then a scale costs one pass over the words.
//   Scales: each run's best of some candidates, refined by least squares s = sum A / sum B; then d over all runs, rounded
//   to float16, and for that d each run's scale among the nearest codes.
//   A word that is best at some scale lies on the lower envelope of the parabolas s (s B - 2 A): a few of them, found by
//   looking at SAMPLES scales, stand for all words while scales are chosen; the final words come from all of them again.
// Cost O(slots * words * SAMPLES) a block. Every block is independent.
import { storedScale } from './shared/scale'

let dims: i32 = 8
let words: i32 = 256
let run: i32 = 32
let base: f32 = 0.125
let step: f32 = 0.25
let even: bool = true
let kind: i32 = 0
let levels: i32 = 3
let halfSize: i32 = 81 // levels ^ (dims / 2)

// Scratch, laid out by the host behind the data of a call.
let digits: usize = 0 // u8 [words, dims]
let levelValues: usize = 0 // f32 [levels]
let halves: usize = 0 // u16 [words, 2]
let tables: usize = 0 // f32 [3, 2, halfSize]: A, B, least of one half
let sums: usize = 0 // f32 [3, slots, words]: A, A', B
let signsAt: usize = 0 // u8 [32]: sign bits of each eight weights
let runScale: usize = 0 // f32 [16]
let scaleCode: usize = 0 // u8 [16]
let chosenWord: usize = 0 // u16 [64]
let turned: usize = 0 // u8 [64]: this slot holds the weight whose sign is turned
let envelope: usize = 0 // per slot and kind of sign (plain, turned): count, then words, A and B of up to SAMPLES words
let isFinal: bool = false // costs look at all words, not at the envelope

const SAMPLES: i32 = 7
const ENVELOPE: i32 = 4 + SAMPLES * 12 // bytes

export function heapBase(): usize {
  return __heap_base
}

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
function lay(scratch: usize): void {
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

function sumsOf(which: i32, slot: i32): usize {
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
function fillSlot(slot: i32, x: usize, h: usize, odd: bool): void {
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

let scanWord: i32 = 0

/** Least s (s B - 2 A) over the words; `scanWord` is the first that reaches it in its lane. */
function scan(a: usize, b: usize, s: f32): f32 {
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

function envelopeOf(slot: i32, isTurned: bool): usize {
  return envelope + (slot * 2 + <i32>isTurned) * ENVELOPE
}

/** The words that are best at some of the sampled scales. `tight`: scale at which the run's largest weight meets the
 *  largest level. */
function fillEnvelope(slot: i32, isTurned: bool, tight: f32): void {
  const a = sumsOf(isTurned ? 1 : 0, slot)
  const b = sumsOf(2, slot)
  const list = envelopeOf(slot, isTurned)
  let count = 0
  for (let k = 0; k < SAMPLES; k++) {
    // The last one stands for scales far above: a small run beside a large one in its block.
    const s = tight * (k == SAMPLES - 1 ? 6 : LOWEST + ((HIGHEST - LOWEST) * <f32>k) / <f32>(SAMPLES - 2))
    scan(a, b, s)
    let known = false
    for (let i = 0; i < count; i++) if (load<i32>(list + 4 + i * 12) == scanWord) known = true
    if (known) continue
    const entry = list + 4 + count * 12
    store<i32>(entry, scanWord)
    store<f32>(entry, load<f32>(a + (scanWord << 2)), 4)
    store<f32>(entry, load<f32>(b + (scanWord << 2)), 8)
    count++
  }
  store<i32>(list, count)
}

/** Least cost of a slot at a scale; `scanWord` is its word. */
function bestOf(slot: i32, isTurned: bool, s: f32): f32 {
  if (isFinal) return scan(sumsOf(isTurned ? 1 : 0, slot), sumsOf(2, slot), s)
  const list = envelopeOf(slot, isTurned)
  let least = f32.MAX_VALUE
  for (let entry = list + 4, end = entry + load<i32>(list) * 12; entry < end; entry += 12) {
    const cost = s * (s * load<f32>(entry, 8) - 2 * load<f32>(entry, 4))
    if (cost >= least) continue
    least = cost
    scanWord = load<i32>(entry)
  }
  return least
}

let sumA: f64 = 0 // over the chosen words of the last `costOf`
let sumB: f64 = 0

function take(slot: i32, word: i32, isTurned: bool): void {
  store<u16>(chosenWord + (slot << 1), <u16>word)
  store<u8>(turned + slot, isTurned ? 1 : 0)
  sumA += load<f32>(sumsOf(isTurned && dims == 4 ? 1 : 0, slot) + (word << 2))
  sumB += load<f32>(sumsOf(2, slot) + (word << 2))
}

function isOdd(group: i32): bool {
  return even && (popcnt<u32>(load<u8>(signsAt + group)) & 1) == 1
}

/** Best words of a run at a scale: their cost without the constant term, kept in `chosenWord`, summed in sumA and sumB. */
function costOf(r: i32, s: f32): f64 {
  sumA = 0
  sumB = 0
  let cost: f64 = 0
  const perGroup = 8 / dims
  const groups = run / 8
  for (let g = r * groups; g < (r + 1) * groups; g++) {
    const odd = isOdd(g)
    const slot = g * perGroup
    const first = bestOf(slot, false, s)
    const word = scanWord
    if (perGroup == 1) {
      cost += first
      take(slot, word, odd)
      continue
    }
    const plainSecond = bestOf(slot + 1, false, s)
    const wordSecond = scanWord
    if (!odd) {
      cost += first + plainSecond
      take(slot, word, false)
      take(slot + 1, wordSecond, false)
      continue
    }
    const turnedFirst = bestOf(slot, true, s)
    const turnedWord = scanWord
    const turnedSecond = bestOf(slot + 1, true, s)
    const turnedWordSecond = scanWord
    if (turnedFirst + plainSecond < first + turnedSecond) {
      cost += turnedFirst + plainSecond
      take(slot, turnedWord, true)
      take(slot + 1, wordSecond, false)
    } else {
      cost += first + turnedSecond
      take(slot, word, false)
      take(slot + 1, turnedWordSecond, true)
    }
  }
  return cost
}

const CANDIDATES: i32 = 12
const LOWEST: f32 = 0.5 // of the tight scale
const HIGHEST: f32 = 1.3

function bestScale(r: i32, x: usize): f32 {
  let largest: f32 = 0
  for (let i = 0; i < run; i++) largest = max<f32>(largest, abs<f32>(load<f32>(x + (i << 2))))
  const tight = largest / load<f32>(levelValues + ((levels - 1) << 2))
  const perRun = run / dims
  for (let slot = r * perRun; slot < (r + 1) * perRun; slot++) {
    fillEnvelope(slot, false, tight)
    if (dims == 4 && isOdd((slot * dims) >> 3)) fillEnvelope(slot, true, tight)
  }
  if (largest == 0) return 0
  let best: f32 = tight
  let least = f64.MAX_VALUE
  for (let k = 0; k < CANDIDATES; k++) {
    let s = tight * (LOWEST + ((HIGHEST - LOWEST) * <f32>k) / <f32>(CANDIDATES - 1))
    for (let round = 0; round < 2; round++) {
      const cost = costOf(r, s)
      if (cost < least) {
        least = cost
        best = s
      }
      if (sumB <= 0 || sumA <= 0 || cost > least * 0.98) break
      s = <f32>(sumA / sumB)
    }
  }
  return best
}

function factorOf(code: i32): f32 {
  return base + step * <f32>code
}

function nearestCode(d: f32, s: f32): i32 {
  const code = <i32>nearest<f32>((s / d - base) / step)
  return code < 0 ? 0 : code > 15 ? 15 : code
}

/** Cost of all runs at this d, each with the scale code nearest to its own best scale; or, with `reach`, the best of those
 *  around it. Leaves the codes in `scaleCode`, the words in place, and sum f A, sum f^2 B for refining d. */
let sumFA: f64 = 0
let sumFFB: f64 = 0
function costAt(d: f32, reach: i32, keepCodes: bool = false): f64 {
  let total: f64 = 0
  sumFA = 0
  sumFFB = 0
  for (let r = 0; r < 256 / run; r++) {
    const own = load<f32>(runScale + (r << 2))
    const middle = keepCodes ? <i32>load<u8>(scaleCode + r) : nearestCode(d, own)
    let bestCode = middle
    let last = -1
    let least = f64.MAX_VALUE
    for (let code = max<i32>(0, middle - reach); code <= min<i32>(15, middle + reach); code++) {
      const cost = costOf(r, d * factorOf(code))
      last = code
      if (cost >= least) continue
      least = cost
      bestCode = code
    }
    if (last != bestCode) least = costOf(r, d * factorOf(bestCode))
    store<u8>(scaleCode + r, <u8>bestCode)
    total += least
    const f = <f64>factorOf(bestCode)
    sumFA += f * sumA
    sumFFB += f * f * sumB
  }
  return total
}

/** Turns the cheapest sign of every eight weights whose signs are uneven. */
function evenOut(x: usize, h: usize): void {
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

function pack(out: usize): void {
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
function halfBits(d: f32): u16 {
  if (d < 6.103515625e-5) return <u16>(d * 16777216)
  return <u16>((reinterpret<u32>(d) - 0x38000000) >> 13)
}

function encodeBlock(x: usize, h: usize, out: usize, blockBytes: i32): void {
  memory.fill(out, 0, blockBytes)
  const perGroup = 8 / dims
  for (let g = 0; g < 32; g++) {
    let signs = 0
    for (let j = 0; j < 8; j++) signs |= (<i32>(load<f32>(x + ((g * 8 + j) << 2)) < 0)) << j
    store<u8>(signsAt + g, <u8>signs)
    for (let part = 0; part < perGroup; part++) {
      const slot = g * perGroup + part
      fillSlot(slot, x + ((slot * dims) << 2), h + ((slot * dims) << 2), isOdd(g))
    }
  }
  let largest: f32 = 0
  for (let r = 0; r < 256 / run; r++) {
    const s = bestScale(r, x + ((r * run) << 2))
    store<f32>(runScale + (r << 2), s)
    largest = max<f32>(largest, s)
  }
  if (largest == 0) return // nothing but zeros, which d = 0 gives
  const full = largest / factorOf(15)
  let d = storedScale(full, true)
  let least = f64.MAX_VALUE
  for (let k = -3; k <= 3; k++) {
    const candidate = storedScale(full * (1 + 0.04 * <f32>k), true)
    const cost = costAt(candidate, 0)
    if (cost >= least) continue
    least = cost
    d = candidate
  }
  if (least >= 0) return // far below float16's least number: zeros are nearer
  for (let round = 0; round < 3; round++) {
    const cost = costAt(d, 1)
    const refined = sumFFB > 0 && sumFA > 0 ? storedScale(<f32>(sumFA / sumFFB), true) : d
    if (refined == d || costAt(refined, 1) >= cost) break
    d = refined
  }
  costAt(d, 1)
  isFinal = true
  costAt(d, 0, true)
  isFinal = false
  evenOut(x, h)
  pack(out)
  store<u16>(out, halfBits(d))
}

/** [rows, cols] float32 at x, importance [cols] at h, blocks row after row at `out`; cols is a multiple of 256. The host
 *  has put the words' digits (u8) and, 16-aligned behind them, the level values (f32) at `scratch`. */
export function encodeRows(
  x: usize,
  h: usize,
  out: usize,
  rows: i32,
  cols: i32,
  blockBytes: i32,
  scratch: usize,
): void {
  lay(scratch)
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col += 256) {
      encodeBlock(x, h + (col << 2), out, blockBytes)
      x += 1024
      out += blockBytes
    }
  }
}
