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

import { evenOut, halfBits, pack } from './shared/codebook/pack'
import {
  base,
  chosenWord,
  dims,
  ENVELOPE,
  envelope,
  even,
  fillSlot,
  lay,
  levels,
  levelValues,
  run,
  runScale,
  SAMPLES,
  scaleCode,
  scan,
  scanWord,
  signsAt,
  step,
  sumsOf,
  turned,
} from './shared/codebook/words'

export { configure, scratchBytes } from './shared/codebook/words'

let isFinal: bool = false // costs look at all words, not at the envelope
let bestWord: i32 = 0 // of the last `bestOf`

export function heapBase(): usize {
  return __heap_base
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

/** Least cost of a slot at a scale; `bestWord` is its word. */
function bestOf(slot: i32, isTurned: bool, s: f32): f32 {
  if (isFinal) {
    const cost = scan(sumsOf(isTurned ? 1 : 0, slot), sumsOf(2, slot), s)
    bestWord = scanWord
    return cost
  }
  const list = envelopeOf(slot, isTurned)
  let least = f32.MAX_VALUE
  for (let entry = list + 4, end = entry + load<i32>(list) * 12; entry < end; entry += 12) {
    const cost = s * (s * load<f32>(entry, 8) - 2 * load<f32>(entry, 4))
    if (cost >= least) continue
    least = cost
    bestWord = load<i32>(entry)
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
    const word = bestWord
    if (perGroup == 1) {
      cost += first
      take(slot, word, odd)
      continue
    }
    const plainSecond = bestOf(slot + 1, false, s)
    const wordSecond = bestWord
    if (!odd) {
      cost += first + plainSecond
      take(slot, word, false)
      take(slot + 1, wordSecond, false)
      continue
    }
    const turnedFirst = bestOf(slot, true, s)
    const turnedWord = bestWord
    const turnedSecond = bestOf(slot + 1, true, s)
    const turnedWordSecond = bestWord
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
