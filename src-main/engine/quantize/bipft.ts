// Binary weights with a low-rank estimate of what they lose: w ~ s sign + L R.
//   Xing et al. 2024, "BiPFT: Binary Pre-trained Foundation Transformer with Low-rank Estimation of Binarization Residual
//   Polynomials": binary weights, and low-rank terms for the residual. There both are trained on the task; here the layer's
//   output error stands for it (assumed): signs by error feedback in runs of 8, all 256 patterns tried in the Hessian's
//   metric, then coordinate descent; s by least squares; L R as in sidecar.ts; and in turn again. Without a Hessian: signs
//   of what the estimate leaves, s the mean size.
// 1 bit a weight, 16 a row, and 8 or 16 for each number of L and R. Cost O(rounds rows cols (cols + 256)).
import { z } from 'zod'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { encodeScales, roundToHalf } from '../kernels/float16.ts'
import { quadratic } from '../kernels/linear/error.ts'
import { ridged } from '../kernels/linear/ridge.ts'
import { placeWords } from '../kernels/vectors/kmeans.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import { bipftForm } from './sidecar/forms.ts'
import type { CodedMatrix } from './codings/define.ts'
import { defineQuantizer, type QuantizeContext } from './define.ts'
import { fedBackCodes, nearestCodes, refineCodes, type Task } from './lr2vq/fit.ts'
import { padHessian } from './lr2vq/parts.ts'
import { fitScales } from './pvq/scales.ts'
import { factorParts, type Factors, factorTypes, fitFactors, meanHessian } from './sidecar/factors.ts'
import { readInUnits } from './sidecar/read.ts'

const params = z.object({
  rank: z.int().min(0).max(4096).default(8).describe('Rank of the estimate; 0: signs alone'),
  factors: z.enum(factorTypes).default('int8').describe('How its numbers are stored'),
  rounds: z.int().min(0).max(10).default(3).describe('Turns of signs and estimate after the first'),
  damping: z.number().min(0).max(1).default(0.01).describe('Share of the mean diagonal added to the Hessian'),
})

export const bipft = defineQuantizer({
  id: 'bipft',
  title: 'Signs and low rank',
  summary: 'Keeps the sign of each weight and a small low-rank estimate of what that loses.',
  cite: 'Xing et al. 2024, BiPFT: Binary Pre-trained Foundation Transformer with Low-rank Estimation of Binarization Residual Polynomials',
  formula: 'w ~ s sign + L R;  (signs, s, L, R) = argmin tr(D H D^T)',
  cost: 'O(rounds x weights x (inputs + 256))',
  needs: ['weights', 'hessian'],
  version: 2, // few calibration rows are evened out
  params,
  options(layer, parameters): Option[] {
    if (!layer.compressible || Math.min(layer.rows, layer.cols) < 16) return []
    return [4, 8, 16, 32]
      .filter((rank) => rank * 4 <= Math.min(layer.rows, layer.cols))
      .map((rank) => ({ id: `bipft-r${rank}`, method: 'bipft', bits: 1, parameters: { ...parameters, rank } }))
  },
  async apply(source, p, context): Promise<CodedMatrix> {
    const { rows, cols } = source
    const { weights, unit } = readInUnits(source, context)
    const hessian = meanHessian((context.hessians ?? []).map(ridged))
    const shape = { rows, cols, rank: p.rank, type: p.factors }
    const errorOf = async (rest: Float32Array) =>
      hessian ? quadratic(rest, rows, hessian, context) : rest.reduce((sum, x) => sum + x * x, 0)
    let best: { signs: Signs; factors: Factors | null; error: number } | null = null
    for (let round = 0; round <= p.rounds; round++) {
      const rest = minus(weights, best?.factors?.values)
      const signs = await signsOf(rest, { rows, cols, hessian, damping: p.damping }, best?.signs ?? null, context)
      const lost = minus(weights, signs.values)
      const factors = p.rank > 0 ? await fitFactors(lost, shape, hessian, context) : null
      const error = await errorOf(minus(lost, factors?.values))
      context.progress?.((round + 1) / (p.rounds + 1))
      if (best && !(error < best.error)) break
      best = { signs, factors, error }
    }
    if (!best) throw new Error('no round was run')
    const { parts, ...form } = bipftForm(p, { rows, cols })
    const own = {
      signs: Uint8Array.from(best.signs.codes),
      scales: encodeScales(best.signs.scales, 'float16'),
      unit: encodeScales(Float32Array.of(unit), 'float32'),
    }
    const named = Object.entries(own).map(([name, data]) => [name, { dtype: 'uint8', shape: [], ...parts[name], data }])
    return { ...form, parts: { ...Object.fromEntries(named), ...factorParts(best.factors, shape, unit) } }
  },
})

