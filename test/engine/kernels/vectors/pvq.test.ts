import { expect, test } from 'vitest'
import { allPoints, bestPointReference, numberReference } from '../../../../src-main/engine/kernels/vectors/pvq.ref.ts'
import { packPoints, padMetrics, searchPoints, unpackRows } from '../../../../src-main/engine/kernels/vectors/pvq.ts'
import { levelsOf, pyramidSize } from '../../../../src-main/engine/kernels/vectors/pyramid.ts'
import { gaussian, uniform } from '../random.ts'

const bitsFor = (size: bigint): number => (size - 1n).toString(2).length
const bytesOf = (points: number[][]) => new Uint8Array(Int8Array.from(points.flat()).buffer)
const streamNumber = (stream: Uint8Array, at: number, bits: number): bigint => {
  let number = 0n
  for (let i = 0; i < bits; i++) number |= BigInt(((stream[(at + i) >> 3] ?? 0) >> ((at + i) & 7)) & 1) << BigInt(i)
  return number
}
const directions = (points: number[][]) =>
  points.flatMap((point) => point.map((p) => p / Math.sqrt(point.reduce((sum, q) => sum + q * q, 0))))

function roundTrip(points: number[][], dims: number, pulses: number, levels: number, seed: number): void {
  const next = uniform(seed)
  const bits = bitsFor(pyramidSize(dims, pulses) * BigInt(levels))
  const codes = Uint8Array.from(points, () => Math.floor(next() * levels))
  const shape = { rows: points.length, groups: 1, bits, dims, pulses, levels }
  const stream = packPoints({ points: bytesOf(points), codes }, shape)
  expect(stream.length).toBe(Math.ceil((points.length * bits) / 8))
  points.forEach((point, i) => {
    const expected = BigInt(codes[i] ?? 0) * pyramidSize(dims, pulses) + numberReference(point)
    if (streamNumber(stream, i * bits, bits) !== expected) expect.fail(`${point}: another number, seed ${seed}`)
  })
  const gains = Float32Array.from({ length: levels }, (_, i) => (i + 1) / Math.sqrt(dims))
  const scales = new Float32Array(points.length).fill(1)
  const read = { cols: dims, bits, dims, pulses, scales, levels: gains }
  const values = unpackRows(stream, read, 0, points.length)
  const worst = directions(points).reduce(
    (most, x, i) => Math.max(most, Math.abs(x * ((codes[Math.floor(i / dims)] ?? 0) + 1) - (values[i] ?? 0))),
    0,
  )
  expect(worst, `seed ${seed}`).toBeLessThan(1e-5 * levels)
  const [begin, end] = [Math.floor(points.length / 3), Math.ceil(points.length / 2)]
  expect(unpackRows(stream, read, begin, end)).toEqual(values.slice(begin * dims, end * dims)) // from within a byte
}

test.each([
  [1, 1],
  [1, 7],
  [2, 5],
  [3, 4],
  [4, 6],
  [6, 4],
  [8, 3],
])('%i dimensions, %i pulses: all points are numbered once, in order, and found again', (dims, pulses) => {
  const points = [...allPoints(dims, pulses)]
  expect(BigInt(points.length)).toBe(pyramidSize(dims, pulses))
  points.forEach((point, i) => expect(numberReference(point)).toBe(BigInt(i)))
  roundTrip(points, dims, pulses, 1, 1)
  roundTrip(points, dims, pulses, 5, 2)
})

test.each([
  [16, 12, 19],
  [16, 49, 14],
  [24, 73, 9],
  [32, 96, 17],
  [64, 60, 256],
  [48, 127, 3],
])('%i dimensions, %i pulses: large numbers, carries and all', (dims, pulses, levels) => {
  const next = uniform(dims + pulses)
  const points = Array.from({ length: 200 }, (_, n) => {
    const point = Array<number>(dims).fill(0)
    const width = n % 7 === 0 ? 1 : dims // all pulses in one place give the largest numbers
    const start = n % 2 === 0 ? 0 : dims - width
    const signs = point.map(() => (next() < 0.5 ? -1 : 1))
    for (let k = 0; k < pulses; k++) {
      const i = start + Math.floor(next() * width)
      point[i] = (point[i] ?? 0) + (signs[i] ?? 1)
    }
    return point
  })
  roundTrip(points, dims, pulses, levels, dims)
})

test('gains fill the bits that points leave', () => {
  expect(pyramidSize(3, 2)).toBe(18n)
  expect(levelsOf(3, 2, 5)).toBe(1)
  expect(levelsOf(3, 2, 10)).toBe(56)
  expect(levelsOf(3, 2, 40)).toBe(256)
})

