import { describe, expect, test } from 'vitest'
import { decodeBlocks } from '../../../src-main/engine/kernels/ggml/decode.ts'
import { encodeRows } from '../../../src-main/engine/kernels/ggml/encode.ts'
import { repackCodes, unpackCodes } from '../../../src-main/engine/kernels/ggml/feedback/codes.ts'
import { feedbackBlock, refineBlock } from '../../../src-main/engine/kernels/ggml/feedback/columns.ts'
import { feedbackReference } from '../../../src-main/engine/kernels/ggml/feedback/feedback.ref.ts'
import { feedbackTypes, isBookType } from '../../../src-main/engine/kernels/ggml/feedback/fields.ts'
import { take } from '../../../src-main/engine/kernels/ggml/codebook/decode.ref.ts'
import { codebookLayout } from '../../../src-main/engine/kernels/ggml/codebook/layout.ts'
import { refineReference } from '../../../src-main/engine/kernels/ggml/feedback/refine.ref.ts'
import { ggmlTypes } from '../../../src-main/engine/kernels/ggml/types.ts'
import { inverseFactor } from '../../../src-main/engine/kernels/linear/factor.ts'
import { sharedBytes, sharedFloats } from '../../../src-main/engine/kernels/pool.ts'
import { ggmlDequantize, hasGgml } from '../../helpers/ggml.ts'
import { gaussian, gaussianMatrix } from './random.ts'

const seed = 20

/** Correlated inputs: a few strong directions and noise. */
function correlated(size: number): Float32Array {
  const next = gaussian(seed)
  const rank = 8
  const basis = Float32Array.from({ length: rank * size }, next)
  const h = new Float32Array(size * size)
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) {
      let sum = i === j ? 0.5 : 0
      for (let r = 0; r < rank; r++) sum += (basis[r * size + i] ?? 0) * (basis[r * size + j] ?? 0)
      h[i * size + j] = sum
    }
  return h
}

const columnsOf = (matrix: Float32Array, size: number) => {
  const rows = matrix.length / size
  const out = sharedFloats(matrix.length)
  matrix.forEach((value, i) => (out[(i % size) * rows + Math.floor(i / size)] = value))
  return out
}

async function setting(type: (typeof feedbackTypes)[number]) {
  const size = ggmlTypes[type].blockSize
  const rows = isBookType(type) ? 22 : 70 // not a multiple of four, more than one chunk
  const { data: w } = gaussianMatrix(rows, size, seed)
  w.fill(0, 0, size) // a row of zeros
  const hessian = { size, data: correlated(size), rows: 1000 }
  const { data: u } = await inverseFactor(hessian, { damping: 0.01 })
  const start = encodeRows(type, { rows, cols: size, weights: w })
  const blocks = (threads: number) => {
    const shared = sharedBytes(start.length)
    shared.set(start)
    return { type, rows, blocks: shared, moves: isBookType(type) ? 3 : 9, threads }
  }
  return { rows, size, w, h: hessian.data, u, start, blocks }
}

/** tr(D H D^T) in float64. */
function lossOf(w: Float32Array, q: Float32Array, h: Float32Array, size: number): number {
  const rows = w.length / size
  let sum = 0
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < size; i++) {
      const d = (w[r * size + i] ?? 0) - (q[r * size + i] ?? 0)
      let g = 0
      for (let j = 0; j < size; j++) g += ((w[r * size + j] ?? 0) - (q[r * size + j] ?? 0)) * (h[i * size + j] ?? 0)
      sum += d * g
    }
  return sum
}

