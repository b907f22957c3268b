// Pyramid vector quantization: w ~ s level[l] p / |p|, p an integer point with sum |p| = K (Fischer 1986; van der Ouderaa et
// al. 2024, "Pyramid Vector Quantization for LLMs", section 3). s is the row's scale, level[l] the group's gain.
// Every group is independent: any split among threads gives the same bytes.
import { greedy } from './shared/pvq/greedy'
import { configureIndex, numberOf, pointOf, readBits, writeBits } from './shared/pvq/index'
import { descend, dot, product } from './shared/pvq/metric'

export { configureIndex } from './shared/pvq/index'

const MOST: i32 = 64 // coordinates

export function heapBase(): usize {
  return __heap_base
}

export function scratchBytes(): i32 {
  return MOST * 4 * 10
}

/** Root mean square of each row and whether all is finite: flat index of the first bad weight, or -1. */
export function rowScales(x: usize, rows: i32, cols: i32, out: usize): f64 {
  for (let r = 0; r < rows; r++) {
    let sum: f64 = 0
    for (let c = 0; c < cols; c++) {
      const w = load<f32>(x + ((<usize>r * cols + c) << 2))
      if (!isFinite<f32>(w)) return <f64>r * cols + c
      sum += <f64>w * w
    }
    store<f32>(out + (r << 2), <f32>sqrt<f64>(sum / cols))
  }
  return -1
}

/** One group of every row. x: first weight, rows `stride` floats apart. metric: [padded, padded] with 1e30 on the diagonal
 *  of what is padding, or 0 for plain distance. points: int8 [rows] groups `pointStride` bytes apart; codes likewise.
 *  values: as x. errors: float32 [rows], added to: distance in the metric. keep: points and codes hold a solution
 *  to start from, and stay where nothing better is found. */
export function search(
  x: usize,
  stride: i32,
  metric: usize,
  scales: usize,
  levels: usize,
  levelCount: i32,
  dims: i32,
  used: i32,
  pulses: i32,
  rows: i32,
  points: usize,
  pointStride: i32,
  codes: usize,
  codeStride: i32,
  values: usize,
  errors: usize,
  keep: bool,
  scratch: usize,
): void {
  const padded = (dims + 3) & ~3
  const size = MOST << 2
  const w = scratch
  const point = scratch + size
  const a = scratch + size * 2
  const b = scratch + size * 3
  const first = scratch + size * 4
  const second = scratch + size * 5
  const diagonal = scratch + size * 6
  const old = scratch + size * 7
  memory.fill(scratch, 0, size * 8)
  if (metric != 0)
    for (let i = 0; i < padded; i++) store<f32>(diagonal + (i << 2), load<f32>(metric + ((i * padded + i) << 2)))
  for (let r = 0; r < rows; r++) {
    const source = x + ((<usize>r * stride) << 2)
    const stored = points + <usize>r * pointStride
    const codeAt = codes + <usize>r * codeStride
    const scale = load<f32>(scales + (r << 2))
    let isZero = true
    for (let i = 0; i < used; i++) {
      const value = load<f32>(source + (i << 2))
      store<f32>(w + (i << 2), value)
      if (value != 0) isZero = false
    }
    if (metric != 0) product(metric, w, a, used, padded)
    let before: f32 = Infinity
    let oldCode = 0
    if (keep) {
      for (let i = 0; i < padded; i++) store<f32>(old + (i << 2), i < dims ? <f32>load<i8>(stored + i) : 0)
      oldCode = load<u8>(codeAt)
      before = distance(metric, a, b, w, old, scale * load<f32>(levels + (oldCode << 2)), used, padded)
    }
    if (isZero || scale == 0) {
      memory.fill(point, 0, size)
      store<f32>(point, <f32>pulses)
    } else if (keep) memory.copy(point, old, padded << 2)
    else greedy(w, point, used, pulses, metric == 0 ? old : 0)
    let c: f32
    let n: f32
    if (metric == 0) {
      c = dot(w, point, padded)
      n = dot(point, point, padded)
    } else {
      product(metric, point, b, used, padded)
      if (!isZero && scale != 0) descend(metric, a, b, point, first, second, diagonal, used, padded, 2 * pulses)
      c = dot(a, point, padded)
      n = dot(b, point, padded)
    }
    let wanted: f32 = 0
    if (scale != 0 && n > 0 && c > 0) wanted = ((c / n) * sqrt<f32>(dot(point, point, padded))) / scale
    let code = 0
    let off: f32 = Infinity
    for (let l = 0; l < levelCount; l++) {
      const miss = abs<f32>(load<f32>(levels + (l << 2)) - wanted)
      if (miss < off) {
        off = miss
        code = l
      }
    }
    let error = distance(metric, a, b, w, point, scale * load<f32>(levels + (code << 2)), used, padded)
    if (keep && !(error < before)) {
      memory.copy(point, old, padded << 2)
      code = oldCode
      error = before
    }
    for (let i = 0; i < dims; i++) store<i8>(stored + i, <i8>load<f32>(point + (i << 2)))
    store<u8>(codeAt, <u8>code)
    store<f32>(errors + (r << 2), load<f32>(errors + (r << 2)) + error)
    place(point, scale * load<f32>(levels + (code << 2)), used, padded, values + ((<usize>r * stride) << 2))
  }
}

