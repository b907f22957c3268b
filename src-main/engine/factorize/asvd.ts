// Whitened singular value decomposition: the weight of lower rank whose outputs are nearest, on the inputs of the calibration
// data.
//   Wang et al. 2024, "SVD-LLM: Truncation-aware Singular Value Decomposition for Large Language Model Compression", section 3.1:
//   S S^T = mean x x^T, SVD of W S, truncated, times S^-1; each singular value left out costs exactly its square in output error.
//   Yuan et al. 2023, "ASVD", has a diagonal S; that is what is done where only the size of each input is known.
// S^-1 is never formed: with L from W S, R = (L^T L)^-1 L^T W is the same (basis.ts). Of a convolution in groups, the mean of
// their Hessians. Cost O(rows cols min(rows, cols) + cols^3) beside the Hessian.
import { z } from 'zod'
import { defineCompressor } from '../quantize/define.ts'
import { meanHessian } from '../quantize/sidecar/factors.ts'
import { factorise } from './fit.ts'
import { rankOptions, rankParameters } from './parameters.ts'

export const asvd = defineCompressor({
  id: 'asvd',
  family: 'factorize',
  title: 'Whitened SVD',
  summary: 'Replaces a weight matrix by two thin ones, so that its outputs change least on the calibration data.',
  cite: 'Wang et al. 2024, SVD-LLM: Truncation-aware Singular Value Decomposition for Large Language Model Compression, section 3.1; Yuan et al. 2023, ASVD',
  formula: 'w ~ L R of rank r;  L R = argmin tr((W - L R) H (W - L R)^T),  H = mean x x^T',
  cost: 'O(weights x smaller side + inputs^3); the exported network multiplies by both factors, which is faster',
  needs: ['weights', 'hessian'],
  version: 1,
  params: z.object(rankParameters),
  // Not of tables: what is best for the outputs of a head is not for what is looked up in it.
  options: (layer, parameters) =>
    layer.op === 'Gather' ? [] : rankOptions('asvd', layer, parameters, { weighted: true }),
  apply: (source, parameters, context) =>
    factorise(source, parameters, meanHessian(context.hessians ?? []) ?? context.importance ?? null, context),
})
