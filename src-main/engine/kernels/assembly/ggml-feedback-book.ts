// Words and signs of the code-book types of GGUF chosen under a Hessian, one row and one block of 256 columns at a time.
//   feedback: block LDLQ (Tseng et al. 2024, "QuIP#", section 4): eight weights t are rounded to the word nearest under
//             M = (U_BB^T U_BB)^-1, what is left of the Hessian once all later columns make up for them; their errors
//             E = (t - q) U_BB^-1 go to the columns behind. Each run takes, of some scales around its own, the one whose
//             errors have the least squares.
//   refine:   as in ggml-feedback.ts, eight weights at a time: q to the least of q M q - 2 q (M q0 + G), M = H_BB.
// Cost O(words * 44) for eight weights and each scale tried.
import { scaleLanes } from './shared/ggml/lanes'
import * as book from './shared/feedback/book'

let metric: usize = 0 // [256, 256]: U, or H
let M: usize = 0 // [32, 8, 8]
let X: usize = 0 // [32, 8, 8] U_BB^-1
let T: usize = 0 // [256] fed-back weights, or G
let E: usize = 0 // [256]
let Q: usize = 0 // [256]
let work: usize = 0 // T of a trial
let triedQ: usize = 0
let triedE: usize = 0
let bestQ: usize = 0
let bestE: usize = 0
let slope: usize = 0
let slopeH: usize = 0
let first: usize = 0 // Q on entry
let start: usize = 0 // signs and words before trials, and of the best
let best: usize = 0
const Y = memory.data(32)

export function heapBase(): usize {
  return __heap_base
}

export function scratchBytes(words: i32): i32 {
  return 44 * words * 4 + 44 * 16 + 32 * 64 * 8 + 1024 * 16 + 4096
}

function lay(settings: usize, scratch: usize, metricBytes: usize): void {
  metric = metricBytes
  M = book.configure(settings, scratch)
  X = M + 32 * 64 * 4
  T = X + 32 * 64 * 4
  E = T + 1024
  Q = E + 1024
  work = Q + 1024
  triedQ = work + 1024
  triedE = triedQ + 1024
  bestQ = triedE + 1024
  bestE = bestQ + 1024
  slope = bestE + 1024
  slopeH = slope + 1024
  first = slopeH + 1024
  start = first + 1024
  best = start + 1280
}

function at(i: i32, j: i32): usize {
  return metric + ((i * 256 + j) << 2)
}

/** X = U_BB^-1 and M = X X^T of every eight columns. */
function invertSlots(): void {
  memory.fill(X, 0, 32 * 64 * 4)
  for (let slot = 0; slot < 32; slot++) {
    const x = X + slot * 256
    const b = slot * 8
    for (let j = 0; j < 8; j++) {
      store<f32>(x + ((j * 9) << 2), 1 / load<f32>(at(b + j, b + j)))
      for (let i = j - 1; i >= 0; i--) {
        let sum: f32 = 0
        for (let k = i + 1; k <= j; k++) sum += load<f32>(at(b + i, b + k)) * load<f32>(x + ((k * 8 + j) << 2))
        store<f32>(x + ((i * 8 + j) << 2), -sum / load<f32>(at(b + i, b + i)))
      }
    }
    for (let i = 0; i < 8; i++) {
      for (let j = 0; j < 8; j++) {
        let sum: f32 = 0
        for (let k = max<i32>(i, j); k < 8; k++)
          sum += load<f32>(x + ((i * 8 + k) << 2)) * load<f32>(x + ((j * 8 + k) << 2))
        store<f32>(M + slot * 256 + ((i * 8 + j) << 2), sum)
      }
    }
  }
}

function copySlots(): void {
  for (let slot = 0; slot < 32; slot++)
    for (let j = 0; j < 8; j++) memory.copy(M + slot * 256 + j * 32, at(slot * 8 + j, slot * 8), 32)
}

/** to[j] -= by * metric[i, j] for j from first (a multiple of 4) to last; `to` is [256]. */
function subtract(to: usize, by: f32, i: i32, first: i32, last: i32): void {
  const factor = f32x4.splat(by)
  for (let j = first; j < last; j += 4)
    v128.store(to + (j << 2), f32x4.sub(v128.load(to + (j << 2)), f32x4.mul(factor, v128.load(at(i, j)))))
}

function saveSigns(to: usize): void {
  memory.copy(to, book.word, 128)
  memory.copy(to + 128, book.sigma, 1024)
}

function loadSigns(from: usize): void {
  memory.copy(book.word, from, 128)
  memory.copy(book.sigma, from + 128, 1024)
}