const search = (w: Float32Array, dims: number, pulses: number, metrics: Float32Array | null, threads = 1) => {
  const [rows, cols] = [w.length / dims, dims]
  const levels = Float32Array.from({ length: 256 }, (_, i) => i / 40)
  const scales = new Float32Array(rows).fill(1)
  return searchPoints(w, { rows, cols, scales }, { dims, pulses, levels }, metrics, { threads })
}

/** A symmetric, positive metric with condition of some tens. */
function metricOf(dims: number, next: () => number): Float64Array {
  const a = Float64Array.from({ length: dims * dims * 2 }, next)
  return Float64Array.from({ length: dims * dims }, (_, at) => {
    const [i, j] = [Math.floor(at / dims), at % dims]
    let sum = i === j ? 0.1 : 0
    for (let k = 0; k < 2 * dims; k++) sum += (a[i * 2 * dims + k] ?? 0) * (a[j * 2 * dims + k] ?? 0)
    return sum / dims
  })
}

test('the point found has the largest cosine of all', () => {
  const next = gaussian(7)
  for (const [dims, pulses] of [
    [3, 5],
    [4, 4],
    [5, 6],
    [6, 5],
  ] as const) {
    // prettier-ignore
    const w = Float32Array.from({ length: 60 * dims }, next)
    const { points } = search(w, dims, pulses, null)
    for (let r = 0; r < 60; r++) {
      const own = [...w.subarray(r * dims, (r + 1) * dims)]
      const found = [...new Int8Array(points.buffer, r * dims, dims)]
      expect(found.reduce((sum, p) => sum + Math.abs(p), 0)).toBe(pulses)
      const ratio = found.reduce((sum, p, i) => sum + p * (own[i] ?? 0), 0) ** 2 / found.reduce((s, p) => s + p * p, 0)
      const { ratio: best } = bestPointReference(own, pulses, null)
      expect(ratio / best, `seed 7, ${dims} ${pulses} row ${r}`).toBeGreaterThan(1 - 1e-5)
    }
  }
})

test('in a metric, moves of one pulse find the best point nearly always, and one near it else', () => {
  const next = gaussian(8)
  let [exact, total] = [0, 0]
  for (const [dims, pulses] of [
    [3, 5],
    [4, 5],
    [5, 5],
    [6, 4],
  ] as const) {
    // prettier-ignore
    const data = metricOf(dims, next)
    const w = Float32Array.from({ length: 60 * dims }, next)
    const { points } = search(w, dims, pulses, padMetrics([{ data, size: dims }], dims))
    const dot = (a: number[], b: number[]) =>
      a.reduce((s, x, i) => s + b.reduce((t, y, j) => t + x * y * (data[i * dims + j] ?? 0), 0), 0)
    for (let r = 0; r < 60; r++, total++) {
      const own = [...w.subarray(r * dims, (r + 1) * dims)]
      const found = [...new Int8Array(points.buffer, r * dims, dims)]
      const { ratio: best } = bestPointReference(own, pulses, data)
      const energy = dot(own, own)
      const [miss, least] = [energy - dot(own, found) ** 2 / dot(found, found), energy - best]
      expect(miss, 'seed 8').toBeGreaterThan(least - 1e-4 * energy)
      if (miss < least + 1e-4 * energy) exact++
    }
  }
  process.stderr.write(`pyramid search in a metric: ${exact} of ${total} optimal\n`)
  expect(exact / total).toBeGreaterThan(0.8)
})

test('started from a solution, the search never leaves it for worse, and any number of threads agrees', () => {
  const [dims, pulses] = [16, 12]
  const next = gaussian(9)
  const w = Float32Array.from({ length: 4000 * dims }, next)
  const metrics = padMetrics([{ data: metricOf(dims, next), size: dims }], dims)
  const shape = { rows: 4000, cols: dims, scales: new Float32Array(4000).fill(1) }
  const pyramid = { dims, pulses, levels: Float32Array.from({ length: 20 }, (_, i) => i / 10) }
  const plain = searchPoints(w, shape, pyramid, null)
  const one = searchPoints(w, shape, pyramid, metrics, { from: plain, threads: 1 })
  const again = searchPoints(w, shape, pyramid, metrics, { from: one, threads: 1 })
  const three = searchPoints(w, shape, pyramid, metrics, { from: plain, threads: 3 })
  expect(three.points).toEqual(one.points)
  expect(three.codes).toEqual(one.codes)
  expect(three.values).toEqual(one.values)
  again.errors.forEach((error, r) => expect(error).toBeLessThanOrEqual((one.errors[r] ?? 0) * (1 + 1e-5) + 1e-5))
})
