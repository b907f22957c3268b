// Every method against the plain loop on the same numbers.
import { expect, test } from 'vitest'
import { crossquant } from '../../../src-main/engine/activate/crossquant.ts'
import { bestFit, createSearch, addErrors } from '../../../src-main/engine/activate/cross-fit.ts'
import { float8, fp8 } from '../../../src-main/engine/activate/fp8.ts'
import { fittingGroup, intGroup } from '../../../src-main/engine/activate/int-group.ts'
import { intTensor } from '../../../src-main/engine/activate/int-tensor.ts'
import { intToken } from '../../../src-main/engine/activate/int-token.ts'
import { Counts, chooseRange, gridOf } from '../../../src-main/engine/activate/range.ts'
import {
  crossRef,
  even,
  floatRef,
  largest,
  symmetricRef,
  tokensRef,
} from '../../../src-main/engine/activate/rounding.ref.ts'
import { cols, linearNetwork, readBy, rowData, tokens } from './linear.ts'
import { rounded } from './run.ts'

const seed = 7
console.info(`seed ${seed}`)
const x = tokens(12, seed)
x.fill(0, 2 * cols, 3 * cols) // a row of zeros

const columnsOf = (values: Float32Array) =>
  Float32Array.from({ length: cols }, (_, j) => largest(values.filter((_, at) => at % cols === j)))

/** -0 and 0 are one number. */
const plain = (values: Float32Array) => values.map((value) => value + 0)

/** Powers and logarithms are not equal to the last bit everywhere: a code may differ where two are equally near. */
function expectAlmostAll(found: Float32Array, wanted: Float32Array, share = 0.005): void {
  expect(found.length).toBe(wanted.length)
  const off = found.filter((value, at) => Math.abs(value - (wanted[at] as number)) > 1e-5 * Math.abs(value)).length
  expect(off / found.length).toBeLessThanOrEqual(share)
}

test.each([4, 5, 6, 7, 8])('a scale per token, %i bits; a row of zeros stays one', async (bits) => {
  const made = await rounded(intToken, linearNetwork(), { bits, layers: 'all' })
  expect(plain(await readBy(made, x))).toEqual(plain(tokensRef(x, cols, bits)))
})

test('CrossQuant as in the paper: rows and columns of what runs together', async () => {
  const made = await rounded(crossquant, linearNetwork(), { bits: 4, columns: 'batch', layers: 'all' })
  expectAlmostAll(await readBy(made, x), crossRef(x, columnsOf(x), 0.15, 4))
})

test('CrossQuant with calibrated columns clips what passes them; a silent channel is no division by zero', async () => {
  const calibration = tokens(20, seed + 1)
  for (let at = 5; at < calibration.length; at += cols) calibration[at] = 0
  const parameters = { bits: 4, columns: 'calibrated', layers: 'all' }
  const made = await rounded(crossquant, linearNetwork(), parameters, rowData(calibration), 20)
  const columns = columnsOf(calibration)
  columns[5] = largest(calibration)
  const found = await readBy(made, x)
  expectAlmostAll(found, crossRef(x, columns, 0.15, 4))
  expect(found.every(Number.isFinite)).toBe(true)
})

test('the fit takes small exponents where channels stand out, and a scale per token where none does', () => {
  const columns = new Float32Array(cols).fill(1)
  const fit = (values: Float32Array) => {
    const search = createSearch(columnsOf(values), Float64Array.from(columns), 4)
    addErrors(search, values, 1)
    return bestFit(search.errors)
  }
  expect(fit(tokens(64, seed)).alpha).toBeLessThanOrEqual(0.5)
  const source = tokens(64, seed)
  const even = source.map((value, at) => (value / ((at % cols) % 7 === 0 ? 16 : 1)) * (1 + 9 * (Math.floor(at / cols) % 2))) // prettier-ignore
  expect(fit(even).alpha).toBeGreaterThan(0.5)
})

test.each(['float', 'power of two'])('groups of channels, scales: %s', async (scale) => {
  const found = await readBy(
    await rounded(intGroup, linearNetwork(), { bits: 6, groupSize: 16, scale, layers: 'all' }),
    x,
  )
  const wanted = new Float32Array(x.length)
  for (let at = 0; at < x.length; at += 16) {
    const group = x.subarray(at, at + 16)
    const power = 2 ** (Math.floor(Math.log2(largest(group))) - 4) * 31
    wanted.set(symmetricRef(group, scale === 'float' ? largest(group) : power, 6), at)
  }
  expectAlmostAll(found, wanted)
  expect([fittingGroup(48, 32), fittingGroup(3, 32), fittingGroup(64, 32)]).toEqual([24, 3, 32])
})

test.each(['e4m3', 'e5m2'] as const)('%s floats, ties to even, subnormals and the largest included', async (type) => {
  const spread = x.map((value, at) => value * 2 ** -(at % 23))
  const found = await readBy(await rounded(fp8, linearNetwork(), { type, layers: 'all' }), spread)
  const form = float8[type]
  const wanted = spread.map((value, at) => {
    const row = at - (at % cols)
    const scale = Math.fround(largest(spread.subarray(row, row + cols)) / form.largest)
    return Math.fround(floatRef(Math.fround(value / scale), form) * scale)
  })
  expect(plain(found)).toEqual(plain(wanted))
})

test.each([
  [8, false],
  [8, true],
  [5, false],
  [4, true],
])('a calibrated grid of %i bits, symmetric %s', async (bits, symmetric) => {
  const calibration = tokens(64, seed + 2)
  const parameters = { bits, symmetric, range: 'minmax', layers: 'all' }
  const found = await readBy(await rounded(intTensor, linearNetwork(), parameters, rowData(calibration), 64), x)
  const [lo, hi] = [Math.min(...calibration, 0), Math.max(...calibration, 0)]
  const { scale, zero, lowest, highest } = gridOf(lo, hi, bits, symmetric)
  const code = (value: number) => Math.min(highest, Math.max(lowest, even(Math.fround(value / scale)) + zero))
  const wanted = x.map((value) => Math.fround((code(value) - zero) * scale))
  expect(plain(found)).toEqual(plain(wanted))
})

test('ranges: the search never costs more than all of it; percentiles cut both sides; bins widen', () => {
  const counts = new Counts()
  counts.add(tokens(8, seed))
  counts.add(tokens(256, seed).map((value) => value * 3))
  counts.add(Float32Array.of(5000))
  const given = { bits: 4, symmetric: false, percentile: 99 }
  const all = chooseRange(counts, 'minmax', given)
  expect(all[1]).toBe(5000)
  const [low, high] = chooseRange(counts, 'percentile', given)
  expect([low > all[0], high < 200]).toEqual([true, true])
  const values = tokens(64, seed)
  const own = new Counts()
  own.add(values)
  const errorOf = ([lo, hi]: [number, number]) => {
    const { scale, zero, highest } = gridOf(lo, hi, 4, false)
    const round = (value: number) => (Math.min(highest, Math.max(0, even(value / scale) + zero)) - zero) * scale
    return values.reduce((sum, value) => sum + (value - round(value)) ** 2, 0)
  }
  expect(errorOf(chooseRange(own, 'mse', given))).toBeLessThan(0.9 * errorOf(chooseRange(own, 'minmax', given)))
  expect(counts.counts.reduce((sum, count) => sum + count, 0)).toBe(264 * cols + 1)
})
