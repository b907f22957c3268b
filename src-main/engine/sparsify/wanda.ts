// Wanda: the weights that add least to the output become zero, on the inputs of the calibration data.
//   Sun et al. 2024, "A Simple and Effective Pruning Approach for Large Language Models", section 3:
//   S_ij = |W_ij| ||X_j||_2, compared within each output (row); n of m neighbours within a row; no weight is updated
// Here the square of ||X_j|| is the measured importance of input j. Without any (an embedding, which nothing flows into) all
// inputs are alike: magnitude within each row. Cost O(weights) beside one calibration pass.
import { z } from 'zod'
import { scaledColumns } from '../kernels/sparse/sparse.ts'
import { defineCompressor } from '../quantize/define.ts'
import { readInUnits } from '../quantize/sidecar/read.ts'
import { chooseMask } from './mask.ts'
import { perParameter, settle, sparseOptions, sparseParameters } from './parameters.ts'
import { storeMasked } from './store.ts'

export const wanda = defineCompressor({
  id: 'wanda',
  family: 'sparsify',
  title: 'Wanda',
  summary: 'Sets those weights to zero that, times the size of their inputs, are the smallest of their output.',
  cite: 'Sun et al. 2024, A Simple and Effective Pruning Approach for Large Language Models (Wanda), section 3',
  formula: 'w = 0 where |w_ij| ||x_j|| is among the smallest share of row i',
  cost: 'O(weights) beside one calibration pass; smaller files; only whole columns that go also make the network faster',
  needs: ['weights', 'activations'],
  version: 1,
  params: z.object({ ...sparseParameters, per: perParameter('row') }),
  options: (layer, parameters) => sparseOptions('wanda', layer, parameters, { per: parameters.per, weighted: true }),
  apply(source, parameters, context) {
    const { rows, cols } = source
    const { weights, unit } = readInUnits(source, context)
    const p = settle(parameters, source)
    const { importance } = context
    const scores = importance ? scaledColumns(weights, importance.map(Math.sqrt)) : weights
    const mask = chooseMask(scores, p, source, context)
    return storeMasked(weights, mask, p, { rows, cols, unit }, context)
  },
})
