// Truncated singular value decomposition: the weight of lower rank that is nearest to it.
//   Eckart and Young 1936, "The approximation of one matrix by another of lower rank": W ~ U_r S_r V_r^T
// L holds the first left singular vectors, rounded to the width asked for; R = (L^T L)^-1 L^T W makes up for that rounding
// before it is rounded itself. Cost O(rows cols min(rows, cols)); a subspace iteration where few directions of many are
// wanted. Needs weights only.
import { z } from 'zod'
import { defineCompressor } from '../quantize/define.ts'
import { factorise } from './fit.ts'
import { rankOptions, rankParameters } from './parameters.ts'

export const svd = defineCompressor({
  id: 'svd',
  family: 'factorize',
  title: 'SVD',
  summary: 'Replaces a weight matrix by two thin ones, the nearest to it in least squares.',
  cite: 'Eckart and Young 1936, The approximation of one matrix by another of lower rank',
  formula: 'w ~ L R of rank r;  L R = argmin ||W - L R||^2',
  cost: 'O(weights x smaller side); the exported network multiplies by both factors, which is faster',
  needs: ['weights'],
  version: 1,
  params: z.object(rankParameters),
  options: (layer, parameters) => rankOptions('svd', layer, parameters),
  apply: (source, parameters, context) => factorise(source, parameters, null, context),
})
