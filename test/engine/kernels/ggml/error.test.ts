// Errors against llama.cpp's own encoder, through its library. Relative squared error, weighted where weights are given.
import { expect, test } from 'vitest'
import { openNetwork } from '../../../../src-main/engine/checkpoint/open.ts'
import { readMatrix } from '../../../../src-main/engine/checkpoint/weights.ts'
import { isCodebookType } from '../../../../src-main/engine/kernels/ggml/codebook/layout.ts'
import { decodeBlocks } from '../../../../src-main/engine/kernels/ggml/decode.ts'
import { encodeRows } from '../../../../src-main/engine/kernels/ggml/encode.ts'
import { type GgmlType, ggmlTypes, writableTypes } from '../../../../src-main/engine/kernels/ggml/types.ts'
import { dataPath, hasData } from '../../../helpers/data.ts'
import { ggmlQuantize, hasGgml } from '../../../helpers/ggml.ts'
import { gaussianMatrix, uniform } from '../random.ts'

// The code-book types have a file of their own, test/engine/kernels/codebook.test.ts.
const types = writableTypes.filter((type) => ggmlTypes[type].blockSize > 1 && !isCodebookType(type))

interface Rows {
  data: Float32Array
  rows: number
  cols: number
}

function error({ data, cols }: Rows, found: Float32Array, importance?: Float32Array): number {
  let [wrong, all] = [0, 0]
  data.forEach((value, i) => {
    const h = importance?.[i % cols] ?? 1
    wrong += h * (value - (found[i] ?? 0)) ** 2
    all += h * value * value
  })
  return wrong / all
}

/** Columns matter unevenly, as activations do: a few dozens of times more than most. */
function importanceOf(cols: number, seed: number): Float32Array {
  const next = uniform(seed)
  return Float32Array.from({ length: cols }, () => Math.exp(5 * (next() - 0.5)) * (next() < 0.02 ? 30 : 1))
}

function compare(type: GgmlType, matrix: Rows): void {
  const { data, rows, cols } = matrix
  const importance = importanceOf(cols, 11)
  const ours = (h?: Float32Array) =>
    decodeBlocks(type, encodeRows(type, { rows, cols, weights: data }, { importance: h }))
  const theirs = (h?: Float32Array) => decodeBlocks(type, ggmlQuantize(type, data, cols, h))
  const [plain, weighted] = [ours(), ours(importance)]
  expect(error(matrix, plain), 'without weights').toBeLessThanOrEqual(error(matrix, theirs()))
  const own = error(matrix, weighted, importance)
  expect(own, 'with weights').toBeLessThanOrEqual(error(matrix, theirs(importance), importance))
  expect(own, 'weights lower what they weigh').toBeLessThan(error(matrix, plain, importance))
}

test.skipIf(!hasGgml).each(types)('%s: no worse than ggml on normal rows, with and without importance', (type) => {
  compare(type, gaussianMatrix(24, 1024, ggmlTypes[type].id + 5))
})

test.skipIf(!hasGgml || !hasData).each(types)('%s: no worse than ggml on layers of a language model', (type) => {
  const network = openNetwork(dataPath('novels-5m'))
  try {
    const layers = network.layers.filter(
      ({ cols, compressible, role }) => compressible && cols % 256 === 0 && role !== 'embed',
    )
    const chosen = [layers[1], layers[layers.length - 2]].filter((layer) => layer !== undefined)
    expect(chosen).toHaveLength(2)
    for (const layer of chosen) {
      const rows = Math.min(layer.rows, 48)
      compare(type, readMatrix(network, layer, { begin: 0, end: rows }))
    }
  } finally {
    network.source.close()
  }
})

// Where the type allows it, what blocks stand for is found again to the bit: one scale a block, an extreme code in use.
const exact = ['Q4_0', 'Q5_0', 'Q8_0', 'IQ4_NL', 'MXFP4', 'TQ2_0'] as const
test.each(exact)('%s: weights that blocks hold exactly come back exactly', (type) => {
  const { data, rows, cols } = gaussianMatrix(32, 512, ggmlTypes[type].id)
  const once = decodeBlocks(type, encodeRows(type, { rows, cols, weights: data }))
  const twice = decodeBlocks(type, encodeRows(type, { rows, cols, weights: once }))
  const changed = twice.reduce((count, value, i) => count + Number(value !== once[i]), 0)
  expect(changed / data.length).toBe(0)
})

test('ternary weights are exact as TQ2_0', () => {
  const next = uniform(3)
  const weights = Float32Array.from({ length: 2048 }, () => Math.floor(next() * 3 - 1) * 0.125)
  expect(decodeBlocks('TQ2_0', encodeRows('TQ2_0', { rows: 2, cols: 1024, weights }))).toEqual(
    weights.map((value) => value + 0),
  )
})
