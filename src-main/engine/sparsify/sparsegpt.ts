// SparseGPT: weights become zero one input after the other, and those that follow make up for it.
//   Frantar and Alistarh 2023, "SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot", algorithm 1:
//   U^T U = (H + damping mean(diag H) I)^-1   mask of every 128 columns: least w^2 / U_jj^2 go; of n of m, in each group as
//   it is reached   e_j = (w_j - q_j) / U_jj   w_k -= e_j U_jk for k > j   q_j = 0, w_j, or the grid's nearest (section 3.5)
// Whole columns: those with the least sum of w^2 / [H^-1]_jj (Kurtic et al. 2023, "ZipLM", section 3, without its renewal of H^-1
// after each) are done first, so that those that stay take their least-squares values.
// Beyond the paper: sweeps of coordinate descent over what stays; the grid is chosen on the pruned weights, then feedback is
// run again with the mask kept. Without a Hessian (nothing known of the inputs): importance, or magnitude, and no feedback.
// Cost O(rows cols^2 (1 + sweeps) + cols^3), twice that on a grid; three copies of the weights in memory.
import { z } from 'zod'
import type { CodedMatrix } from '../quantize/codings/define.ts'
import { defineCompressor } from '../quantize/define.ts'
import { hessiansOf } from '../quantize/gptq/slabs.ts'
import { readInUnits } from '../quantize/sidecar/read.ts'
import { encodeSparse } from '../quantize/sparse/encode.ts'
import { keptOf } from '../quantize/sparse/forms.ts'
import { onesIn } from '../quantize/sparse/places.ts'
import { scaledColumns } from '../kernels/sparse/sparse.ts'
import { type FeedbackParameters, type Pruned, pruneWithFeedback } from './feedback.ts'
import { checkPattern, chooseMask } from './mask.ts'
import { settle, sparseOptions, sparseParameters } from './parameters.ts'
import { storeMasked } from './store.ts'

const params = z.object({
  ...sparseParameters,
  damping: z.number().min(0).max(1).default(0.01).describe('Share of the mean input energy added to every input'),
  sweeps: z.int().min(0).max(20).default(2).describe('Passes that refine what stays after error feedback'),
})

export const sparsegpt = defineCompressor({
  id: 'sparsegpt',
  family: 'sparsify',
  title: 'SparseGPT',
  summary: 'Sets weights to zero input by input and lets those that follow make up for what each loses.',
  cite: 'Frantar and Alistarh 2023, SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot, algorithm 1',
  formula: 'Q = argmin tr((W - Q) H (W - Q)^T) under the mask of least w^2 / U_jj^2;  w_k -= (w_j - q_j) / U_jj U_jk',
  cost: 'O(rows cols^2 (1 + sweeps) + cols^3); smaller files; only whole columns that go also make the network faster',
  needs: ['weights', 'hessian'],
  version: 1,
  params,
  options: (layer, { damping, sweeps, ...asked }) =>
    // A table that is also the head is looked up, too: what makes up for the head's outputs spoils the lookups. Measured on
    // stories260K at half of the weights: KL 2.75 with the table among them, 1.45 with it left alone.
    layer.op === 'Gather'
      ? []
      : sparseOptions('sparsegpt', layer, asked, { per: 'layer', damping, sweeps, weighted: true }),
  async apply(source, parameters, context): Promise<CodedMatrix> {
    const { rows, cols } = source
    const { weights, unit } = readInUnits(source, context)
    const { damping, sweeps } = parameters
    const p = { ...settle({ ...parameters, per: 'layer' as const }, source), damping, sweeps }
    checkPattern(p, cols, context.layer)
    if (!context.hessians?.length) {
      const { importance } = context
      const scores = importance ? scaledColumns(weights, importance.map(Math.sqrt)) : weights
      return storeMasked(weights, chooseMask(scores, p, source, context), p, { rows, cols, unit }, context)
    }
    const made: Pruned[] = []
    const parts = hessiansOf(source, context, 'SparseGPT')
    for (const { hessian, begin, end } of parts) {
      const share = (within: number) => keptOf(p, { rows: begin + within * (end - begin), cols })
      const part = {
        weights: weights.subarray(begin * cols, end * cols),
        rows: end - begin,
        cols,
        hessian,
        keptUpTo: share,
      }
      const progress = (fraction: number) => context.progress?.((begin + fraction * (end - begin)) / rows)
      made.push(await pruneWithFeedback(part, p, { ...context, progress }))
    }
    return encode(made, p, { rows, cols, unit })
  },
})

/** Parts of rows one below the other, as they are stored. */
function encode(
  made: readonly Pruned[],
  p: FeedbackParameters,
  size: { rows: number; cols: number; unit: number },
): CodedMatrix {
  const mask = Uint8Array.from(Buffer.concat(made.map((part) => part.mask)))
  const codes = Uint8Array.from(Buffer.concat(made.map((part) => part.codes)))
  const floats = (name: 'values' | 'scales') => {
    const all = new Float32Array(made.reduce((sum, part) => sum + part[name].length, 0))
    let at = 0
    for (const { [name]: own } of made) {
      all.set(own, at)
      at += own.length
    }
    return all
  }
  const kept = p.width <= 8 ? { codes, scales: floats('scales') } : { values: floats('values') }
  return encodeSparse(kept, mask, { ...p, kept: onesIn(mask) }, size)
}