/** amplitude p / |p| */
function place(point: usize, amplitude: f32, used: i32, padded: i32, out: usize): void {
  const unit: f32 = amplitude / sqrt<f32>(dot(point, point, padded))
  for (let i = 0; i < used; i++) store<f32>(out + (i << 2), unit * load<f32>(point + (i << 2)))
}

/** Of w from amplitude p / |p|, in the metric. b is overwritten. */
function distance(metric: usize, a: usize, b: usize, w: usize, p: usize, amplitude: f32, used: i32, padded: i32): f32 {
  const g: f32 = amplitude / sqrt<f32>(dot(p, p, padded))
  if (metric == 0) return dot(w, w, padded) - g * 2 * dot(w, p, padded) + g * g * dot(p, p, padded)
  product(metric, p, b, used, padded)
  return dot(w, a, padded) - g * 2 * dot(a, p, padded) + g * g * dot(b, p, padded)
}

/** Gains that would fit best without levels: out[r] = |projection| / scale of a group, as in `search` with metric 0. */
export function gains(x: usize, rows: i32, dims: i32, pulses: i32, out: usize, cosines: usize, scratch: usize): void {
  const padded = (dims + 3) & ~3
  const w = scratch
  const point = scratch + (MOST << 2)
  memory.fill(scratch, 0, MOST << 3)
  for (let r = 0; r < rows; r++) {
    memory.copy(w, x + ((<usize>r * dims) << 2), dims << 2)
    const energy = dot(w, w, padded)
    store<f32>(out + (r << 2), 0)
    store<f32>(cosines + (r << 2), 1)
    if (energy == 0) continue
    greedy(w, point, dims, pulses, 0)
    const gain = dot(w, point, padded) / sqrt<f32>(dot(point, point, padded))
    store<f32>(out + (r << 2), gain)
    store<f32>(cosines + (r << 2), gain / sqrt<f32>(energy))
  }
}

/** Groups [0, groups) of `rows` rows to a stream of `bits` bits each. */
export function pack(
  points: usize,
  rowStride: i32,
  groupStride: i32,
  codes: usize,
  codeRow: i32,
  codeGroup: i32,
  rows: i32,
  groups: i32,
  bits: i32,
  stream: usize,
  number: usize,
): void {
  let at: u64 = 0
  for (let r = 0; r < rows; r++)
    for (let g = 0; g < groups; g++) {
      const point = points + <usize>r * rowStride + <usize>g * groupStride
      numberOf(point, load<u8>(codes + <usize>r * codeRow + <usize>g * codeGroup), number)
      writeBits(stream, at, number, bits)
      at += bits
    }
}

/** Undoes pack, from bit `at` of the stream on. points: int8 [rows, groups, dims] or 0; values: [rows, cols]. */
export function unpack(
  stream: usize,
  at: i32,
  scales: usize,
  levels: usize,
  dims: i32,
  rows: i32,
  cols: i32,
  bits: i32,
  values: usize,
  points: usize,
  scratch: usize,
): void {
  const padded = (dims + 3) & ~3
  const number = scratch
  const point = scratch + 64
  memory.fill(scratch, 0, 64 + (MOST << 2))
  let bit: u64 = at
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < cols; c += dims) {
      readBits(stream, bit, number, bits)
      bit += bits
      const code = pointOf(number, point)
      const amplitude = load<f32>(scales + (r << 2)) * load<f32>(levels + (code << 2))
      place(point, amplitude, min<i32>(dims, cols - c), padded, values + ((<usize>r * cols + c) << 2))
      if (points == 0) continue
      for (let i = 0; i < dims; i++) store<i8>(points + i, <i8>load<f32>(point + (i << 2)))
      points += dims
    }
}
