import { availableParallelism } from 'node:os'
import type { Hessian } from '../kernels/linear/types.ts'
import { codeRows, feedbackBlock, levelBlock } from '../kernels/levels.ts'
import type { LevelSettings } from '../kernels/levels-job.ts'
import { sharedBytes, sharedFloats } from '../kernels/pool.ts'
import type { LevelMatrix, Levels, LevelShape } from './codings/levels.ts'
import type { QuantizeContext } from './define.ts'
import { eachBlock, notFinite, rowsPerBlock, type WeightRows } from './rows.ts'
import { rangeOf } from './tensor.ts'

const SHARE_FROM_WEIGHTS = 1 << 16 // smaller blocks are done before a thread wakes up
const HALF_MIN_NORMAL = 2 ** -14
const HALF_MAX = 65504
const ROUNDS = 3

// Multiples of the plain scale that are tried. A table without a zero, or a mirrored one that is not symmetric, gains from
// scales far below; small floats have room at both ends.
const range = (from: number, to: number, steps: number): number[] =>
  Array.from({ length: steps }, (_, k) => from + ((to - from) * (k + 0.5)) / steps)

/** What is tried for a set of levels. */
export function factorsOf({ set, scale }: Levels): number[] {
  if (scale === 'power-of-two' || scale === 'float8e8m0') return [2, 0.5, 0.25, 0.125]
  if (set.kind === 'float') {
    // Between two powers of two every position of the steps; below the plain scale the largest weights saturate.
    const steps = set.mantissa === 1 ? 16 : 8
    return [...range(0.6, 1, steps), ...range(1, 1.4, steps / 2)]
  }
  const widest = set.levels.length > 8 ? 0.6 : set.levels.length > 4 ? 0.4 : 0.15
  const steps = set.levels.length > 4 ? 10 : 16
  const mirrored = set.levels.some((level) => !set.levels.includes(-level))
  const shrunk = range(widest, 1, steps)
  return mirrored ? [...shrunk, -1, ...shrunk.map((factor) => -factor)] : shrunk
}

export interface LevelParameters {
  search: 'none' | 'mse'
  feedback: boolean
}

/** Codes of a layer on a set of levels: a scale for every group that minimises the weighted error (`search`), then nearest
 *  levels, or error feedback through the inputs' Hessian where there is one (`feedback`). Scales are float16 unless the whole
 *  layer lies outside its range; they are numbers of their stored type. Faults on weights that are not finite. */
export async function quantizeToLevels(
  source: WeightRows,
  levels: Levels,
  shape: LevelShape,
  parameters: LevelParameters,
  context: QuantizeContext,
): Promise<{ matrix: LevelMatrix; scales: 'float32' | undefined }> {
  const { hessians } = context
  const fed = parameters.feedback && hessians !== undefined && hessians.length > 0
  const importance = context.importance ?? (fed ? meanDiagonal(hessians) : new Float32Array(source.cols).fill(1))
  const divisor = levels.scale === 'float8e4m3fn' ? divisorOf(source, levels, context.layer) : 1
  const factors = parameters.search === 'none' ? [] : factorsOf(levels)
  const run = (scale: Levels['scale']): { matrix: LevelMatrix; settings: LevelSettings } => {
    const settings: LevelSettings = { set: levels.set, scale, divisor, factors, rounds: ROUNDS }
    const choose = shape.granularity === 'tensor' ? chooseForTensor : chooseForGroups
    return { matrix: choose(source, settings, shape, importance, context), settings }
  }
  let { matrix, settings } = run(levels.scale)
  let wide = false
  if (levels.scale === 'float16') {
    const coarsest = matrix.scales.reduce((most, scale) => Math.max(most, Math.abs(scale)), 0)
    wide = coarsest !== 0 && (coarsest < HALF_MIN_NORMAL || coarsest >= HALF_MAX)
    if (wide) ({ matrix, settings } = run('float32'))
  }
  if (fed) await feedBack(source, settings, matrix, hessians, context)
  if (levels.scale === 'float8e8m0') {
    matrix.scales.forEach((scale, i) => {
      if (scale === 0) matrix.scales[i] = 1 // a group of zeros: any scale gives them, and this type has no 0
    })
  }
  return { matrix, scales: wide ? 'float32' : undefined }
}

/** What stored scales are divided by, so that the layer's largest weight has the largest scale: NVIDIA's choice. */
function divisorOf(source: WeightRows, { set }: Levels, layer: string): number {
  const most = largest(source, layer)
  const top = set.kind === 'float' ? set.top : 1
  const divisor = Math.fround((448 * top) / most)
  return most === 0 || !Number.isFinite(divisor) ? 1 : divisor
}

function largest(source: WeightRows, layer: string): number {
  const [low, high] = rangeOf(source, layer)
  return Math.max(-low, high)
}

