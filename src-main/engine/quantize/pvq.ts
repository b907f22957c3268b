// Pyramid vector quantization: groups of D weights as a direction, an integer point on a pyramid, and a length.
//   van der Ouderaa, Croci, Hilmkil and Hensman 2024, "Pyramid Vector Quantization for LLMs"; Fischer 1986, "A Pyramid
//   Vector Quantizer" (points and their numbers)
//   w ~ s level p / |p|_2      p integer, |p_1| + ... + |p_D| = K      s per row (float16), level of L gains
//   A group is one number of B bits, level x N(D, K) + number of p: B / D bits a weight, all but s and the L gains counted.
//   L = floor(2^B / N): the gain takes what the points leave, no bit is idle.
//   gains: Lloyd's levels for the lengths at hand (the paper derives theirs from a Beta distribution of the same lengths)
//   p: largest cosine, exact for the length it ends with; calibrated: nearest in the Hessian's metric by moves of one pulse,
//   errors fed back group by group, then coordinate descent over groups, then s by least squares.
// Cost O(rows cols D) a pass, calibrated O(rows cols^2). Works on rotated weights as on others. No plain runtime decodes it:
// Lathe's own files hold it.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { roundToHalf, toHalfBits } from '../kernels/float16.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import { gainsOf, groupsOf, packPoints, type Pyramid, rowScales, searchPoints } from '../kernels/vectors/pvq.ts'
import { MAX_PULSES } from '../kernels/vectors/pyramid.ts'
import { pvqForm } from './codings/pvq.ts'
import type { CodedMatrix } from './codings/define.ts'
import { defineQuantizer, type QuantizeContext } from './define.ts'
import { lloydLevels } from './pvq/levels.ts'
import { calibratedPoints, nearestPoints, type Rows, type Solution } from './pvq/run.ts'
import { fitScales } from './pvq/scales.ts'
import { dimsFor, groupShape, type GroupShape } from './pvq/shape.ts'
import { eachBlock, notFinite, type WeightRows } from './rows.ts'

const params = z.object({
  bits: z.number().min(1).max(4.25).default(3.25).describe('Bits per weight, length included'),
  dims: z.int().min(2).max(32).default(16).describe('D: weights of a group'),
  pulses: z.int().min(1).max(MAX_PULSES).optional().describe('K: left out, what fits normal weights best'),
  damping: z.number().min(0).max(1).default(0.01).describe('Share of the mean diagonal added to the Hessian'),
  sweeps: z.int().min(0).max(8).default(2).describe('Passes of coordinate descent after error feedback'),
})

const FEW_COLS = 8 // a scale a row would weigh too much
const OFFERED = [2, 2.25, 2.5, 3, 3.25, 3.5, 4]

export const pvq = defineQuantizer({
  id: 'pvq',
  title: 'Pyramid vectors',
  summary:
    'Stores groups of weights as integer points on a pyramid and a length: more precise than single weights at the same bits.',
  cite: 'van der Ouderaa et al. 2024, Pyramid Vector Quantization for LLMs, sections 3 and 4; Fischer 1986, A Pyramid Vector Quantizer',
  formula: 'w ~ s level p / |p|;  sum |p_i| = K;  B = log2(levels x N(D, K)) bits a group',
  cost: 'O(weights x D); calibrated O(weights x inputs)',
  needs: ['weights', 'hessian'],
  version: 1,
  params,
  options(layer, { damping, sweeps, ...p }): Option[] {
    if (!layer.compressible || layer.cols < FEW_COLS) return []
    const dims = dimsFor(layer.cols, p.dims)
    return OFFERED.map((bits) => {
      const { pulses } = groupShape(dims, bits)
      const parameters = { bits, dims, pulses, damping, sweeps }
      return { id: `pvq-${bits}-d${dims}`, method: 'pvq', bits, parameters }
    })
  },
  async apply(source, p, context): Promise<CodedMatrix> {
    const shape = groupShape(p.dims, p.bits, p.pulses)
    if (shape.levels < 1) throw tooMany(context.layer, shape)
    const rows = await readRows(source, context)
    const pyramid = { ...shape, levels: levelsFor(rows, shape) }
    const { hessians = [] } = context
    const solution =
      hessians.length === 0
        ? nearestPoints(rows, pyramid, context.importance ?? null, context.threads)
        : await perHessian(rows, pyramid, hessians, p, context)
    return encode(rows, shape, pyramid, solution)
  },
})

const tooMany = (layer: string, { dims, pulses, groupBits }: GroupShape): Fault =>
  new Fault('bad-arguments', `Layer ${layer}: ${groupBits} bits do not number the points of ${pulses} pulses.`, {
    hint: 'Leave the pulses out, ask for fewer, or give more bits.',
    data: { tensor: layer, expected: `fewer pulses in ${dims} dimensions`, found: String(pulses) },
  })

