// Low-rank representation vector quantization: sub-vectors of weights as codewords of a low-dimensional book.
//   Zhu, Zhou and Zhao 2022, "Learning Low-Rank Representations for Model Compression" (k, m, d as there)
//   w[block of m] ~ s C[code] L      C [k, d], 8 bits a number      L [d, m], float16      s per row, float16
//   log2(k) / m bits a weight, book and scales beside. d < m makes the book smaller and its clusters denser.
// The paper trains C, L and codes on the task's loss. Here the layer's output error tr(D H D^T) stands for it (assumed, not
// the paper's): L starts at the principal directions, C at k-means; then, in turn, codes by error feedback and coordinate
// descent in the Hessian's metric, C and L by conjugate gradients. Without a Hessian: k-means alone.
// Cost O(rounds rows cols (cols + k)). A convolution's groups share one book; groups of few channels share one Hessian.
import { z } from 'zod'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { packBits } from '../kernels/bits.ts'
import { roundToHalf, toHalfBits } from '../kernels/float16.ts'
import { placeWords } from '../kernels/vectors/kmeans.ts'
import { rowScales } from '../kernels/vectors/pvq.ts'
import { lr2vqForm } from './codings/lr2vq.ts'
import type { CodedMatrix } from './codings/define.ts'
import { defineQuantizer, type QuantizeContext } from './define.ts'
import {
  type Book,
  fedBackCodes,
  firstBook,
  fitBook,
  lifted,
  nearestCodes,
  refineCodes,
  type Task,
} from './lr2vq/fit.ts'
import { partsOf } from './lr2vq/parts.ts'
import { codeBits, offeredWidths, shapeFor } from './lr2vq/shape.ts'
import { fitScales } from './pvq/scales.ts'
import { eachBlock, notFinite, type WeightRows } from './rows.ts'

const params = z.object({
  k: z.literal([2, 4, 8, 16, 32, 64, 128, 256]).default(16).describe('Codewords'),
  m: z.int().min(1).max(64).default(2).describe('Weights of a sub-vector: the ratio follows it'),
  d: z.int().min(1).max(64).default(2).describe('Dimensions in which sub-vectors are clustered, at most m'),
  rounds: z.int().min(0).max(10).default(2).describe('Turns of codes and book'),
  damping: z.number().min(0).max(1).default(0.01).describe('Share of the mean diagonal added to the Hessian'),
})

export const lr2vq = defineQuantizer({
  id: 'lr2vq',
  title: 'Low-rank codebook',
  summary: 'Replaces runs of weights by the nearest of a few learned ones; made for 2 bits and fewer, offered to 4.',
  cite: 'Zhu, Zhou and Zhao 2022, Learning Low-Rank Representations for Model Compression',
  formula: 'w[block] ~ s C[code] L;  C [k, d], L [d, m];  log2(k) / m bits a weight',
  cost: 'O(rounds x weights x (inputs + k))',
  needs: ['weights', 'hessian'],
  version: 2, // few calibration rows are evened out
  params,
  options(layer, { rounds, damping }): Option[] {
    if (!layer.compressible) return []
    return offeredWidths.map((bits) => {
      const shape = shapeFor(bits, layer.rows * layer.cols)
      const { k, m, d } = shape
      const parameters = { ...shape, rounds, damping }
      return { id: `lr2vq-k${k}-m${m}-d${d}`, method: 'lr2vq', bits: codeBits(shape) / m, parameters }
    })
  },
  async apply(source, p, context): Promise<CodedMatrix> {
    const shape = { k: p.k, m: p.m, d: Math.min(p.d, p.m) }
    const layer = readLayer(source, p.m, context)
    const { rows, width, weights, scales } = layer
    const parts = partsOf(context, { rows, width })
    const task = { weights, rows, width, rowWeights: scales.map((scale) => scale * scale), parts, ...shape }
    let book = firstBook(task, context.seed ?? 0, context.threads)
    let codes = nearestCodes(task, stored(book, shape.d).book, context.threads).codes
    const rounds = parts.length === 0 ? 0 : p.rounds
    for (let round = 0; round < rounds; round++) {
      const chosen = await chooseCodes(task, book, round === 0 ? null : codes, p.damping, context)
      book = await fitBook(task, book, chosen.codes, CONJUGATE, context)
      codes = chosen.codes
      context.progress?.((round + 1) / (rounds + 1))
    }
    const final = stored(book, shape.d)
    if (parts.length > 0)
      codes = (await chooseCodes(task, final.book, rounds === 0 ? null : codes, p.damping, context)).codes
    const values = placeWords(lifted(final.book, shape.d, shape.m), shape.m, codes)
    for (const part of parts) {
      const [w, q] = [weights, values].map((all) => all.subarray(part.begin * width, part.end * width))
      if (w && q) await fitScales(scales.subarray(part.begin, part.end), w, q, part.hessian, context)
    }
    return encode(source, shape, final, codes, layer)
  },
})

