import { availableParallelism } from 'node:os'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Arena } from '../arena.ts'
import { openKernel } from '../load.ts'
import { finish, sharedFloats, start } from '../pool.ts'
import type { KmeansExports } from '../vectors-job.ts'

const SHARE_FROM = 1 << 18 // distances; fewer are done before a thread wakes up
const CHUNK = 1 << 16
const FAR = 1e15 // coordinates of the codewords that fill up fours
const TRAIN = 1 << 16 // points that take part in k-means at most

let kernel: Arena<KmeansExports> | null = null
const own = (): Arena<KmeansExports> => (kernel ??= openKernel<KmeansExports>('kmeans'))

export interface Points {
  data: Float32Array // [n, dims]
  dims: number
}

export interface Nearest {
  codes: Uint32Array // [n]
  distances: Float32Array // [n], squared
}

/** The nearest of `book` [k, dims] for each point; the first of equal ones. The same for any number of threads. */
export function nearestWords({ data, dims }: Points, book: Float32Array, threads = availableParallelism()): Nearest {
  const k = book.length / dims
  const n = data.length / dims
  const padded = (k + 3) & ~3
  const turned = new Float32Array(dims * padded).fill(FAR)
  for (let word = 0; word < k; word++)
    for (let j = 0; j < dims; j++) turned[j * padded + word] = book[word * dims + j] ?? 0
  const shared = sharedFloats(data.length)
  shared.set(data)
  const rows = {
    ...{ kind: 'nearest' as const, rows: n, dims, padded, points: shared, book: turned },
    rowsPerChunk: Math.max(1, Math.floor(CHUNK / padded)),
    codes: new Uint32Array(new SharedArrayBuffer(n * 4)),
    distances: sharedFloats(n),
  }
  const bad = finish(start({ job: 'vectors', rows }, n * padded < SHARE_FROM ? 1 : threads))
  if (bad < 0) return { codes: rows.codes, distances: rows.distances }
  throw new Fault('bad-input', `Nearest codewords: point ${bad} is not finite.`, {
    data: { expected: 'finite numbers', found: String(data.slice(bad * dims, (bad + 1) * dims)), offset: bad * dims },
  })
}

/** Weighted sums of the points of each codeword, in float64: sums [k, dims], masses [k]. */
export function gatherPoints({ data, dims }: Points, weights: Float32Array | null, codes: Uint32Array, k: number) {
  const n = codes.length
  const lengths = [data.length * 4, weights ? n * 4 : 0, n * 4, k * dims * 8, k * 8]
  const [x = 0, w = 0, c = 0, sums = 0, masses = 0] = own().lay(...lengths)
  own().floats(x, data.length).set(data)
  if (weights) own().floats(w, n).set(weights)
  const bytes = own().bytes(c, n * 4)
  new Uint32Array(bytes.buffer, c, n).set(codes)
  own()
    .doubles(sums, k * dims)
    .fill(0)
  own().doubles(masses, k).fill(0)
  own().exports.gather(x, weights ? w : 0, c, n, dims, sums, masses)
  return {
    sums: own()
      .doubles(sums, k * dims)
      .slice(),
    masses: own().doubles(masses, k).slice(),
  }
}

/** The codeword of each point: [n, dims]. */
export function placeWords(book: Float32Array, dims: number, codes: Uint32Array): Float32Array {
  const n = codes.length
  const [words = 0, c = 0, out = 0] = own().lay(book.length * 4, n * 4, n * dims * 4)
  own().floats(words, book.length).set(book)
  const bytes = own().bytes(c, n * 4)
  new Uint32Array(bytes.buffer, c, n).set(codes)
  own().exports.place(words, c, n, dims, out)
  return own()
    .floats(out, n * dims)
    .slice()
}

/** First codewords by k-means++: each next one is a point drawn with the square of its distance as its chance. */
export function seedWords({ data, dims }: Points, weights: Float32Array | null, k: number, next: () => number) {
  const n = data.length / dims
  const [x = 0, w = 0, center = 0, nearest = 0] = own().lay(data.length * 4, weights ? n * 4 : 0, dims * 4, n * 4)
  own().floats(x, data.length).set(data)
  if (weights) own().floats(w, n).set(weights)
  own()
    .floats(nearest, n)
    .set(weights ?? new Float32Array(n).fill(1))
  const book = new Float32Array(k * dims)
  let total = own()
    .floats(nearest, n)
    .reduce((sum, value) => sum + value, 0)
  for (let word = 0; word < k; word++) {
    const at = own().exports.pick(nearest, n, next() * total)
    book.set(data.subarray(at * dims, (at + 1) * dims), word * dims)
    own()
      .floats(center, dims)
      .set(book.subarray(word * dims, (word + 1) * dims))
    if (word === 0) own().floats(nearest, n).fill(3e38) // what stood there drew the first
    total = own().exports.lower(x, weights ? w : 0, n, dims, center, nearest)
  }
  return book
}

/** Mulberry32, as the draws of k-means++ need. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface KmeansOptions {
  k: number
  rounds?: number // default 25; ends earlier when nothing moves
  seed?: number
  weights?: Float32Array // [n], >= 0
  threads?: number
}

/** Codewords [k, dims] that lower the sum of weighted squared distances: k-means++, then Lloyd's rounds. A codeword that no
 *  point is nearest to takes the place of the point that is farthest from its own. More points than 65,536 are thinned
 *  evenly. Cost O(rounds n k dims). Faults on points that are not finite. */
export function kmeans(points: Points, { k, rounds = 25, seed = 0, weights, threads }: KmeansOptions): Float32Array {
  const { data, dims } = thinned(points)
  const own = weights ? thinned({ data: weights, dims: 1 }).data : null
  let book = seedWords({ data, dims }, own, k, seeded(seed))
  let before = Infinity
  for (let round = 0; round < rounds; round++) {
    const { codes, distances } = nearestWords({ data, dims }, book, threads)
    const error = distances.reduce((sum, distance, i) => sum + distance * (own?.[i] ?? 1), 0)
    if (!(error < before)) break
    before = error
    const { sums, masses } = gatherPoints({ data, dims }, own, codes, k)
    book = Float32Array.from(book, (old, i) => {
      const mass = masses[Math.floor(i / dims)] ?? 0
      return mass > 0 ? (sums[i] ?? 0) / mass : old
    })
    fillEmpty(book, { data, dims }, distances, own, masses)
  }
  return book
}

function thinned({ data, dims }: Points): Points {
  const n = data.length / dims
  if (n <= TRAIN) return { data, dims }
  const few = new Float32Array(TRAIN * dims)
  for (let i = 0; i < TRAIN; i++) {
    const at = Math.floor((i * n) / TRAIN) * dims
    few.set(data.subarray(at, at + dims), i * dims)
  }
  return { data: few, dims }
}

function fillEmpty(
  book: Float32Array,
  { data, dims }: Points,
  distances: Float32Array,
  weights: Float32Array | null,
  masses: Float64Array,
): void {
  const empty = [...masses.keys()].filter((word) => masses[word] === 0)
  if (empty.length === 0) return
  const cost = (i: number) => (distances[i] ?? 0) * (weights?.[i] ?? 1)
  const farthest = [...distances.keys()].sort((a, b) => cost(b) - cost(a) || a - b)
  empty.forEach((word, i) => {
    const at = farthest[i]
    if (at !== undefined && cost(at) > 0) book.set(data.subarray(at * dims, (at + 1) * dims), word * dims)
  })
}