interface Signs {
  codes: Uint32Array // [rows, ceil(cols / 8)]: 8 signs each
  scales: Float32Array // [rows], float16 values
  values: Float32Array // [rows, cols]
}

const PATTERNS = 256
const RUN = 8
const SWEEPS = 2
const patterns = Float32Array.from({ length: PATTERNS * RUN }, (_, i) => (((i / RUN) >> (i % RUN)) & 1 ? 1 : -1))
const identity = Float32Array.from({ length: RUN * RUN }, (_, i) => Number(i % (RUN + 1) === 0))

/** Signs and scales for weights [rows, cols]; from those at hand where there are any. */
async function signsOf(
  weights: Float32Array,
  { rows, cols, hessian, damping }: { rows: number; cols: number; hessian: Hessian | null; damping: number },
  before: Signs | null,
  context: QuantizeContext,
): Promise<Signs> {
  const width = Math.ceil(cols / RUN) * RUN
  const scales = before ? before.scales.slice() : meanSizes(weights, rows, cols)
  const task = taskOf(weights, { rows, cols, width, scales, hessian })
  const book = { words: patterns, lift: identity }
  let chosen = nearestCodes(task, book, context.threads)
  if (hessian) {
    chosen = before
      ? { codes: before.codes, values: placeWords(patterns, RUN, before.codes) }
      : await fedBackCodes(task, book, damping, context)
    await refineCodes(task, book, chosen, SWEEPS, context)
  }
  const made = scaled(chosen.values, scales, { rows, cols, width })
  if (hessian) await fitScales(scales, weights, made, hessian, context)
  else if (before) scales.set(meanSizes(weights, rows, cols))
  scales.forEach((scale, r) => (scales[r] = roundToHalf(scale)))
  return { codes: chosen.codes, scales, values: scaled(chosen.values, scales, { rows, cols, width }) }
}

/** Rows over their scales, padded to whole runs. */
function taskOf(
  weights: Float32Array,
  {
    rows,
    cols,
    width,
    scales,
    hessian,
  }: { rows: number; cols: number; width: number; scales: Float32Array; hessian: Hessian | null },
): Task {
  const divided = new Float32Array(rows * width)
  scales.forEach((scale, r) => {
    if (scale > 0)
      divided.set(
        weights.subarray(r * cols, (r + 1) * cols).map((w) => w / scale),
        r * width,
      )
  })
  const parts = hessian ? [{ begin: 0, end: rows, hessian: padHessian(hessian, width) }] : []
  const rowWeights = scales.map((scale) => scale * scale)
  return { weights: divided, rows, width, rowWeights, parts, k: PATTERNS, m: RUN, d: RUN }
}

/** The scale of each row that is nearest to its weights with their own signs: their mean size. */
function meanSizes(weights: Float32Array, rows: number, cols: number): Float32Array {
  return Float32Array.from({ length: rows }, (_, r) => {
    let sum = 0
    for (let c = r * cols; c < (r + 1) * cols; c++) sum += Math.abs(weights[c] ?? 0)
    return roundToHalf(sum / cols)
  })
}

function scaled(
  values: Float32Array, // [rows, width]
  scales: Float32Array,
  { rows, cols, width }: { rows: number; cols: number; width: number },
): Float32Array {
  const out = new Float32Array(rows * cols)
  scales.forEach((scale, r) =>
    out.set(
      values.subarray(r * width, r * width + cols).map((value) => value * scale),
      r * cols,
    ),
  )
  return out
}

const minus = (a: Float32Array, b?: Float32Array): Float32Array => (b ? a.map((x, i) => x - (b[i] ?? 0)) : a)
