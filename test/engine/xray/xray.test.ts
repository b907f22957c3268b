import { expect, test } from 'vitest'
import { random } from '../../../src-main/engine/data/random.ts'
import { singularValues } from '../../../src-main/engine/kernels/linear/eigen.ts'
import { rowsOf } from '../../../src-main/engine/quantize/rows.ts'
import { folded, kurtosisOf, sideOf, wholeKurtosis } from '../../../src-main/engine/xray/channels.ts'
import { channelStatistics, rowsOfInput } from '../../../src-main/engine/xray/inputs.ts'
import { moments } from '../../../src-main/engine/xray/moments.ts'
import { leadingValues, MOST_EXACT, spectrumOf } from '../../../src-main/engine/xray/spectrum.ts'

const seed = 11
process.stdout.write(`xray: seed ${seed}\n`)

const gaussian = (rows: number, cols: number) => {
  const draw = random(seed)
  return { data: Float32Array.from({ length: rows * cols }, () => draw.normal()), rows, cols }
}

test('moments of rows and columns are the plain sums', async () => {
  const matrix = gaussian(37, 53)
  const { rows, cols } = await moments(rowsOf(matrix))
  for (const power of [1, 2, 3, 4]) {
    const [byRow, byCol] = [new Float64Array(37), new Float64Array(53)]
    matrix.data.forEach((value, at) => {
      const [row, col] = [Math.floor(at / 53), at % 53]
      byRow[row] = (byRow[row] ?? 0) + value ** power
      byCol[col] = (byCol[col] ?? 0) + value ** power
    })
    byRow.forEach((sum, at) => expect(rows.sums[power - 1]?.[at]).toBeCloseTo(sum, 3))
    byCol.forEach((sum, at) => expect(cols.sums[power - 1]?.[at]).toBeCloseTo(sum, 3))
  }
})

test('kurtosis: 1 of two values, 1.8 of an even spread, 3 of a normal distribution, 0 of a constant', async () => {
  const of = (values: number[]) => {
    const sum = (power: number) => values.reduce((total, value) => total + value ** power, 0)
    return kurtosisOf(values.length, [sum(1), sum(2), sum(3), sum(4)])
  }
  expect(of([-1, 1, -1, 1])).toBeCloseTo(1, 9)
  expect(of(Array.from({ length: 10_001 }, (_, i) => i / 10_000 + 5))).toBeCloseTo(1.8, 2)
  expect(of([2, 2, 2])).toBe(0)
  expect(wholeKurtosis((await moments(rowsOf(gaussian(300, 300)))).rows)).toBeCloseTo(3, 1)
})

test.each([1e-20, 1e25])('weights of size %d have the same tails, and are finite', async (size) => {
  const matrix = gaussian(40, 30)
  const scaled = rowsOf({ ...matrix, data: matrix.data.map((w) => w * size) })
  const [plain, own] = [await moments(rowsOf(matrix)), await moments(scaled)]
  for (const side of ['rows', 'cols'] as const) {
    const [a, b] = [sideOf(plain[side]), sideOf(own[side])]
    expect(b.medianNorm / size / a.medianNorm).toBeCloseTo(1, 5)
    expect(b.medianKurtosis).toBeCloseTo(a.medianKurtosis, 4)
    expect(b.heaviest[0]?.index).toBe(a.heaviest[0]?.index)
  }
  matrix.data[5 * 30 + 2] = Infinity
  const { rows } = await moments(rowsOf(matrix))
  expect(rows.sums[1].findIndex((sum) => !Number.isFinite(sum))).toBe(5)
})

test('a grown row and a column with one far weight stand out', async () => {
  const matrix = gaussian(64, 40)
  for (let col = 0; col < 40; col++) matrix.data[7 * 40 + col]! *= 20
  matrix.data[50 * 40 + 3] = 60
  const { rows, cols } = await moments(rowsOf(matrix))
  expect(sideOf(rows).largest[0]).toMatchObject({ index: 7 })
  expect(sideOf(rows).largest[0]?.ratio).toBeGreaterThan(10)
  expect(sideOf(rows).heaviest[0]?.index).toBe(50)
  expect(sideOf(cols).largest[0]?.index).toBe(3)
  const pairs = folded(cols, 2)
  expect(sideOf(pairs)).toMatchObject({ count: 20 })
  expect(sideOf(pairs).largest[0]?.index).toBe(1)
})

