// Difficulty of rounding moved from activations to weights.
//   Xiao et al. 2022, "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models", eq. 4:
//   s_j = max|X_j|^a / max|W_j|^(1 - a);   X' = X diag(s)^-1,  W' = diag(s) W
//   max|W_j|: over all layers that read channel j.
// Cost: one pass over calibration data and over the weights. Needs activations.
import { z } from 'zod'
import { definePreparation } from './define.ts'
import type { Runnable } from './rewriting.ts'
import { scaleSeams } from './scale.ts'
import { factorsFrom, refusesWithoutSeams, runnable } from './seamed.ts'
import { findSeams, type Seam } from './seams.ts'
import { smoothing } from './smoothing.ts'

const params = z.object({
  alpha: z.number().min(0).max(1).default(0.5).describe('How much of the difficulty the weights take'),
  seams: z
    .enum(['norms', 'all'])
    .default('norms')
    .describe('norms: behind normalisations, as published; all: also values, gated products and convolutions'),
})

export const smooth = definePreparation({
  id: 'smooth',
  family: 'prepare',
  title: 'Smooth activations (SmoothQuant)',
  summary: 'Divides channels with large activations and multiplies the weights behind them, so that both round well',
  cite: 'Xiao et al. 2022, SmoothQuant, eq. 4',
  formula: "x' = x / s, W' = W diag(s), s_j = max|x_j|^a / max|W_j|^(1 - a)",
  cost: 'One pass over calibration data',
  needs: ['weights', 'activations'],
  version: 1,
  params,
  refuses: (network, parameters) => refusesWithoutSeams(network, (given) => seamsOf(given, parameters)),
  async measure(args, parameters, context) {
    const network = runnable(args.network)
    return smoothing(args, network, seamsOf(network, parameters), parameters.alpha, context)
  },
  apply(network, parameters, { measured }) {
    const given = runnable(network)
    const seams = seamsOf(given, parameters)
    return scaleSeams(given, seams, factorsFrom(seams, measured))
  },
})

function seamsOf({ graph }: Runnable, { seams }: z.output<typeof params>): Seam[] {
  return findSeams(graph).filter(({ kind }) => seams === 'all' || kind === 'norm')
}
