// Activation-aware scaling of weights before they are rounded.
//   Lin et al. 2024, "AWQ: Activation-aware Weight Quantization for On-Device LLM Compression and Acceleration", section 3.2:
//   s* = argmin || Q(W diag(s)) diag(s)^-1 X - W X ||,  s = mean|X|^a,  a in [0, 1) on a grid (eq. 4, 5)
//   s is divided by sqrt(max s * min s), as the authors' program does. The sum runs over all layers behind a seam.
// X: 256 rows of each seam's activations. Q: round to nearest in groups, as the quantizer of that name does it. a = 0 leaves
// all as it is, so the error on X never grows. Behind convolutions, X is taken as uncorrelated: sum D^2 mean(x^2).
// Cost O(steps * weights * 256) of matrix products. Needs activations.
import { z } from 'zod'
import type { TaskContext } from '../protocol.ts'
import { scaleAxis } from '../kernels/hadamard.ts'
import { multiply } from '../kernels/linear/multiply.ts'
import { dequantize } from '../quantize/dequantize.ts'
import { quantizeToGrid } from '../quantize/grid.ts'
import { rowsOf, rowsPerBlock } from '../quantize/rows.ts'
import { definePreparation, type MeasureArguments, type Measured } from './define.ts'
import { byChannel, observe, type Observed } from './observe.ts'
import { type Reader, readersOf } from './readers.ts'
import type { Runnable } from './rewriting.ts'
import { scaleSeams } from './scale.ts'
import { findSeams, type Seam } from './seams.ts'
import { factorsFrom, refusesWithoutSeams, runnable } from './seamed.ts'

const params = z.object({
  bits: z.int().min(2).max(8).default(4).describe('Bits that the weights will be rounded to'),
  groupSize: z.int().positive().default(64).describe('Weights that will share a scale'),
  symmetric: z.boolean().default(true).describe('Zero point in the middle'),
  steps: z.int().min(2).max(100).default(20).describe('Values of a that are tried'),
})
type Parameters = z.output<typeof params>

export const awq = definePreparation({
  id: 'awq',
  family: 'prepare',
  title: 'Activation-aware scaling (AWQ)',
  summary: 'Makes the weights that large activations meet larger before rounding, and what feeds them smaller',
  cite: 'Lin et al. 2024, AWQ, section 3.2',
  formula: "W' = W diag(s), x' = x / s, s = mean|x|^a, a = argmin ||Q(W') x' - W x||",
  cost: 'O(20 x weights x 256) once; nothing later',
  needs: ['weights', 'activations'],
  version: 1,
  params,
  refuses: (network) => refusesWithoutSeams(network, seamsOf),
  measure: (args, parameters, context) => search(args, parameters, context),
  apply(network, _, { measured }) {
    const { graph } = runnable(network)
    const seams = seamsOf({ ...network, graph })
    return scaleSeams({ ...network, graph }, seams, factorsFrom(seams, measured))
  },
})

const seamsOf = ({ graph }: Runnable): Seam[] => findSeams(graph)

async function search(args: MeasureArguments, parameters: Parameters, context: TaskContext): Promise<Measured> {
  const network = runnable(args.network)
  const seams = seamsOf(network)
  const half = (from: number): TaskContext => ({
    ...context,
    progress: ({ fraction, step }) => context.progress({ fraction: from + fraction / 2, step }),
  })
  const observed = await observe({ ...args, network }, seams, half(0))
  const found = new Map<string, Float32Array>()
  for (const [at, seam] of seams.entries()) {
    const seen = observed.get(seam.name)
    const readers = readersOf(network, seam)
    if (seen && readers.length > 0) found.set(`${seam.name}/scale`, await best(seam, seen, readers, parameters, args))
    observed.delete(seam.name)
    half(0.5).progress({ fraction: (at + 1) / seams.length, step: seam.name })
  }
  return found
}

/** The factors with the least error of the layers behind a seam. */
async function best(
  seam: Seam,
  seen: Observed,
  readers: readonly Reader[],
  parameters: Parameters,
  place: Pick<MeasureArguments, 'device'>,
): Promise<Float32Array> {
  const mean = byChannel(seam, seen.meanAbs, 'mean')
  let chosen = new Float32Array(seam.channels).fill(1)
  let least = Infinity
  for (let step = 0; step < parameters.steps; step++) {
    const s = powers(mean, step / parameters.steps)
    let error = 0
    for (const reader of readers) error += await roundingError(reader, s, seen, parameters, place)
    if (error < least) [least, chosen] = [error, s]
  }
  return chosen
}

/** mean^a around 1. */
export function powers(mean: Float32Array, a: number): Float32Array<ArrayBuffer> {
  const s = Float32Array.from(mean, (value) => Math.max(value, 1e-8) ** a)
  const middle = Math.sqrt(s.reduce((x, y) => Math.max(x, y)) * s.reduce((x, y) => Math.min(x, y)))
  // Channels that are never used would take all the range.
  return s.map((value) => Math.max(value / middle, 1e-4))
}

/** || (Q(W diag(s)) diag(s)^-1 - W) X ||^2, summed over the kept rows (or, for images, over channels). */
async function roundingError(
  { layer, weights, columns }: Reader,
  s: Float32Array,
  { rows, meanSquare }: Observed,
  { bits, groupSize, symmetric }: Parameters,
  place: Pick<MeasureArguments, 'device'>,
): Promise<number> {
  const { cols } = weights
  const factors = Float32Array.from(columns, (channel) => s[channel] ?? 1)
  const inverse = factors.map((value) => 1 / value)
  const settings = { bits, groupSize, symmetric, granularity: 'group', search: 'mse' } as const
  let error = 0
  const each = rowsPerBlock(cols)
  for (let begin = 0; begin < weights.rows; begin += each) {
    const end = Math.min(begin + each, weights.rows)
    const data = weights.read(begin, end)
    const scaled = data.slice()
    scaleAxis(scaled, factors, 1)
    const { data: rounded } = dequantize(
      quantizeToGrid(rowsOf({ data: scaled, rows: end - begin, cols }), settings, { layer: layer.name }),
    )
    scaleAxis(rounded, inverse, 1)
    for (let i = 0; i < rounded.length; i++) rounded[i] = (rounded[i] as number) - (data[i] as number)
    error += await energy(rounded, end - begin, { cols, rows, meanSquare, columns }, place)
  }
  return error
}

async function energy(
  difference: Float32Array,
  outputs: number,
  {
    cols,
    rows,
    meanSquare,
    columns,
  }: { cols: number; rows: Float32Array; meanSquare: Float32Array; columns: Int32Array },
  { device }: Pick<MeasureArguments, 'device'>,
): Promise<number> {
  let sum = 0
  if (rows.length === 0) {
    for (let i = 0; i < difference.length; i++)
      sum += (difference[i] as number) ** 2 * (meanSquare[columns[i % cols] ?? 0] ?? 0)
    return sum
  }
  const m = rows.length / cols
  const product = await multiply({ a: rows, b: difference, m, n: outputs, k: cols, transB: true }, { device })
  for (const value of product) sum += value * value
  return sum
}
