// Smoothing for 4-bit weights, 8-bit activations and a 4-bit cache of keys and values.
//   Baek et al. 2025, "FireQ: Fast INT4-FP8 Kernel and RoPE-aware Quantization for LLM Inference Acceleration"
//   linear layers: s_j = max|X_j|^a / max|W_j|^(1 - a), as SmoothQuant (smooth.ts), over every seam, not only norms
//   keys:          before the rotary positions, s_c = max(max|K_c|, max|K_c'|)^b around 1; c and c' are
//                  the pair that turns together, so that R(p) (k / s) = (R(p) k) / s;  K' = K / s, Q' = Q s
// Its scaling of keys after the positions, and its per-tensor scale against underflow of FP8, need a runtime of its own:
// they are not part of an exact rewriting and left out. The paper's text that we could read gives no b for
// folded weights; 0.25 lost least in a 4-bit cache on two language models (1 and 6 % less error of the logits).
// Cost: one pass over calibration data and over the weights. Needs activations.
import { z } from 'zod'
import { definePreparation } from './define.ts'
import { type KeySeam, findKeySeams } from './keys.ts'
import { wiringOf } from './linears.ts'
import { byChannel, observe } from './observe.ts'
import type { Runnable } from './rewriting.ts'
import { scaleSeams } from './scale.ts'
import { factorsFrom, refusesWithoutSeams, runnable } from './seamed.ts'
import { findSeams, type Seam } from './seams.ts'
import { smoothing } from './smoothing.ts'

const params = z.object({
  alpha: z.number().min(0).max(1).default(0.5).describe('How much of the activations’ range the weights take'),
  keys: z.number().min(0).max(1).default(0.25).describe('How much of the keys’ range the queries take; 0: none'),
})

export const fireqSmooth = definePreparation({
  id: 'fireq-smooth',
  family: 'prepare',
  title: 'Smooth activations and keys (FireQ)',
  summary: 'Evens out the channels of activations and, in pairs that rotary positions turn together, of keys',
  cite: 'Baek et al. 2025, FireQ',
  formula: "k' = k / s, q' = q s, s = (max over the pair of |k|)^b; x' = x / s, W' = W diag(s)",
  cost: 'One pass over calibration data',
  needs: ['weights', 'activations'],
  version: 1,
  params,
  refuses(network) {
    const reason = refusesWithoutSeams(network, ({ graph }) => findSeams(graph))
    return reason ?? (keysOf(runnable(network)).length > 0 ? null : 'it has no attention whose keys could be scaled')
  },
  async measure(args, { alpha, keys }, context) {
    const network = runnable(args.network)
    const factors = new Map(await smoothing(args, network, findSeams(network.graph), alpha, context))
    const seams = keysOf(network)
    const observed = await observe({ ...args, network }, seams, context)
    for (const seam of seams) {
      const seen = observed.get(seam.name)
      if (seen) factors.set(`${seam.name}/scale`, keyFactors(seam, byChannel(seam, seen.maxAbs, 'max'), keys))
    }
    return factors
  },
  apply(network, _, { measured }) {
    const given = runnable(network)
    const seams: Seam[] = [...findSeams(given.graph), ...keysOf(given)]
    return scaleSeams(given, seams, factorsFrom(seams, measured))
  },
})

const keysOf = ({ graph }: Runnable): KeySeam[] => findKeySeams(wiringOf(graph))

/** Powers of the pairs' largest magnitudes, with geometric mean 1 over all channels. */
export function keyFactors({ partner }: Pick<KeySeam, 'partner'>, most: Float32Array, power: number): Float32Array {
  const pairs = most.map((value, channel) => Math.max(value, most[partner[channel] ?? channel] ?? 0, 1e-6))
  const middle = Math.exp(pairs.reduce((sum, value) => sum + Math.log(value), 0) / pairs.length)
  return pairs.map((value) => Math.min(1e3, Math.max(1e-3, (value / middle) ** power)))
}