function chooseForGroups(
  source: WeightRows,
  settings: LevelSettings,
  shape: LevelShape,
  importance: Float32Array,
  context: QuantizeContext,
): LevelMatrix {
  const { rows, cols, groupSize, groups } = shape
  const codes = new Uint8Array(rows * cols)
  const scales = new Float32Array(rows * groups)
  const blockRows = Math.min(rows, rowsPerBlock(cols))
  const threads = blockRows * cols < SHARE_FROM_WEIGHTS ? 1 : (context.threads ?? availableParallelism())
  const shared =
    threads > 1
      ? {
          weights: sharedFloats(blockRows * cols),
          codes: sharedBytes(blockRows * cols),
          scales: sharedFloats(blockRows * groups),
        }
      : null
  eachBlock(source, (weights, begin, end) => {
    const own = {
      codes: codes.subarray(begin * cols, end * cols),
      scales: scales.subarray(begin * groups, end * groups),
    }
    shared?.weights.set(weights)
    const block = { rows: end - begin, cols, groupSize, importance, ...(shared ?? { weights, ...own }) }
    const bad = levelBlock(settings, block, threads)
    if (bad >= 0) throw notFinite(context.layer, source, begin * cols + bad)
    if (shared) {
      own.codes.set(shared.codes.subarray(0, own.codes.length))
      own.scales.set(shared.scales.subarray(0, own.scales.length))
    }
    context.progress?.(end / rows)
  })
  return { ...shape, codes, scales, divisor: settings.divisor }
}

/** One scale for all: the plain one or the multiple with the least error, one pass over the weights for each. */
function chooseForTensor(
  source: WeightRows,
  settings: LevelSettings,
  shape: LevelShape,
  importance: Float32Array,
  context: QuantizeContext,
): LevelMatrix {
  const { rows, cols } = shape
  const codes = new Uint8Array(rows * cols)
  const most = largest(source, context.layer)
  const top = settings.set.kind === 'float' ? settings.set.top : Math.max(...settings.set.levels.map(Math.abs))
  const tried = [1, ...settings.factors].map((factor) => Math.fround((most / top) * factor))
  const errorOf = (scale: number): number => {
    let error = 0
    eachBlock(source, (weights, begin, end) => {
      const scales = new Float32Array(end - begin).fill(scale)
      const block = { rows: end - begin, cols, groupSize: cols, weights, importance, scales }
      error += codeRows(settings, { ...block, codes: codes.subarray(begin * cols, end * cols) })
    })
    return error
  }
  let best = { scale: tried[0] ?? 0, error: Infinity }
  tried.forEach((scale, index) => {
    const error = errorOf(scale)
    if (error < best.error) best = { scale, error }
    context.progress?.((index + 1) / tried.length)
  })
  errorOf(best.scale)
  return { ...shape, codes, scales: Float32Array.of(best.scale), divisor: 1 }
}

/** Codes again, column by column, each column's error passed on to those that follow (GPTQ), under the scales chosen. */
async function feedBack(
  source: WeightRows,
  settings: LevelSettings,
  matrix: LevelMatrix,
  hessians: readonly Hessian[],
  context: QuantizeContext,
): Promise<void> {
  const { feedback } = await import('../kernels/linear/feedback.ts')
  const { inverseFactor } = await import('../kernels/linear/factor.ts')
  const { cols, groupSize, groups, granularity } = matrix
  const share = matrix.rows / hessians.length
  for (const [index, hessian] of hessians.entries()) {
    const [begin, end] = [Math.round(index * share), Math.round((index + 1) * share)]
    const rows = end - begin
    const factor = await inverseFactor(hessian, { damping: 0.01, notify: context.notify })
    const scales =
      granularity === 'tensor'
        ? new Float32Array(rows).fill(matrix.scales[0] ?? 0)
        : matrix.scales.subarray(begin * groups, end * groups)
    const codes = matrix.codes.subarray(begin * cols, end * cols)
    await feedback({
      weights: source.read(begin, end).slice(),
      ...{ rows, cols, factor, blockSize: 128 },
      inner: (_block: number, first: number, w: Float32Array, u: Float32Array) => {
        const size = w.length / rows
        const made = feedbackBlock(settings, { begin: first, size, rows, w, u, scales, groupSize, groups })
        for (let r = 0; r < rows; r++) codes.set(made.codes.subarray(r * size, (r + 1) * size), r * cols + first)
        context.progress?.((index + (first + size) / cols) / hessians.length)
        return made.errors
      },
    })
  }
}

/** How much each input matters to all output channels: the mean of the Hessians' diagonals. */
function meanDiagonal(hessians: readonly Hessian[]): Float32Array {
  const size = hessians[0]?.size ?? 0
  return Float32Array.from({ length: size }, (_, c) =>
    hessians.reduce((sum, { data }) => sum + (data[c * size + c] ?? 0) / hessians.length, 0),
  )
}