test('the spectrum of a rank-2 matrix has two values and all the energy in them', async () => {
  const [a, b] = [gaussian(30, 2), gaussian(2, 20)]
  const data = Float32Array.from({ length: 600 }, (_, at) => {
    const [row, col] = [Math.floor(at / 20), at % 20]
    return (a.data[row * 2] ?? 0) * (b.data[col] ?? 0) + 3 * (a.data[row * 2 + 1] ?? 0) * (b.data[20 + col] ?? 0)
  })
  const squares = data.reduce((sum, value) => sum + value * value, 0)
  const spectrum = await spectrumOf(rowsOf({ data, rows: 30, cols: 20 }), squares)
  expect(spectrum?.values).toHaveLength(20)
  expect(spectrum?.energy[1]).toBeCloseTo(1, 5)
  expect(spectrum?.values[2]).toBeLessThan((spectrum?.values[0] ?? 0) * 2e-3)
  expect(spectrum?.effectiveRank).toBeLessThan(2.01)
  // Values 3 and 1: exp(H(3/4, 1/4)), as the score "welore" has it.
  const diagonal = await spectrumOf(rowsOf({ data: Float32Array.of(3, 0, 0, 1), rows: 2, cols: 2 }), 10)
  expect(diagonal?.effectiveRank).toBeCloseTo(Math.exp(0.5623351), 5)
  expect(await spectrumOf(rowsOf({ data: new Float32Array(6), rows: 2, cols: 3 }), 0)).toBeNull()
})

test('a projection finds the leading values, never larger ones, and the same each time', async () => {
  // Values fall like 1 / sqrt(k): the hard case for a projection is a flat tail, this is what trained weights look like.
  const [rows, cols] = [200, 160]
  const { data } = gaussian(rows, cols)
  for (let at = 0; at < data.length; at++) data[at]! /= Math.sqrt(1 + (at % cols))
  const exact = await singularValues(data, rows, cols)
  const found = await leadingValues(rowsOf({ data, rows, cols }), 48, seed)
  expect(found).toHaveLength(48)
  for (let k = 0; k < 16; k++) {
    expect((found[k] ?? 0) / (exact[k] ?? 1)).toBeGreaterThan(0.98)
    expect((found[k] ?? 0) / (exact[k] ?? 1)).toBeLessThan(1 + 1e-4)
  }
  expect(await leadingValues(rowsOf({ data, rows, cols }), 48, seed)).toEqual(found)
  expect(MOST_EXACT).toBeGreaterThan(512)
})

test('range, spread and entropy of channels', () => {
  const rows = 4096
  const draw = random(seed)
  const values = new Float32Array(rows * 3)
  for (let row = 0; row < rows; row++) values.set([draw.uniform(), 5, row === 0 ? 1000 : draw.normal()], row * 3)
  const { min, max, mean, deviation, entropy } = channelStatistics(values, 3)
  expect(entropy[0]).toBeGreaterThan(5.95)
  expect(entropy[0]).toBeLessThanOrEqual(6)
  expect([min[1], max[1], mean[1], deviation[1], entropy[1]]).toEqual([5, 5, 5, 0, 0])
  expect(max[2]).toBe(1000)
  expect(entropy[2]).toBeLessThan(0.1)
})

test('channels are brought to the end, wherever they stand', () => {
  const image = { dtype: 'float32' as const, dims: [1, 2, 1, 3], data: Float32Array.of(1, 2, 3, 10, 20, 30) }
  expect([...rowsOfInput('unfolded', image)]).toEqual([1, 10, 2, 20, 3, 30])
  const turned = { dtype: 'float32' as const, dims: [2, 3], data: Float32Array.of(1, 2, 3, 10, 20, 30) }
  expect([...rowsOfInput('turned', turned)]).toEqual([1, 10, 2, 20, 3, 30])
  expect(rowsOfInput('rows', turned)).toBe(turned.data)
})
