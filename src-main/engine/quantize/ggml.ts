// Blocks of a GGUF type: small groups of weights on a grid of 2 to 8 bits, whose scales (and offsets) are small numbers
// themselves, as llama.cpp runs them. Formats: ggml's public block definitions (kernels/ggml/layout.ts); OCP Microscaling
// Formats specification 1.0 for MXFP4.
//   group:        s, m = argmin sum h (w - (s q + m))^2 over trial scales; then codes and least squares in turn
//   super-block:  s_g = d k_g with whole k_g among the nearest, d by least squares, twice
// h is 1, or with `weighted` the mean squared activation of the column (what llama.cpp calls an importance matrix).
// Cost O(weights x trials) time, one piece of rows in memory. Needs weights only; `weighted` also activations.
import { z } from 'zod'
import { encodeStream } from '../kernels/ggml/encode.ts'
import { rowBytes, writableTypes } from '../kernels/ggml/types.ts'
import { defineQuantizer } from './define.ts'
import { rowsPerBlock, type WeightRows } from './rows.ts'

export const ggml = defineQuantizer({
  id: 'ggml',
  title: 'GGUF block type',
  summary: 'Rounds weights into the blocks that llama.cpp runs, with scales chosen for the least error.',
  cite: 'ggml, block definitions of ggml-common.h; OCP Microscaling Formats (MX) Specification 1.0',
  formula: 'w ~ d k q - dmin m;  d, dmin, k, m, q = argmin sum h (w - (d k q - dmin m))^2',
  cost: 'O(weights x trials) time, memory of one piece of rows',
  needs: ['weights'],
  version: 1,
  params: z.object({
    type: z.enum(writableTypes).default('Q4_K').describe('Block type, as llama.cpp names it'),
    weighted: z.boolean().default(false).describe('Weigh the error of each column by how much it was seen to matter'),
  }),
  apply(source, { type }, { layer, importance, threads, progress }) {
    const { rows, cols } = source
    const blocks = new Uint8Array(rows * Math.ceil(rowBytes(type, cols)))
    let at = 0
    for (const part of encodeStream(type, 'float32', cols, pieces(source), { layer, importance, threads })) {
      blocks.set(part, at)
      at += part.length
      progress?.(at / blocks.length)
    }
    return { rows, cols, type, blocks }
  },
})

function* pieces(source: WeightRows): Generator<Uint8Array> {
  const step = Math.ceil(rowsPerBlock(source.cols) / 4) // two are in memory at once
  for (let begin = 0; begin < source.rows; begin += step) {
    const weights = source.read(begin, Math.min(begin + step, source.rows))
    yield new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength)
  }
}