/** All weights, and scales rounded to float16 in units of the largest: those far below it are rounded away with it. */
async function readRows(source: WeightRows, { layer }: QuantizeContext): Promise<Rows & { unit: number }> {
  const { rows, cols } = source
  const weights = new Float32Array(rows * cols)
  eachBlock(source, (block, begin) => weights.set(block, begin * cols))
  const { scales, bad } = rowScales(weights, rows, cols)
  if (bad >= 0) throw notFinite(layer, source, bad)
  const largest = scales.reduce((most, scale) => Math.max(most, scale), 0)
  const unit = largest === 0 ? 1 : 2 ** Math.floor(Math.log2(largest))
  return { weights, rows, cols, unit, scales: scales.map((scale) => roundToHalf(scale / unit) * unit) }
}

const SAMPLE_GROUPS = 1 << 13

/** Levels for the lengths of the groups, in units of their row's scale x sqrt(D). */
function levelsFor({ weights, rows, cols, scales }: Rows, { dims, pulses, levels }: GroupShape): Float32Array {
  const groups = groupsOf(cols, dims)
  const count = Math.min(SAMPLE_GROUPS, rows * groups)
  const vectors = new Float32Array(count * dims)
  const scale = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    const group = Math.floor((i * rows * groups) / count) // evenly over the layer
    const [r, g] = [Math.floor(group / groups), group % groups]
    const at = r * cols + g * dims
    vectors.set(weights.subarray(at, Math.min(at + dims, (r + 1) * cols)), i * dims)
    scale[i] = scales[r] ?? 0
  }
  const { gains } = gainsOf(vectors, dims, pulses)
  const ratios = gains.map((gain, i) => (scale[i] ? gain / ((scale[i] ?? 1) * Math.sqrt(dims)) : NaN))
  const known = ratios.filter((ratio) => !Number.isNaN(ratio))
  return known.length === 0 ? new Float32Array(levels).fill(1) : lloydLevels(known, levels)
}

/** One Hessian a group of the convolution, its output channels evenly split. */
async function perHessian(
  all: Rows,
  pyramid: Pyramid,
  hessians: readonly Hessian[],
  p: z.output<typeof params>,
  context: QuantizeContext,
): Promise<Solution> {
  const share = all.rows / hessians.length
  const parts: Solution[] = []
  for (const [i, hessian] of hessians.entries()) {
    const [begin, end] = [i * share, (i + 1) * share]
    const weights = all.weights.subarray(begin * all.cols, end * all.cols)
    const rows = { weights, rows: share, cols: all.cols, scales: all.scales.subarray(begin, end) }
    const own = { ...context, progress: (done: number) => context.progress?.((i + done) / hessians.length) }
    const solution = await calibratedPoints(rows, pyramid, hessian, p, own)
    await fitScales(rows.scales, weights, solution.values, hessian, context)
    parts.push(solution)
  }
  const joined = <A extends Uint8Array | Float32Array>(empty: A, pick: (part: Solution) => A): A => {
    let at = 0
    for (const part of parts) {
      empty.set(pick(part), at)
      at += pick(part).length
    }
    return empty
  }
  const length = (pick: (part: Solution) => { length: number }) =>
    parts.reduce((sum, part) => sum + pick(part).length, 0)
  return {
    points: joined(new Uint8Array(length(({ points }) => points)), ({ points }) => points),
    codes: joined(new Uint8Array(length(({ codes }) => codes)), ({ codes }) => codes),
    values: joined(new Float32Array(length(({ values }) => values)), ({ values }) => values),
  }
}

function encode(
  rows: Rows & { unit: number },
  shape: GroupShape,
  { levels }: Pyramid,
  solution: Solution,
): CodedMatrix {
  const { parts, ...form } = pvqForm(shape, rows)
  const groups = groupsOf(rows.cols, shape.dims)
  const codes = packPoints(solution, { ...shape, rows: rows.rows, groups, bits: shape.groupBits })
  const scales = Uint16Array.from(rows.scales, (scale) => toHalfBits(roundToHalf(scale / rows.unit)))
  const gains = levels.map((level) => level * rows.unit)
  const bytes = (array: Uint16Array | Float32Array) => new Uint8Array(array.buffer)
  const data = { codes, scales: bytes(scales), levels: bytes(gains) }
  return {
    ...form,
    parts: Object.fromEntries(
      Object.entries(data).map(([name, own]) => [name, { dtype: 'uint8', shape: [], ...parts[name], data: own }]),
    ),
  }
}

/** Activations [rows, cols] as pyramid vectors: what they become, each row with its own scale. `levels` from an earlier call
 *  keep the gains of calibration. The last group of a row may be shorter. */
export function pvqRows(
  x: Float32Array,
  rows: number,
  cols: number,
  p: { bits: number; dims?: number; levels?: Float32Array; threads?: number },
): { values: Float32Array; levels: Float32Array; bitsPerValue: number } {
  const shape = groupShape(p.dims ?? 16, p.bits)
  const { scales, bad } = rowScales(x, rows, cols)
  const source = { rows, cols, read: (begin: number, end: number) => x.subarray(begin * cols, end * cols) }
  if (bad >= 0) throw notFinite('activations', source, bad)
  const own = { weights: x, rows, cols, scales: scales.map(roundToHalf) }
  const levels = p.levels ?? levelsFor(own, shape)
  const { values } = searchPoints(x, own, { ...shape, levels }, null, { threads: p.threads })
  return { values, levels, bitsPerValue: (Math.ceil(cols / shape.dims) * shape.groupBits + 16) / cols }
}
