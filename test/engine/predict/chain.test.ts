import { expect, test } from 'vitest'
import { createChain, means } from '../../../src-main/engine/predict/chain.ts'
import type { LayerFacts, OptionFacts } from '../../../src-main/engine/predict/define.ts'
import { pairwiseLoss, rhoOf } from '../../../src-main/engine/predict/pairs.ts'
import { solveCholesky } from '../../../src-main/engine/predict/solve.ts'

const seed = 20261127

function mulberry(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random())

/** Layers whose losses grow with the output error by a slope near 1 and an offset of their own; every third is measured. */
function madeUp(random: () => number, count: number) {
  const truth = new Map<string, number>()
  const layers = Array.from({ length: count }, (_, index): LayerFacts => {
    const [offset, slope] = [-3 + 0.8 * normal(random), 1 + 0.15 * normal(random)]
    const options = Array.from({ length: 10 }, (_, width): OptionFacts => {
      const outputError = 0.3 * 4 ** -width * Math.exp(0.2 * normal(random))
      const loss = Math.exp(offset + slope * Math.log(outputError) + 0.08 * normal(random))
      const id = `o${width}`
      truth.set(`${index} ${id}`, loss)
      const measured = width % 4 === 1 ? { loss, standardError: 0.05 * loss } : null
      return { id, kind: 'quantize', error: outputError * Math.exp(0.5 * normal(random)), outputError, measured }
    })
    return { name: `${index}`, share: 1 / count, options }
  })
  return { layers, truth }
}

test(`the chain takes the best means there is, and its intervals cover (seed ${seed})`, () => {
  const { layers, truth } = madeUp(mulberry(seed), 40)
  const tell = createChain(layers)
  const worse = createChain(layers, means.slice(0, 1))
  let [covered, count, own, free] = [0, 0, 0, 0]
  for (const layer of layers)
    for (const option of layer.options) {
      const told = tell(layer, option)
      expect(told?.means).toBe(option.measured ? 'swapped' : 'output-error')
      const real = truth.get(`${layer.name} ${option.id}`) ?? NaN
      if (option.measured) expect(told?.loss).toBe(real)
      else {
        const off = Math.log((told?.loss ?? NaN) / real)
        covered += Math.abs(off) <= 1.96 * (told?.deviation ?? 0) ? 1 : 0
        own += Math.abs(off)
        free += Math.abs(Math.log((worse(layer, option)?.loss ?? NaN) / real))
        count += 1
      }
    }
  expect(covered / count).toBeGreaterThan(0.9)
  expect(own / count).toBeLessThan(0.25)
  expect(own).toBeLessThan(0.4 * free)
})

test('within a kind a larger output error never costs less, and a layer without measurements follows the others', () => {
  const { layers } = madeUp(mulberry(seed + 1), 12)
  const [first, ...rest] = layers
  if (!first) throw new Error('no layer')
  const bare: LayerFacts = { ...first, options: first.options.map((option) => ({ ...option, measured: null })) }
  const tell = createChain([bare, ...rest])
  for (const layer of [bare, ...rest]) {
    const sorted = [...layer.options].sort((a, b) => (a.outputError ?? 0) - (b.outputError ?? 0))
    const told = sorted.filter(({ measured }) => measured === null).map((option) => tell(layer, option)?.loss ?? NaN)
    for (const [index, loss] of told.slice(1).entries()) expect(loss).toBeGreaterThanOrEqual(told[index] ?? NaN)
  }
  const known = first.options[0]
  const wide = known && tell(bare, known)
  const narrow = known && createChain(layers)(first, known)
  expect(wide?.deviation ?? 0).toBeGreaterThan(narrow?.deviation ?? Infinity)
})

test('without any measurement only the weight error tells, widely', () => {
  const option: OptionFacts = { id: 'a', kind: 'quantize', error: 0.02, outputError: null, measured: null }
  const layer: LayerFacts = { name: 'l', share: 0.25, options: [option] }
  const told = createChain([layer])(layer, option)
  expect(told).toMatchObject({ means: 'weight-error', loss: 0.25 * 0.02 })
  expect(told?.deviation).toBeGreaterThan(2)
  expect(createChain([layer])(layer, { ...option, error: null })).toBeNull()
})

test('pairs: rho from what was measured together gives it back, and stays within what errors can do', () => {
  const together = 1.5 + 2 * 0.3 * Math.sqrt(1 * 0.5)
  expect(rhoOf(together, 1, 0.5)).toBeCloseTo(0.3, 12)
  expect(pairwiseLoss([1, 0.5], [{ a: 0, b: 1, rho: rhoOf(together, 1, 0.5) }])).toBeCloseTo(together, 12)
  expect(rhoOf(100, 1, 1)).toBe(1)
  expect(rhoOf(0, 1, 1)).toBe(-1)
  expect(rhoOf(Number.NaN, 1, 1)).toBe(0)
  expect(pairwiseLoss([1, 1], [{ a: 0, b: 1, rho: -1 }])).toBeCloseTo(0.2, 12)
})

test(`Cholesky solves a positive definite system (seed ${seed})`, () => {
  const random = mulberry(seed)
  const root = Array.from({ length: 6 }, () => Array.from({ length: 6 }, () => normal(random)))
  const matrix = root.map((row, i) =>
    root.map((other, j) => row.reduce((sum, value, k) => sum + value * (other[k] ?? 0), i === j ? 0.1 : 0)),
  )
  const wanted = [1, -2, 3, 0, 5, -1]
  const right = matrix.map((row) => row.reduce((sum, value, k) => sum + value * (wanted[k] ?? 0), 0))
  solveCholesky(matrix, right).solution.forEach((value, i) => expect(value).toBeCloseTo(wanted[i] ?? NaN, 6))
})
