// A grid with a low-rank correction beside it: w ~ grid + L R, the correction found in the metric of the layer's inputs.
//   Liu et al. 2024, "EoRA: Fine-tuning-free Compensation ..."; Zhang et al. 2024, "LQER: Low-Rank Quantization Error
//   Reconstruction": min rank r of tr((W - Q - L R) H (W - Q - L R)^T)      L = eigenvectors of (W - Q) H (W - Q)^T, R = L^T (W - Q)
//   then the grid again for W - L R, and the correction again for what is left, as long as the error falls (as LoftQ,
//   Li et al. 2023, does without H).
// The grid: GPTQ's where a Hessian is known, else to the nearest. All of it counts: 8 bits a number of L and R, a step each.
// Cost of `rounds` + 1 runs of the grid's quantizer, O(rows cols^2) each, and 8 products of width r + 8.
import { z } from 'zod'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { packBits } from '../kernels/bits.ts'
import { encodeScales } from '../kernels/float16.ts'
import { quadratic } from '../kernels/linear/error.ts'
import { ridged } from '../kernels/linear/ridge.ts'
import type { CodedMatrix } from './codings/define.ts'
import { defineQuantizer, type QuantizeContext } from './define.ts'
import { dequantize } from './dequantize.ts'
import { quantizeToGrid } from './grid.ts'
import { quantizeWithFeedback } from './gptq/apply.ts'
import { groupSizeOf } from './sidecar/options.ts'
import { factorParts, type Factors, factorTypes, fitFactors, meanHessian } from './sidecar/factors.ts'
import { sidecarForm } from './sidecar/forms.ts'
import { readInUnits } from './sidecar/read.ts'
import { rowsOf } from './rows.ts'
import type { QuantizedMatrix } from './types.ts'

const params = z.object({
  bits: z.int().min(2).max(8).default(3).describe('Bits per weight of the grid'),
  groupSize: z.int().min(0).default(64).describe('Weights per group; 0: one scale an output channel'),
  symmetric: z.boolean().default(true).describe('Zero point in the middle, not stored'),
  rank: z.int().min(1).max(4096).default(8).describe('Rank of the correction'),
  factors: z.enum(factorTypes).default('int8').describe('How its numbers are stored'),
  rounds: z.int().min(0).max(8).default(2).describe('Turns of grid and correction after the first'),
  damping: z.number().min(0).max(1).default(0.01).describe('Share of the mean diagonal added to the Hessian'),
})

export const sidecar = defineQuantizer({
  id: 'sidecar',
  title: 'Low-rank side-car',
  summary: 'Keeps a small low-rank correction beside the rounded weights, where it helps the output most.',
  cite: 'Liu et al. 2024, EoRA; Zhang et al. 2024, LQER',
  formula: 'w ~ s (q - z) + L R;  L R = argmin of rank r tr((W - Q - L R) H (W - Q - L R)^T)',
  cost: 'O((1 + rounds) rows cols^2)',
  needs: ['weights', 'hessian'],
  version: 2, // few calibration rows are evened out
  params,
  options(layer, parameters): Option[] {
    if (!layer.compressible || Math.min(layer.rows, layer.cols) < 4 * parameters.rank) return []
    return [2, 3, 4].map((bits) => {
      const own = { ...parameters, bits, groupSize: groupSizeOf(layer.cols) }
      return { id: `sidecar-${bits}-r${own.rank}`, method: 'sidecar', bits, parameters: own }
    })
  },
  async apply(source, p, given): Promise<CodedMatrix> {
    const context = { ...given, hessians: given.hessians?.map(ridged) }
    const { rows, cols } = source
    const { weights, unit } = readInUnits(source, context)
    const hessian = meanHessian(context.hessians ?? [])
    const shape = { rows, cols, rank: p.rank, type: p.factors }
    const errorOf = async (rest: Float32Array) =>
      hessian ? quadratic(rest, rows, hessian, context) : rest.reduce((sum, x) => sum + x * x, 0)
    let best: { grid: QuantizedMatrix; factors: Factors; error: number } | null = null
    for (let round = 0; round <= p.rounds; round++) {
      const grid = await gridFor(minus(weights, best?.factors.values), p, source, context)
      const rest = minus(weights, dequantize(grid).data)
      const factors = await fitFactors(rest, shape, hessian, context)
      const error = await errorOf(minus(rest, factors.values))
      context.progress?.((round + 1) / (p.rounds + 1))
      if (best && !(error < best.error)) break
      best = { grid, factors, error }
    }
    if (!best) throw new Error('no round was run')
    return encode(best, p, { rows, cols, unit })
  },
})

function gridFor(
  data: Float32Array,
  { bits, groupSize, symmetric, damping }: z.output<typeof params>,
  { rows, cols }: { rows: number; cols: number },
  { progress: _, ...context }: QuantizeContext,
): QuantizedMatrix | Promise<QuantizedMatrix> {
  const granularity = groupSize === 0 ? ('channel' as const) : ('group' as const)
  const grid = { bits, symmetric, granularity, groupSize: groupSize || cols, search: 'mse' as const }
  const source = rowsOf({ data, rows, cols })
  if (!context.hessians?.length) return quantizeToGrid(source, grid, context)
  const feedback = { damping, ridge: false, actOrder: true, staticGroups: false, sweeps: 2 }
  return quantizeWithFeedback(source, { ...grid, ...feedback }, context, 'The side-car')
}

const minus = (a: Float32Array, b?: Float32Array): Float32Array => (b ? a.map((x, i) => x - (b[i] ?? 0)) : a)

function encode(
  { grid, factors }: { grid: QuantizedMatrix; factors: Factors },
  p: z.output<typeof params>,
  { rows, cols, unit }: { rows: number; cols: number; unit: number },
): CodedMatrix {
  const { parts, ...form } = sidecarForm(p, { rows, cols })
  const data: Record<string, Uint8Array> = {
    codes: packBits(grid.codes, p.bits),
    scales: encodeScales(grid.scales, 'float16'),
    unit: encodeScales(Float32Array.of(unit), 'float32'),
    zeros: grid.zeros,
  }
  const own = factorParts(factors, { rows, cols, rank: p.rank, type: p.factors }, unit)
  return {
    ...form,
    parts: Object.fromEntries(
      Object.entries(parts).map(([name, part]) => [
        name,
        own[name] ?? { ...part, data: data[name] ?? new Uint8Array() },
      ]),
    ),
  }
}
