import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeReference } from '../../../../src-main/engine/kernels/ggml/encode.ref.ts'
import { encodeRows } from '../../../../src-main/engine/kernels/ggml/encode.ts'
import { weigh } from '../../../../src-main/engine/kernels/ggml/importance.ts'
import { isCodebookType } from '../../../../src-main/engine/kernels/ggml/codebook/layout.ts'
import { ggmlTypes, writableTypes } from '../../../../src-main/engine/kernels/ggml/types.ts'
import { gaussian, uniform } from '../random.ts'

const types = writableTypes.filter((type) => !isCodebookType(type))

/** Rows as they come: normal, with zeros, outliers, one sign, one value, nothing but zeros, tiny and large. */
function rowsOf(kind: string, rows: number, cols: number, seed: number): Float32Array {
  const [next, chance] = [gaussian(seed), uniform(seed + 1)]
  const scale = { tiny: 3e-7, small: 1e-5, large: 2000 }[kind] ?? 0.02
  return Float32Array.from({ length: rows * cols }, () => {
    if (kind === 'zeros') return 0
    if (kind === 'constant') return -0.37
    if (kind === 'ternary') return Math.floor(chance() * 3 - 1) * 0.5
    const value = next() * scale
    if (kind === 'sparse') return chance() < 0.7 ? 0 : value
    if (kind === 'outliers') return chance() < 0.01 ? value * 60 : value
    return kind === 'positive' ? Math.abs(value) : value
  })
}

const kinds = ['normal', 'sparse', 'outliers', 'positive', 'constant', 'zeros', 'ternary', 'tiny', 'small', 'large']

test.each(types)('%s: the compiled encoder equals its plain twin bit for bit, on any number of threads', (type) => {
  const cases = fc.record({
    rows: fc.integer({ min: 1, max: 3 }),
    blocks: fc.integer({ min: 1, max: 6 }),
    kind: fc.constantFrom(...kinds),
    weighted: fc.boolean(),
    threads: fc.integer({ min: 1, max: 2 }),
    seed: fc.nat(1e6),
  })
  fc.assert(
    fc.property(cases, ({ rows, blocks, kind, weighted, threads, seed }) => {
      const size = ggmlTypes[type].blockSize
      const cols = size === 1 ? blocks * 5 : blocks * size
      const weights = rowsOf(kind, rows, cols, seed)
      const next = uniform(seed + 2)
      const measured = Float32Array.from({ length: cols }, () => (next() < 0.1 ? 0 : Math.exp(4 * next())))
      const importance = weighted ? measured : undefined
      const found = encodeRows(type, { rows, cols, weights }, { importance, threads })
      const weighed = weighted ? weigh(measured, cols, 'a') : null
      for (let r = 0; r < rows; r++) {
        const expected = encodeReference(type, weights.slice(r * cols, (r + 1) * cols), weighed)
        expect(found.subarray(r * expected.length, (r + 1) * expected.length), `${kind} row ${r}`).toEqual(expected)
      }
    }),
    { seed: ggmlTypes[type].id + 1, numRuns: 40 },
  )
})