const LAST_SCALE: i32 = 15

/** Trial c of a run's scale code: 0, +1, -1, +2 ...; -1 where there is none. */
function codeOf(own: i32, c: i32): i32 {
  const code = own + (c & 1 ? (c + 1) >> 1 : -(c >> 1))
  return code < 0 || code > LAST_SCALE ? -1 : code
}

function feedRun(begin: i32, s: f32): f32 {
  let loss: f32 = 0
  memory.copy(work, T, 1024)
  for (let i = begin; i < begin + book.run; i += 8) {
    const m = M + (i >> 3) * 256
    const x = X + (i >> 3) * 256
    for (let j = 0; j < 8; j++) {
      let sum: f32 = 0
      for (let k = 0; k < 8; k++) sum += load<f32>(m + ((j * 8 + k) << 2)) * load<f32>(work + ((i + k) << 2))
      store<f32>(Y + (j << 2), sum)
    }
    book.signsOf(i, work + (i << 2), m)
    memory.copy(triedQ + (i << 2), work + (i << 2), 32) // words of four begin as if the other one had no error
    book.search(i, Y, m, s, triedQ)
    for (let j = 0; j < 8; j++) {
      let e: f32 = 0
      for (let k = 0; k <= j; k++)
        e += (load<f32>(work + ((i + k) << 2)) - load<f32>(triedQ + ((i + k) << 2))) * load<f32>(x + ((k * 8 + j) << 2))
      store<f32>(triedE + ((i + j) << 2), e)
      loss += e * e
    }
    for (let j = 0; j < 8; j++) subtract(work, load<f32>(triedE + ((i + j) << 2)), i + j, i + 8, begin + book.run)
  }
  return loss
}

/** As in ggml-feedback.ts; `moves` scales are tried for each run. */
export function feedback(
  settings: usize,
  target: usize,
  metricBytes: usize,
  blocks: usize,
  out: usize,
  rows: i32,
  stride: i32,
  blockBytes: i32,
  scratch: usize,
  moves: i32,
): void {
  lay(settings, scratch, metricBytes)
  invertSlots()
  for (let row = 0; row < rows; row++, target += 4, out += 4, blocks += blockBytes) {
    book.unpack(blocks)
    for (let i = 0; i < 256; i++) store<f32>(T + (i << 2), load<f32>(target + ((i * stride) << 2)))
    for (let begin = 0; begin < 256; begin += book.run) {
      const place = book.scale + ((begin / book.run) << 2)
      const own = load<i32>(place)
      let least = f32.MAX_VALUE
      for (let c = 0; c < moves; c++) {
        const code = codeOf(own, c)
        if (code < 0) continue
        const loss = feedRun(begin, book.scaleOf(code))
        if (c > 0 && !(loss < least)) continue
        least = loss
        store<i32>(place, code)
        saveSigns(best)
        memory.copy(bestE + (begin << 2), triedE + (begin << 2), book.run << 2)
      }
      loadSigns(best)
      memory.copy(E + (begin << 2), bestE + (begin << 2), book.run << 2)
      for (let i = begin; i < begin + book.run; i++) subtract(T, load<f32>(E + (i << 2)), i, begin + book.run, 256)
    }
    for (let i = 0; i < 256; i++) store<f32>(out + ((i * stride) << 2), load<f32>(E + (i << 2)))
    book.pack(blocks)
  }
}

/** Words of a run at scale s, from where it stands. Returns the change of the error; G of the run in `work`. */
function refineRun(begin: i32, s: f32): f32 {
  let change: f32 = 0
  memory.copy(work + (begin << 2), T + (begin << 2), book.run << 2)
  for (let i = begin; i < begin + book.run; i += 8) {
    const m = M + (i >> 3) * 256
    let before: f32 = 0
    for (let j = 0; j < 8; j++) {
      let sum: f32 = 0
      for (let k = 0; k < 8; k++) sum += load<f32>(m + ((j * 8 + k) << 2)) * load<f32>(Q + ((i + k) << 2))
      const y = sum + load<f32>(work + ((i + j) << 2))
      store<f32>(Y + (j << 2), y)
      before += load<f32>(Q + ((i + j) << 2)) * (sum - 2 * y)
    }
    memory.copy(triedQ + (i << 2), Q + (i << 2), 32)
    change += book.search(i, Y, m, s, triedQ) - before
    for (let j = i; j < i + 8; j++) {
      const e = load<f32>(triedQ + (j << 2)) - load<f32>(Q + (j << 2))
      if (e != 0) subtract(work, e, j, begin, begin + book.run)
    }
  }
  return change
}