const CONJUGATE = 12 // rounds of conjugate gradients
const SWEEPS = 2

/** Error feedback at first; later descent from the codes at hand. */
async function chooseCodes(
  task: Task,
  book: Book,
  before: Uint32Array | null,
  damping: number,
  context: QuantizeContext,
) {
  const { m, d } = task
  const chosen = before
    ? { codes: before, values: placeWords(lifted(book, d, m), m, before) }
    : await fedBackCodes(task, book, damping, context)
  await refineCodes(task, book, chosen, SWEEPS, context)
  return chosen
}

/** Rows over their scales, padded to whole sub-vectors. Scales are rounded to float16. */
function readLayer(source: WeightRows, m: number, { layer }: QuantizeContext) {
  const { rows, cols } = source
  const width = Math.ceil(cols / m) * m
  const all = new Float32Array(rows * cols)
  eachBlock(source, (block, begin) => all.set(block, begin * cols))
  const { scales, bad } = rowScales(all, rows, cols)
  if (bad >= 0) throw notFinite(layer, source, bad)
  const largest = scales.reduce((most, scale) => Math.max(most, scale), 0)
  const unit = largest === 0 ? 1 : 2 ** Math.floor(Math.log2(largest))
  const weights = new Float32Array(rows * width)
  const rounded = scales.map((scale) => roundToHalf(scale / unit))
  rounded.forEach((scale, r) => {
    if (scale === 0) return
    const divided = all.subarray(r * cols, (r + 1) * cols).map((w) => w / unit / scale)
    weights.set(divided, r * width)
  })
  return { weights, rows, width, scales: rounded, unit }
}

/** C in 8 bits, its steps in L: what a file holds, and the book that it stands for. */
function stored({ words, lift }: Book, d: number) {
  const steps = Float32Array.from({ length: d }, (_, t) => {
    let largest = 0
    for (let i = t; i < words.length; i += d) largest = Math.max(largest, Math.abs(words[i] ?? 0))
    return largest === 0 ? 1 : largest / 127
  })
  const whole = Int8Array.from(words, (c, i) => Math.round(c / (steps[i % d] ?? 1)))
  const m = lift.length / d
  const stretched = lift.map((l, i) => l * (steps[Math.floor(i / m)] ?? 1))
  return { whole, book: { words: Float32Array.from(whole), lift: stretched } }
}

function encode(
  { rows, cols }: WeightRows,
  shape: { k: number; m: number; d: number },
  { whole, book }: ReturnType<typeof stored>,
  codes: Uint32Array,
  { scales, unit }: { scales: Float32Array; unit: number },
): CodedMatrix {
  const { parts, ...form } = lr2vqForm(shape, { rows, cols })
  const bytes = (array: Int8Array | Uint16Array | Float32Array) =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  const data = {
    codes: packBits(Uint8Array.from(codes), codeBits(shape)),
    words: bytes(whole),
    lift: bytes(book.lift.map((l) => l * unit)),
    scales: bytes(Uint16Array.from(scales, (scale) => toHalfBits(roundToHalf(scale)))),
  }
  return {
    ...form,
    parts: Object.fromEntries(
      Object.entries(data).map(([name, own]) => [name, { dtype: 'uint8', shape: [], ...parts[name], data: own }]),
    ),
  }
}
