import { expect, test } from 'vitest'
import { random } from '../../../src-main/engine/data/random.ts'
import {
  decodeCodebook,
  decodeIq1M,
  decodeIq1S,
  evenSigns,
  take,
} from '../../../src-main/engine/kernels/ggml/codebook/decode.ref.ts'
import { encodeCodebook } from '../../../src-main/engine/kernels/ggml/codebook/encode.ts'
import {
  codebookLayout,
  codebookLayouts,
  type CodebookType,
} from '../../../src-main/engine/kernels/ggml/codebook/layout.ts'
import { type GgmlType, ggmlTypes } from '../../../src-main/engine/kernels/ggml/types.ts'
import { ggmlDequantize, ggmlQuantize, hasGgml } from '../../helpers/ggml.ts'

const types = Object.keys(codebookLayouts) as CodebookType[]
const cols = 512
const ones = new Float32Array(cols).fill(1)

function normal(count: number, seed: number, scale = 0.02): Float32Array {
  const source = random(seed)
  return Float32Array.from({ length: count }, () => source.normal() * scale)
}
const importanceOf = (seed: number) => normal(cols, seed, 2).map(Math.exp)

/** Weighted squared error relative to the weighted energy. */
function errorOf(weights: Float32Array, found: Float32Array, importance: Float32Array): number {
  let [error, energy] = [0, 0]
  weights.forEach((x, i) => {
    const h = importance[i % cols] as number
    error += h * (x - (found[i] as number)) ** 2
    energy += h * x * x
  })
  return error / energy
}

test.skipIf(!hasGgml).each([...types, 'IQ1_S', 'IQ1_M'] satisfies GgmlType[])(
  '%s decodes any bytes like ggml',
  (type) => {
    const source = random(11)
    const bytes = Uint8Array.from({ length: 100 * ggmlTypes[type].blockBytes }, () =>
      Math.floor(source.uniform() * 256),
    )
    const decode = { IQ1_S: decodeIq1S, IQ1_M: decodeIq1M }
    const own = type === 'IQ1_S' || type === 'IQ1_M' ? decode[type](bytes) : decodeCodebook(type, bytes)
    const theirs = ggmlDequantize(type, bytes)
    const wrong = own.findIndex((x, i) => !(Object.is(x, theirs[i]) || (Number.isNaN(x) && Number.isNaN(theirs[i]))))
    expect(wrong).toBe(-1)
  },
)

test.skipIf(!hasGgml).each(types)(
  '%s: less error than ggml with the same weights, and the weights matter',
  (type) => {
    const weights = normal(24 * cols, 3)
    const importance = importanceOf(4)
    const own = decodeCodebook(type, encodeCodebook(type, weights, cols, importance))
    const plain = decodeCodebook(type, encodeCodebook(type, weights, cols, ones))
    const theirs = (h: Float32Array) => ggmlDequantize(type, ggmlQuantize(type, weights, cols, h))
    expect(errorOf(weights, plain, ones)).toBeLessThan(errorOf(weights, theirs(ones), ones))
    expect(errorOf(weights, own, importance)).toBeLessThan(errorOf(weights, theirs(importance), importance))
    expect(errorOf(weights, own, importance)).toBeLessThan(errorOf(weights, plain, importance))
  },
  30_000,
)

test.each(types)(
  '%s: no other words and signs would be better at the stored scales',
  (type) => {
    const weights = normal(cols, 5)
    const importance = importanceOf(6)
    const blocks = encodeCodebook(type, weights, cols, importance)
    const layout = codebookLayout(type)
    const { dims, words, values } = layout.book
    const decoded = decodeCodebook(type, blocks)
    const { blockBytes } = ggmlTypes[type]
    /** Least cost of eight weights over all words (pairs of words where they are of four) and allowed signs. */
    const least = (start: number, scale: number) => {
      const cost = (i: number, value: number) =>
        (importance[(start + i) % cols] as number) * ((weights[start + i] as number) - value) ** 2
      const negative = Array.from({ length: 8 }, (_, i) => (weights[start + i] as number) < 0)
      const odd = layout.evenSigns && negative.filter(Boolean).length % 2 === 1
      // Of each half: the best without and with one sign turned.
      const halves = Array.from({ length: 8 / dims }, (_, half) => {
        let [plain, turned] = [Infinity, Infinity]
        for (let word = 0; word < words; word++) {
          let [sum, cheapest] = [0, Infinity]
          for (let j = 0; j < dims; j++) {
            const i = half * dims + j
            const value = scale * (values[word * dims + j] as number) * (negative[i] ? -1 : 1)
            sum += cost(i, value)
            cheapest = Math.min(cheapest, cost(i, -value) - cost(i, value))
          }
          plain = Math.min(plain, sum)
          turned = Math.min(turned, sum + cheapest)
        }
        return { plain, turned }
      })
      const total = halves.reduce((sum, { plain }) => sum + plain, 0)
      return odd ? Math.min(...halves.map(({ plain, turned }) => total - plain + turned)) : total
    }
    for (let start = 0; start < cols; start += 8) {
      const block = Math.floor(start / 256)
      const d = new DataView(blocks.buffer).getFloat16(block * blockBytes, true)
      const code = take(blocks, block * blockBytes, layout.scale(Math.floor((start % 256) / layout.run)))
      const scale = d * (layout.base + layout.step * code)
      let found = 0
      for (let i = start; i < start + 8; i++)
        found += (importance[i] as number) * ((weights[i] as number) - (decoded[i] as number)) ** 2
      const best = least(start, scale)
      expect(found).toBeLessThanOrEqual(best * (1 + 1e-4) + 1e-9)
      expect(found).toBeGreaterThanOrEqual(best * (1 - 1e-4) - 1e-9)
    }
  },
  30_000,
)

test.each(types)('%s: zeros, a lone weight, tiny and large scales', (type) => {
  const zeros = encodeCodebook(type, new Float32Array(cols), cols, ones)
  expect(decodeCodebook(type, zeros).every((x) => x === 0)).toBe(true)
  const lone = new Float32Array(cols)
  lone[300] = -0.75
  const found = decodeCodebook(type, encodeCodebook(type, lone, cols, ones))
  expect(errorOf(lone, found, ones)).toBeLessThan(0.6) // no level is zero: what the others take the lone one gives up
  expect(found[300]).toBeLessThan(-0.3)
  for (const scale of [1e-6, 1000]) {
    const weights = normal(cols, 7, scale)
    const decoded = decodeCodebook(type, encodeCodebook(type, weights, cols, ones))
    expect(errorOf(weights, decoded, ones)).toBeLessThan(0.2)
  }
})

test('seven sign bits and the eighth that makes their number even', () => {
  for (let seven = 0; seven < 128; seven++) {
    const eight = evenSigns(seven)
    expect(eight & 127).toBe(seven)
    expect(eight.toString(2).replaceAll('0', '').length % 2).toBe(0)
  }
})