export function refine(
  settings: usize,
  target: usize,
  metricBytes: usize,
  blocks: usize,
  out: usize,
  rows: i32,
  stride: i32,
  blockBytes: i32,
  scratch: usize,
  moves: i32,
): void {
  lay(settings, scratch, metricBytes)
  copySlots()
  for (let row = 0; row < rows; row++, target += 4, out += 4, blocks += blockBytes) {
    book.unpack(blocks)
    for (let i = 0; i < 256; i++) store<f32>(T + (i << 2), load<f32>(target + ((i * stride) << 2)))
    spread()
    memory.copy(first, Q, 1024)
    for (let begin = 0; begin < 256; begin += book.run) {
      const place = book.scale + ((begin / book.run) << 2)
      const own = load<i32>(place)
      let least: f32 = 0
      saveSigns(start)
      saveSigns(best)
      memory.copy(bestQ + (begin << 2), Q + (begin << 2), book.run << 2)
      for (let c = 0; c < moves; c++) {
        const code = codeOf(own, c)
        if (code < 0) continue
        loadSigns(start)
        const change = refineRun(begin, book.scaleOf(code))
        if (!(change < least)) continue
        least = change
        store<i32>(place, code)
        saveSigns(best)
        memory.copy(bestQ + (begin << 2), triedQ + (begin << 2), book.run << 2)
      }
      loadSigns(best)
      for (let i = begin; i < begin + book.run; i++) {
        const e = load<f32>(bestQ + (i << 2)) - load<f32>(Q + (i << 2))
        if (e != 0) subtract(T, e, i, 0, 256)
      }
      memory.copy(Q + (begin << 2), bestQ + (begin << 2), book.run << 2)
    }
    fit()
    for (let i = 0; i < 256; i++) {
      const place = out + ((i * stride) << 2)
      store<f32>(place, load<f32>(place) - (load<f32>(Q + (i << 2)) - load<f32>(first + (i << 2))))
    }
    book.pack(blocks)
  }
}

function spread(): void {
  for (let begin = 0; begin < 256; begin += book.run)
    book.weights(begin, begin + book.run, book.scaleOf(load<i32>(book.scale + ((begin / book.run) << 2))), Q)
}

/** d by least squares for the words that stand. */
function fit(): void {
  const old = book.d
  if (old == 0) return
  memory.copy(work, T, 1024)
  memory.copy(bestQ, Q, 1024)
  memory.fill(slopeH, 0, 1024)
  let num: f32 = 0
  for (let i = 0; i < 256; i++) {
    const q = load<f32>(Q + (i << 2))
    num += q * load<f32>(T + (i << 2))
    subtract(slopeH, q, i, 0, 256)
  }
  let den: f32 = 0
  for (let i = 0; i < 256; i++) den -= load<f32>(Q + (i << 2)) * load<f32>(slopeH + (i << 2))
  const wanted = old * (1 + num / den)
  if (!(den > 0) || !(wanted < Infinity)) return
  const next = f32x4.extract_lane(scaleLanes(f32x4.splat(wanted)), 0)
  if (next == old) return
  book.setD(next)
  spread()
  for (let i = 0; i < 256; i++) subtract(T, load<f32>(Q + (i << 2)) - load<f32>(bestQ + (i << 2)), i, 0, 256)
  let change: f32 = 0
  for (let i = 0; i < 256; i++) {
    const e = load<f32>(Q + (i << 2)) - load<f32>(bestQ + (i << 2))
    change -= e * (load<f32>(work + (i << 2)) + load<f32>(T + (i << 2)))
  }
  if (change < 0) return
  book.setD(old)
  memory.copy(T, work, 1024)
  memory.copy(Q, bestQ, 1024)
}

/** Words (u16), then signs (i8), of `count` blocks to `values` (384 bytes a block); with `back` the other way. */
export function codes(
  settings: usize,
  blocks: usize,
  values: usize,
  count: i32,
  blockBytes: i32,
  scratch: usize,
  back: bool,
): void {
  lay(settings, scratch, 0)
  for (let b = 0; b < count; b++, blocks += blockBytes, values += 384) {
    book.unpack(blocks)
    if (!back) {
      memory.copy(values, book.word, 128)
      for (let i = 0; i < 256; i++) store<i8>(values + 128 + i, <i8>load<f32>(book.sigma + (i << 2)))
    } else {
      memory.copy(book.word, values, 128)
      for (let i = 0; i < 256; i++) store<f32>(book.sigma + (i << 2), <f32>load<i8>(values + 128 + i))
      book.pack(blocks)
    }
  }
}
