// Channels behind LayerNorm brought to one range, so that a single scale for the whole activation fits each of them.
//   Ranjan and Savakis 2024, "LRP-QViT", section 3 (clipped channel-wise quantization of post-LayerNorm activations);
//   Li et al. 2023, "RepQ-ViT: Scale Reparameterization for Post-Training Quantization of Vision Transformers", eq. 7-10:
//   s_c = (high_c - low_c) / (2^b - 1)   z_c = round(-low_c / s_c)   s~ = mean s   z~ = round(mean z)
//   r1 = s / s~   r2 = z - z~   gain' = gain / r1   shift' = (shift + s r2) / r1   W' = W diag(r1)   bias' = bias - W (s r2)
// Every channel of x' = (x + s r2) / r1 then lies in [-z~ s~, (2^b - 1 - z~) s~]. low and high are each channel's range with
// its tails cut at a quantile, so that outliers widen neither their own channel nor, through s~, the others. The rewriting
// itself is exact: it is the rounding behind it (family 'activate') that clips, at `<seam>/range` of what was measured.
// The paper does not give its quantile in the text we could read; 0.995 of 256 rows is assumed (one at each end).
// Cost: one pass over calibration data. Needs activations, and biases behind the norms.
import { z } from 'zod'
import { definePreparation, type Measured } from './define.ts'
import { observe } from './observe.ts'
import { Rewriting, type Runnable } from './rewriting.ts'
import { runnable } from './seamed.ts'
import { moveFactors } from './scale.ts'
import { findSeams, type Seam } from './seams.ts'
import { axisOf, contractTensor } from './tensors.ts'
import { wiringOf } from './linears.ts'

const params = z.object({
  bits: z.int().min(2).max(8).default(8).describe('Bits that the activations will be rounded to'),
  quantile: z.number().min(0.9).max(1).default(0.995).describe('Share of a channel’s values inside its range'),
})

export const clipChannels = definePreparation({
  id: 'clip-channels',
  family: 'prepare',
  title: 'One range for all channels (LRP-QViT, RepQ-ViT)',
  summary: 'Shifts and scales what LayerNorm gives, channel by channel, so that one scale fits all of it',
  cite: 'Ranjan and Savakis 2024, LRP-QViT, section 3; Li et al. 2023, RepQ-ViT, eq. 7-10',
  formula: "x' = (x + s r2) / r1, W' = W diag(r1), bias' = bias - W (s r2), r1 = s / mean s, r2 = z - mean z",
  cost: 'One pass over calibration data',
  needs: ['weights', 'activations'],
  version: 1,
  params,
  refuses({ graph, ...network }) {
    if (!graph) return 'it holds tensors only, without a graph'
    if (seamsOf({ ...network, graph }).length > 0) return null
    return 'it has no LayerNorm with a shift whose readers all have biases'
  },
  async measure(args, { bits, quantile }, context) {
    const network = runnable(args.network)
    const seams = seamsOf(network)
    const observed = await observe({ ...args, network }, seams, context)
    const found = new Map<string, Float32Array>()
    for (const seam of seams) {
      const rows = observed.get(seam.name)?.rows
      if (!rows) continue
      const ranges = channelRanges(rows, seam.channels, quantile)
      const { scale, offset, range } = reparameterize(ranges, 2 ** bits - 1)
      found.set(`${seam.name}/scale`, scale)
      found.set(`${seam.name}/offset`, offset)
      found.set(`${seam.name}/range`, range)
    }
    return found
  },
  apply(network, _, { measured }) {
    return rewrite(runnable(network), measured)
  },
})

function seamsOf({ graph }: Runnable): Seam[] {
  const wiring = wiringOf(graph)
  const biased = new Set([...wiring.linears.values()].filter(({ bias }) => bias !== null).map(({ weight }) => weight))
  return findSeams(graph).filter(
    ({ kind, norm, readers }) => kind === 'norm' && norm?.shift && readers.every(({ tensor }) => biased.has(tensor)),
  )
}

function rewrite(network: Runnable, measured: Measured | null) {
  const rewriting = new Rewriting(network)
  const wiring = wiringOf(network.graph)
  const biasOf = new Map([...wiring.linears.values()].map(({ weight, bias }) => [weight, bias]))
  const seams = seamsOf(network)
  const value = (seam: Seam, what: string, otherwise: number) =>
    measured?.get(`${seam.name}/${what}`) ?? new Float32Array(seam.channels).fill(otherwise)
  for (const seam of seams) {
    const offset = value(seam, 'offset', 0)
    rewriting.step(seam.norm?.shift ?? '', { kind: 'add', values: () => offset })
    const less = offset.map((x) => -x)
    for (const { tensor, axis } of seam.readers) {
      const bias = biasOf.get(tensor)
      if (!bias) continue
      const [along, read] = [axisOf(rewriting.shape(tensor), axis), rewriting.read(tensor)]
      rewriting.step(bias, { kind: 'add', values: () => contractTensor(read, along, less) })
    }
  }
  moveFactors(rewriting, seams, new Map(seams.map((seam) => [seam.name, value(seam, 'scale', 1)])))
  return rewriting.finish()
}

/** Quantiles of each channel of rows [n, channels]. Zero lies inside. */
export function channelRanges(rows: Float32Array, channels: number, quantile: number): { low: number; high: number }[] {
  const count = rows.length / channels
  return Array.from({ length: channels }, (_, c) => {
    const values = Float32Array.from({ length: count }, (_, row) => rows[row * channels + c] as number).sort()
    const cut = Math.floor((1 - quantile) * count)
    return { low: Math.min(0, values[cut] ?? 0), high: Math.max(0, values[count - 1 - cut] ?? 0) }
  })
}

/** r1 as `scale`, s r2 as `offset`, and the range of all channels afterwards. Channels that are always 0 stay so. */
export function reparameterize(
  ranges: readonly { low: number; high: number }[],
  levels: number,
): { scale: Float32Array; offset: Float32Array; range: Float32Array } {
  const steps = ranges.map(({ low, high }) => (high - low) / levels)
  const used = steps.filter((step) => step > 0)
  const step = used.reduce((sum, value) => sum + value, 0) / Math.max(1, used.length) || 1
  const zeros = ranges.map(({ low }, c) => (steps[c] ? Math.round(-low / steps[c]) : 0))
  const zero = Math.round(zeros.reduce((sum, value) => sum + value, 0) / Math.max(1, zeros.length))
  return {
    scale: Float32Array.from(steps, (own) => (own > 0 ? own / step : 1)),
    offset: Float32Array.from(steps, (own, c) => (own > 0 ? own * ((zeros[c] ?? 0) - zero) : 0)),
    range: Float32Array.of(-zero * step, (levels - zero) * step),
  }
}