describe.each(feedbackTypes)('%s (seed 20)', (type) => {
  test('codes come out of blocks and go back as they were', async () => {
    const { start } = await setting(type)
    const codes = unpackCodes(type, start)
    expect(repackCodes(type, start, codes)).toEqual(start)
    if (isBookType(type)) return
    const turned = codes.slice().reverse() // other codes, the same scales
    const back = repackCodes(type, start, turned)
    expect(back).not.toEqual(start)
    expect(unpackCodes(type, back)).toEqual(turned)
  })

  test('E is what the stored codes lose: e_i = (w_i - q_i - what was fed back) / U_ii', async () => {
    const { rows, size, w, u, blocks } = await setting(type)
    const work = blocks(2)
    const e = sharedFloats(rows * size)
    feedbackBlock(work, columnsOf(w, size), u, e)
    const q = decodeBlocks(type, work.blocks)
    if (hasGgml) expect(q).toEqual(ggmlDequantize(type, work.blocks))
    // W - Q = E U
    let worst = 0
    for (let r = 0; r < rows; r++)
      for (let j = 0; j < size; j++) {
        let sum = 0
        for (let i = 0; i <= j; i++) sum += (e[i * rows + r] ?? 0) * (u[i * size + j] ?? 0)
        worst = Math.max(worst, Math.abs((w[r * size + j] ?? 0) - (q[r * size + j] ?? 0) - sum))
      }
    expect(worst).toBeLessThan(1e-5)
  })

  test('feedback loses less than rounding, refinement less still, and it never turns back', async () => {
    const { rows, size, w, h, u, start, blocks } = await setting(type)
    const work = blocks(2)
    feedbackBlock(work, columnsOf(w, size), u, sharedFloats(rows * size))
    const nearest = lossOf(w, decodeBlocks(type, start), h, size)
    let last = lossOf(w, decodeBlocks(type, work.blocks), h, size)
    expect(last).toBeLessThan(0.8 * nearest)
    for (let sweep = 0; sweep < 3; sweep++) {
      const q = decodeBlocks(type, work.blocks)
      const d = columnsOf(w.map((value, i) => value - (q[i] ?? 0)), size) // prettier-ignore
      const g = sharedFloats(rows * size)
      for (let i = 0; i < size; i++)
        for (let r = 0; r < rows; r++) {
          let sum = 0
          for (let j = 0; j < size; j++) sum += (d[j * rows + r] ?? 0) * (h[j * size + i] ?? 0)
          g[i * rows + r] = sum
        }
      refineBlock(work, g, h, d)
      const now = decodeBlocks(type, work.blocks)
      const loss = lossOf(w, now, h, size)
      expect(loss).toBeLessThanOrEqual(last * (1 + 1e-6))
      if (sweep === 0) expect(loss).toBeLessThan(0.97 * last)
      last = loss
      const drift = now.reduce((most, value, i) => Math.max(most, Math.abs((w[i] ?? 0) - value - (d[(i % size) * rows + Math.floor(i / size)] ?? 0))), 0) // prettier-ignore
      expect(drift).toBeLessThan(1e-6)
    }
  })

  test('any number of threads gives the same bytes', async () => {
    const { rows, size, w, h, u, blocks } = await setting(type)
    const made = [1, 2, 3].map((threads) => {
      const work = blocks(threads)
      const e = sharedFloats(rows * size)
      feedbackBlock(work, columnsOf(w, size), u, e)
      refineBlock(work, columnsOf(w, size), h, e)
      return { blocks: work.blocks.slice(), e: e.slice() }
    })
    expect(made[1]).toEqual(made[0])
    expect(made[2]).toEqual(made[0])
  })

  // Code-book types have no plain twin: below, their words are held against all words there are.
  const exact = isBookType(type) ? undefined : test
  exact?.('the plain twin gives the same bytes', async () => {
    const { rows, size, w, h, u, start, blocks } = await setting(type)
    const work = blocks(1)
    const e = sharedFloats(rows * size)
    feedbackBlock(work, columnsOf(w, size), u, e)
    const { blockBytes } = ggmlTypes[type]
    for (const row of [0, 1, 5, rows - 1]) {
      const own = start.subarray(row * blockBytes, (row + 1) * blockBytes)
      const twin = feedbackReference(type, own, w.subarray(row * size, (row + 1) * size), u)
      expect(work.blocks.slice(row * blockBytes, (row + 1) * blockBytes)).toEqual(twin.block)
      expect(Float32Array.from({ length: size }, (_, i) => e[i * rows + row] ?? 0)).toEqual(twin.e)
    }
    const [before, g] = [work.blocks.slice(), columnsOf(w, size)] // any G will do
    refineBlock(work, g, h, e)
    for (const row of [0, 1, 5, rows - 1]) {
      const own = before.subarray(row * blockBytes, (row + 1) * blockBytes)
      const twin = refineReference(type, own, w.slice(row * size, (row + 1) * size), h)
      const found = work.blocks.slice(row * blockBytes, (row + 1) * blockBytes)
      expect(found).toEqual(twin.block)
      if (row !== 0) expect(found).not.toEqual(own.slice())
    }
  })
})

