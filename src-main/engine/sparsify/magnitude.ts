// Magnitude pruning: the smallest weights become zero.
//   Han et al. 2015, "Learning both Weights and Connections for Efficient Neural Networks", section 3; |w| within the layer,
//   or within each output; of n neighbours (Mishra et al. 2021, "Accelerating Sparse Deep Neural Networks"); of whole columns
//   by their norm (Li et al. 2017, "Pruning Filters for Efficient ConvNets", section 3.1, with squares for absolutes)
// The weights that stay are floats, or rounded to a grid. Cost O(weights). Needs weights only.
import { z } from 'zod'
import { defineCompressor } from '../quantize/define.ts'
import { readInUnits } from '../quantize/sidecar/read.ts'
import { chooseMask } from './mask.ts'
import { perParameter, settle, sparseOptions, sparseParameters } from './parameters.ts'
import { storeMasked } from './store.ts'

export const magnitude = defineCompressor({
  id: 'magnitude',
  family: 'sparsify',
  title: 'Magnitude',
  summary: 'Sets the smallest weights to zero and keeps the others, as floats or rounded.',
  cite: 'Han et al. 2015, Learning both Weights and Connections for Efficient Neural Networks, section 3',
  formula: 'w = 0 where |w| is among the smallest share of its layer, row, group or column',
  cost: 'O(weights); smaller files; only whole columns that go also make the network faster',
  needs: ['weights'],
  version: 1,
  params: z.object({ ...sparseParameters, per: perParameter('layer') }),
  options: (layer, parameters) => sparseOptions('magnitude', layer, parameters, { per: parameters.per }),
  apply(source, parameters, context) {
    const { rows, cols } = source
    const { weights, unit } = readInUnits(source, context)
    const p = settle(parameters, source)
    const mask = chooseMask(weights, p, source, context)
    return storeMasked(weights, mask, p, { rows, cols, unit }, context)
  },
})