// With a metric of blocks of eight (of four where words have four) nothing is fed back between words, so each choice can be
// held against all words and signs there are.
test.each(['IQ2_XXS', 'IQ2_XS', 'IQ3_S'] as const)('%s: words are near the best of all (seed 20)', async (type) => {
  const { book, evenSigns, word } = codebookLayout(type)
  const { dims, words, values } = book
  const rows = 1
  const next = gaussian(seed)
  const { data: w } = gaussianMatrix(rows, 256, seed)
  const h = new Float32Array(256 * 256)
  for (let b = 0; b < 256; b += dims) {
    const a = Float32Array.from({ length: dims * dims }, next)
    for (let i = 0; i < dims; i++)
      for (let j = 0; j < dims; j++)
        for (let k = 0; k < dims; k++) h[(b + i) * 256 + b + j]! += (a[i * dims + k] ?? 0) * (a[j * dims + k] ?? 0) + (i === j ? 0.1 : 0) // prettier-ignore
  }
  const { data: u } = await inverseFactor({ size: 256, data: h, rows: 1000 }, { damping: 0 })
  const blocks = sharedBytes(rows * ggmlTypes[type].blockBytes)
  blocks.set(encodeRows(type, { rows, cols: 256, weights: w }))
  const nearest = decodeBlocks(type, blocks)
  feedbackBlock({ type, rows, blocks, moves: 1, threads: 1 }, columnsOf(w, 256), u, sharedFloats(rows * 256))
  const q = decodeBlocks(type, blocks)
  let [found, best, rounded] = [0, 0, 0]
  const e = new Float64Array(dims)
  for (let i = 0; i < 3 * dims; i += dims) {
    const m = Float64Array.from(
      { length: dims * dims },
      (_, at) => h[(i + Math.floor(at / dims)) * 256 + i + (at % dims)] ?? 0,
    )
    const cost = () => {
      let sum = 0
      for (let j = 0; j < dims; j++)
        for (let k = 0; k < dims; k++) sum += (e[j] ?? 0) * (m[j * dims + k] ?? 0) * (e[k] ?? 0)
      return sum
    }
    const d = Math.abs(q[i] ?? 0) / (values[take(blocks, 0, word(i / dims)) * dims] ?? 1)
    for (let j = 0; j < dims; j++) e[j] = (w[i + j] ?? 0) - (q[i + j] ?? 0)
    found += cost()
    for (let j = 0; j < dims; j++) e[j] = (w[i + j] ?? 0) - (nearest[i + j] ?? 0)
    rounded += cost()
    let least = Infinity
    for (let pattern = 0; pattern < 2 ** dims; pattern++) {
      if (evenSigns && pattern.toString(2).replaceAll('0', '').length % 2 === 1) continue
      for (let n = 0; n < words; n++) {
        for (let j = 0; j < dims; j++)
          e[j] = (w[i + j] ?? 0) - d * (values[n * dims + j] ?? 0) * ((pattern >> j) & 1 ? -1 : 1)
        least = Math.min(least, cost())
      }
    }
    best += least
  }
  expect(found).toBeGreaterThan(0.999 * best)
  expect(found).toBeLessThan(1.25 * best) // the search is local: signs turn one or two at a time
  expect(found).toBeLessThan(0.95 * rounded)
})
